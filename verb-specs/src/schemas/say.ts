import { amountOrText, flag, ref, type Static, text, textOrTexts, type VerbSchema, verb, when } from '../schema.js';
import { synthesizer } from './synthesizer.js';

const schema = verb(
  'say',
  'Speaks text to the caller.',
  {
    text: textOrTexts('text, SSML within <speak>, or a list spoken in order; required unless stream is true'),
    instructions: text('style of speaking, for vendors that take it'),
    stream: flag('speak the tokens that the application streams (WebSocket applications); default false'),
    loop: amountOrText('how often to speak; forever for no end; default 1'),
    synthesizer: ref(synthesizer, 'voice; default is that of the session'),
    earlyMedia: flag('speak before the call is answered; default false'),
    disableTtsCache: flag('always synthesize afresh; default false'),
    closeStreamOnEmpty: flag('close the stream when no tokens are left; default false'),
  },
  [],
  when({ required: ['stream'], properties: { stream: { const: true } } }, {}, { required: ['text'] }),
);
/** Speaks text to the caller. */
export interface SaySpec extends Static<typeof schema> {}
/** Schema of {@link SaySpec}. */
export const say: VerbSchema<SaySpec> = schema;
