import type { DialSpec } from '@ringwire/verb-specs';
import type { Conversation } from '../conversation.js';
import type { VerbContext } from '../verb.js';
import { DtmfPatterns } from './dtmf-patterns.js';

/** `dtmfCapture` and `dtmfHook`: tells the hook of patterns of keys, with the call info of the leg that pressed them. @returns what ends it */
export function captureDigits(ctx: VerbContext, spec: DialSpec, conversation: Conversation): () => void {
  const { dtmfCapture, dtmfHook } = spec;
  if (dtmfCapture === undefined) return () => {};
  if (dtmfHook === undefined) {
    ctx.journal.timeline.warn('verb', 'dial: dtmfCapture has no effect without dtmfHook');
    return () => {};
  }
  const { childCall = [], parentCall = [] } = Array.isArray(dtmfCapture)
    ? { childCall: dtmfCapture, parentCall: dtmfCapture }
    : dtmfCapture;
  const watch = (leg: Pick<VerbContext, 'media' | 'app' | 'journal'>, wanted: readonly string[]): (() => void) => {
    const patterns = new DtmfPatterns(wanted);
    if (patterns.unreadable.length > 0) {
      ctx.journal.timeline.warn('verb', `dial: no patterns of keys: ${patterns.unreadable.join(', ')}`);
    }
    if (patterns.isEmpty) return () => {};
    return leg.media.onDigit(({ key }) => {
      const dtmf = patterns.press(key);
      if (dtmf === undefined) return;
      leg.journal.timeline.info('dtmf', `dial: the keys ${dtmf} are told to the application`);
      leg.app.tell(dtmfHook, { dtmf });
    });
  };
  const unwatch = watch(ctx, parentCall);
  conversation.onParty(({ verbs }) => (verbs ? watch(verbs.ctx, childCall) : () => {}));
  return unwatch;
}
