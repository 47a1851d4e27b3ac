import { headers, ref, type Static, text, type VerbSchema, verb } from '../schema.js';
import { hook } from './hook.js';

const schema = verb(
  'sip:request',
  'Sends a SIP request within the call.',
  {
    method: text('method, for example INFO, MESSAGE or NOTIFY'),
    body: text('body of the request'),
    headers: headers('further SIP headers'),
    actionHook: ref(hook, 'called with the result: `result`, `sip_status` or `err`'),
  },
  ['method'],
);
/** Sends a SIP request within the call. */
export interface SipRequestSpec extends Static<typeof schema> {}
/** Schema of {@link SipRequestSpec}. */
export const sipRequest: VerbSchema<SipRequestSpec> = schema;
