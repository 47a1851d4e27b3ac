import { ref, type Static, text, textOrTexts, type VerbSchema, verb } from '../schema.js';
import { hook } from './hook.js';

const schema = verb(
  'message',
  'Sends a text message.',
  {
    to: text('number of the receiver'),
    from: text('number of the sender'),
    text: text('text of the message'),
    media: textOrTexts('URL of a picture, sound or video, or several'),
    carrier: text('carrier by name; default is the first with messaging'),
    account_sid: text('account to send for; default is that of the call'),
    message_sid: text('your id of the message; default is made up'),
    actionHook: ref(hook, 'called with `message_status`'),
  },
  ['to', 'from'],
);
/** Sends a text message. */
export interface MessageSpec extends Static<typeof schema> {}
/** Schema of {@link MessageSpec}. */
export const message: VerbSchema<MessageSpec> = schema;
