import { DECLINED_BY_APPLICATION, SIP_HEADERS } from '@ringwire/common';
import type { SipDeclineSpec } from '@ringwire/verb-specs';
import type { Verb } from './verb.js';

/** Refuses the call with a SIP status. The call's status becomes `failed`, whatever the SIP status is. */
export const sipDecline: Verb<SipDeclineSpec> = {
  needs: () => 'unanswered call',
  describe: ({ status, reason }) => `${status} ${reason ?? ''}`.trim(),
  endsCall: true,
  async run({ call }, { status, reason, headers }) {
    call.decline(status, reason, {
      ...(headers as Record<string, string>),
      [SIP_HEADERS.reason]: DECLINED_BY_APPLICATION,
    });
  },
};
