import { setTimeout as sleep } from 'node:timers/promises';
import type { DialSpec, HookSpec } from '@ringwire/verb-specs';
import type { HoldChange } from '../../session/hold-news.js';
import type { Conversation } from '../conversation.js';
import type { VerbContext } from '../verb.js';
import type { Asides } from './asides.js';

/** The hook is asked no more often: an answer without sound would have it asked all the time. */
const ROUND_MS = 1_000;

/** Who holds, and whom. */
interface Held {
  holder: VerbContext;
  held: VerbContext;
}

/** While one of the two holds the call, the other hears what `onHoldHook` says, asked again and again; without a hook `config.onHoldMusic`. */
export function playWhileHeld(
  ctx: VerbContext,
  { onHoldHook }: DialSpec,
  conversation: Conversation,
  asides: Asides,
  signal: AbortSignal,
): void {
  const hasMusic = (): boolean => onHoldHook !== undefined || ctx.defaults.onHoldMusic !== undefined;
  const watch = ({ holder, held }: Held): (() => void) => {
    let hold = new AbortController();
    const unwatch = holder.media.onHold((change) => {
      hold.abort();
      if (!change.isHeld || !hasMusic()) return;
      hold = new AbortController();
      void play({ holder, held }, change, AbortSignal.any([signal, hold.signal]));
    });
    return () => {
      unwatch();
      hold.abort();
    };
  };
  const play = async (both: Held, change: HoldChange, during: AbortSignal): Promise<void> => {
    both.held.journal.timeline.info('call', 'put on hold by the other side');
    try {
      // A whisper comes first; the music goes on after it.
      const round = (stop: AbortSignal): Promise<void> =>
        onHoldHook === undefined ? playMusic(ctx, both.held, stop) : playHook(both, onHoldHook, change, stop);
      while ((await asides.run(round, during, { yields: true })) === 'displaced');
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      if (!during.aborted) ctx.journal.timeline.warn('media', `dial: no music on hold: ${text}`);
    }
  };
  conversation.onParty(({ verbs }) => {
    if (!verbs) return () => {};
    const ends = [watch({ holder: ctx, held: verbs.ctx }), watch({ holder: verbs.ctx, held: ctx })];
    return () => {
      for (const end of ends) end();
    };
  });
}

/** `config.onHoldMusic`, until the signal ends it. */
async function playMusic(ctx: VerbContext, held: VerbContext, signal: AbortSignal): Promise<void> {
  const source = await held.media.resolveSource(ctx.defaults.onHoldMusic ?? '');
  while (!signal.aborted) {
    const round = sleep(ROUND_MS, undefined, { signal }).catch(() => undefined);
    await held.media.play([source], { signal });
    await round;
  }
}

/** Until the signal ends it, or the hook has nothing (more) to hear. */
async function playHook(
  { holder, held }: Held,
  hook: HookSpec,
  { from, to }: HoldChange,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    const reply = await holder.app.ask(hook, { holdDetail: { from, to } }, signal);
    const verbs = reply?.verbs ?? [];
    if (signal.aborted || verbs.length === 0) return;
    const round = sleep(ROUND_MS, undefined, { signal }).catch(() => undefined);
    await held.nested.run(verbs, ['say', 'play', 'pause'], signal);
    await round;
  }
}
