import {
  body,
  described,
  flag,
  number,
  object,
  ref,
  type Static,
  textOr,
  textOrFreeObject,
  type VerbSchema,
  verb,
} from '../schema.js';
import { agentNoiseIsolation } from './audio.js';
import { hook } from './hook.js';
import { llm } from './llm.js';
import { mcpServers } from './llm-parts.js';
import { recognizer } from './recognizer.js';
import { synthesizer } from './synthesizer.js';

const bargeIn = object({
  enable: flag('the caller can interrupt; default true'),
  minSpeechDuration: number('seconds of speech that interrupt; default 0.5'),
  sticky: flag('an interrupted answer is dropped; default false'),
});
const schema = verb(
  'pipeline',
  'An older form of agent: recogniser, model and voice in a row.',
  {
    stt: ref(recognizer, 'recognizer'),
    tts: ref(synthesizer, 'voice'),
    llm: ref(body(llm), 'language model'),
    turnDetection: textOrFreeObject('how the end of a turn is found'),
    bargeIn: described(bargeIn, 'how the caller interrupts'),
    actionHook: ref(hook, 'called at the end'),
    eventHook: ref(hook, 'receives events'),
    toolHook: ref(hook, 'asked for the result of a tool'),
    greeting: flag('the model speaks first; default true'),
    earlyGeneration: flag('ask the model before the turn has surely ended; default false'),
    noiseIsolation: textOr([], agentNoiseIsolation, 'krisp, rnnoise or an object'),
    mcpServers,
    noResponseTimeout: number('seconds of silence until the caller is asked; 0 is never; default 0'),
  },
  ['llm'],
);
/** An older form of agent: recogniser, model and voice in a row. */
export interface PipelineSpec extends Static<typeof schema> {}
/** Schema of {@link PipelineSpec}. */
export const pipeline: VerbSchema<PipelineSpec> = schema;
