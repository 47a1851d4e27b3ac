import {
  amountOrText,
  flag,
  ref,
  type Static,
  text,
  textOrTextsOrChoices,
  type VerbSchema,
  verb,
  when,
} from '../schema.js';
import { synthesizer } from './synthesizer.js';

const schema = verb(
  'say',
  'Speaks text to the caller.',
  {
    text: textOrTextsOrChoices(
      'text, SSML within <speak>, or a list spoken in order, of which a list within it is one at random; required unless stream is true',
    ),
    instructions: text('style of speaking, for vendors that take it'),
    stream: flag('speak the tokens that the application streams (WebSocket applications); default false'),
    loop: amountOrText('how often to speak; forever or 0 for no end; default 1'),
    synthesizer: ref(synthesizer, 'voice; default is that of the session'),
    earlyMedia: flag('speak before the call is answered; default false'),
    disableTtsCache: flag('always synthesize afresh; default false'),
    closeStreamOnEmpty: flag('end when everything that was streamed is spoken; default true'),
  },
  [],
  when({ required: ['stream'], properties: { stream: { const: true } } }, {}, { required: ['text'] }),
);
/** Speaks text to the caller. */
export interface SaySpec extends Static<typeof schema> {}
/** Schema of {@link SaySpec}. */
export const say: VerbSchema<SaySpec> = schema;
