import type { HangupSpec } from '@ringwire/verb-specs';
import type { Verb } from './verb.js';

/** Ends the call; an unanswered one is refused with 603. */
export const hangup: Verb<HangupSpec> = {
  needs: () => 'nothing',
  endsCall: true,
  async run({ call }, { headers }) {
    call.hangup('hangup verb', headers as Record<string, string> | undefined);
  },
};
