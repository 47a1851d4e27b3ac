import {
  choice,
  flag,
  flagOr,
  mapOf,
  number,
  object,
  ref,
  type Static,
  text,
  textOr,
  type VerbSchema,
  verb,
} from '../schema.js';
import { agentBargeIn, agentLanguage, agentLlm, toolFiller } from './agent-parts.js';
import { agentNoiseIsolation } from './audio.js';
import { hook } from './hook.js';
import { handoff, hangupTool, mcpServers } from './llm-parts.js';
import { recognizer } from './recognizer.js';
import { synthesizer } from './synthesizer.js';

const krispTurns = object(
  {
    mode: choice(['krisp'], 'detector'),
    threshold: number('confidence that the turn has ended, 0 to 1'),
    model: text('model of the detector'),
  },
  ['mode'],
);
const languages = mapOf(agentLanguage, 'settings by BCP 47 language code');

const schema = verb('agent', 'Connects the caller to a voice agent: recogniser, language model and voice.', {
  stt: ref(recognizer, 'recognizer; default is that of the session'),
  tts: ref(synthesizer, 'voice; default is that of the session'),
  autoLockLanguage: flagOr('always', 'follow the language of the caller: once, or always; default false'),
  languageConfig: languages,
  turnDetection: textOr(
    ['stt', 'krisp'],
    krispTurns,
    'how the end of a turn is found: stt, krisp or an object; default stt',
  ),
  bargeIn: ref(agentBargeIn, 'how the caller interrupts'),
  noResponseTimeout: number('seconds of silence until the caller is asked; 0 is never; default 0'),
  llm: ref(agentLlm, 'language model; default is that of the application'),
  actionHook: ref(hook, 'called at the end'),
  eventHook: ref(hook, 'receives transcripts, answers and other events'),
  toolHook: ref(hook, 'asked for the result of a tool'),
  greeting: flag('the model speaks first; default true'),
  earlyGeneration: flag('ask the model before the turn has surely ended; default false'),
  noiseIsolation: textOr(['krisp', 'rnnoise'], agentNoiseIsolation, 'krisp, rnnoise or an object; default off'),
  mcpServers,
  handoff: ref(handoff, 'transfer to a human as a tool'),
  hangup: ref(hangupTool, 'hang-up as a tool'),
  toolFiller,
});
/** Connects the caller to a voice agent: recogniser, language model and voice. */
export interface AgentSpec extends Static<typeof schema> {}
/** Schema of {@link AgentSpec}. */
export const agent: VerbSchema<AgentSpec> = schema;
