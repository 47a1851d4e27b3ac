import type { HangupSpec } from '@ringwire/verb-specs';
import { ownHeaders } from '../sip/leg-requests.js';
import type { Verb } from './verb.js';

/** Ends the call; an unanswered one is refused with 603. */
export const hangup: Verb<HangupSpec> = {
  needs: () => 'nothing',
  endsCall: true,
  async run({ call }, { headers }) {
    call.hangup('hangup verb', ownHeaders(headers));
  },
};
