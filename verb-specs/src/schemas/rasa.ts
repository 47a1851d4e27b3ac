import { ref, type Static, text, type VerbSchema, verb } from '../schema.js';
import { hook } from './hook.js';
import { recognizer } from './recognizer.js';
import { synthesizer } from './synthesizer.js';

const schema = verb(
  'rasa',
  'Connects the caller to a Rasa bot.',
  {
    url: text('REST channel of the bot'),
    recognizer: ref(recognizer, 'recognizer; default is that of the session'),
    tts: ref(synthesizer, 'voice; default is that of the session'),
    prompt: text('spoken at the start'),
    actionHook: ref(hook, 'called at the end with `rasa_result`'),
    eventHook: ref(hook, 'receives each message'),
  },
  ['url'],
);
/** Connects the caller to a Rasa bot. */
export interface RasaSpec extends Static<typeof schema> {}
/** Schema of {@link RasaSpec}. */
export const rasa: VerbSchema<RasaSpec> = schema;
