import { headers, ref, type Static, text, type VerbSchema, verb } from '../schema.js';
import { hook } from './hook.js';

const schema = verb(
  'sip:refer',
  'Transfers the call by SIP REFER.',
  {
    referTo: text('number, user or SIP URI to transfer to'),
    referredBy: text('number, user or SIP URI of the transferor; default is the calling number'),
    referredByDisplayName: text('display name of the transferor'),
    headers: headers('further SIP headers'),
    actionHook: ref(hook, 'called at the end with `refer_status`'),
    eventHook: ref(hook, 'called for each NOTIFY with `call_status`'),
  },
  ['referTo'],
);
/** Transfers the call by SIP REFER. */
export interface SipReferSpec extends Static<typeof schema> {}
/** Schema of {@link SipReferSpec}. */
export const sipRefer: VerbSchema<SipReferSpec> = schema;
