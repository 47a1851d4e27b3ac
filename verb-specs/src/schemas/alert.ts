import { type Static, text, type VerbSchema, verb } from '../schema.js';

const schema = verb(
  'alert',
  'Writes an alert for the account: type alert-from-application, with the message as its detail.',
  { message: text('text of the alert') },
  ['message'],
);
/** Writes an alert for the account: type alert-from-application, with the message as its detail. */
export interface AlertSpec extends Static<typeof schema> {}
/** Schema of {@link AlertSpec}. */
export const alert: VerbSchema<AlertSpec> = schema;
