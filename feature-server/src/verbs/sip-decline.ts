import { DECLINED_BY_APPLICATION, SIP_HEADERS } from '@ringwire/common';
import type { SipDeclineSpec } from '@ringwire/verb-specs';
import { headerValue } from '../sip/header-value.js';
import { ownHeaders } from '../sip/leg-requests.js';
import type { Verb } from './verb.js';

/** Refuses the call with a SIP status. The call's status becomes `failed`, whatever the SIP status is. */
export const sipDecline: Verb<SipDeclineSpec> = {
  needs: () => 'unanswered call',
  describe: ({ status, reason }) => `${status} ${reason ?? ''}`.trim(),
  endsCall: true,
  async run({ call }, { status, reason, headers }) {
    call.decline(Math.trunc(status), reason === undefined ? undefined : headerValue(reason), {
      ...ownHeaders(headers),
      [SIP_HEADERS.reason]: DECLINED_BY_APPLICATION,
    });
  },
};
