import {
  described,
  flag,
  freeObject,
  number,
  object,
  ref,
  type Static,
  text,
  type VerbSchema,
  verb,
} from '../schema.js';
import { hook } from './hook.js';
import { synthesizer } from './synthesizer.js';

const intent = object({ name: text('name of the intent'), slots: freeObject('slots by name') }, ['name']);
const schema = verb(
  'lex',
  'Connects the caller to an Amazon Lex bot.',
  {
    botId: text('id of the bot'),
    botAlias: text('alias of the bot'),
    credentials: freeObject('AWS credentials'),
    region: text('AWS region'),
    locale: text('locale; default en_US'),
    intent: described(intent, 'first intent'),
    welcomeMessage: text('spoken at the start'),
    metadata: freeObject('session attributes'),
    bargein: flag('speech stops the bot; default false'),
    passDtmf: flag('send digits to the bot; default false'),
    actionHook: ref(hook, 'called at the end with `lex_result`'),
    eventHook: ref(hook, 'receives events'),
    noInputTimeout: number('seconds without input'),
    tts: ref(synthesizer, 'own voice instead of that of the bot'),
  },
  ['botId', 'botAlias', 'credentials', 'region'],
);
/** Connects the caller to an Amazon Lex bot. */
export interface LexSpec extends Static<typeof schema> {}
/** Schema of {@link LexSpec}. */
export const lex: VerbSchema<LexSpec> = schema;
