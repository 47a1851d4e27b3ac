import { headers, type Static, type VerbSchema, verb } from '../schema.js';

const schema = verb('hangup', 'Ends the call.', { headers: headers('further SIP headers for the BYE') });
/** Ends the call. */
export interface HangupSpec extends Static<typeof schema> {}
/** Schema of {@link HangupSpec}. */
export const hangup: VerbSchema<HangupSpec> = schema;
