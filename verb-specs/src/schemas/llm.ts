import { flag, freeObject, number, ref, type Static, text, texts, type VerbSchema, verb, when } from '../schema.js';
import { hook } from './hook.js';
import { handoff, hangupTool, mcpServers } from './llm-parts.js';

const schema = verb(
  'llm',
  'Connects the caller to a speech-to-speech model.',
  {
    vendor: text('openai, microsoft, google, elevenlabs, deepgram, voiceagent, ultravox, qwen or gptlive'),
    model: text('model; default is that of the vendor'),
    auth: freeObject('credentials of the vendor'),
    connectOptions: freeObject('host, path or version instead of the usual ones'),
    mcpServers,
    actionHook: ref(hook, 'called at the end with `completion_reason`'),
    eventHook: ref(hook, 'receives events'),
    toolHook: ref(hook, 'asked for the result of a tool'),
    events: texts('events for eventHook: all, a name, prefix.*, -name excludes'),
    llmOptions: freeObject('session settings as the vendor has them; required except for elevenlabs'),
    handoff: ref(handoff, 'transfer to a human as a tool'),
    hangup: ref(hangupTool, 'hang-up as a tool'),
    responseTimeoutMs: number('ms to wait for a response before it counts as stalled; default off'),
    cancelOnResponseTimeout: flag('cancel a stalled response; default false'),
    cancelOnBargeIn: flag('cancel the response when the caller speaks; default false'),
  },
  ['vendor'],
  when({ properties: { vendor: { const: 'elevenlabs' } } }, {}, { required: ['llmOptions'] }),
);
/** Connects the caller to a speech-to-speech model. */
export interface LlmSpec extends Static<typeof schema> {}
/** Schema of {@link LlmSpec}. */
export const llm: VerbSchema<LlmSpec> = schema;
