import { headers, number, type Static, text, type VerbSchema, verb } from '../schema.js';

const schema = verb(
  'sip:decline',
  'Refuses an unanswered call with a final SIP status; the call ends as failed.',
  {
    status: { ...number('final SIP status, for example 486'), minimum: 300, maximum: 699 },
    reason: text('reason phrase; default is that of the status'),
    headers: headers('further SIP headers; X-Reason is always added'),
  },
  ['status'],
);
/** Refuses an unanswered call with a final SIP status; the call ends as failed. */
export interface SipDeclineSpec extends Static<typeof schema> {}
/** Schema of {@link SipDeclineSpec}. */
export const sipDecline: VerbSchema<SipDeclineSpec> = schema;
