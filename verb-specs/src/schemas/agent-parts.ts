import {
  anonymous,
  choice,
  component,
  described,
  freeObject,
  list,
  number,
  object,
  ref,
  type Schema,
  type Static,
  text,
  when,
} from '../schema.js';
import { synthesizer } from './synthesizer.js';

/** One message of a conversation with a language model; vendors may have further properties. */
export interface LlmMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: unknown;
  [property: string]: unknown;
}
const llmMessage: Schema<LlmMessage> = {
  type: 'object',
  properties: {
    role: choice(['system', 'user', 'assistant', 'tool'], 'who speaks'),
    content: { description: 'what is said' },
  },
  required: ['role', 'content'],
};

const connectOptionsSchema = object({
  timeout: number('ms to wait for an answer'),
  maxRetries: number('how often to try again'),
  endpoint: text('host instead of the usual one'),
  baseURL: text('URL instead of the usual one'),
});
const tools: Schema<Record<string, unknown>[]> = {
  type: 'array',
  items: { type: 'object' },
  description: 'tools offered to the model, as the vendor has them',
};
const llmOptionsSchema = object({
  systemPrompt: text('instructions for the model'),
  messages: list(llmMessage, 'conversation so far'),
  initialMessages: list(llmMessage, 'the same as messages'),
  maxTokens: number('most tokens of an answer'),
  temperature: number('randomness, from 0'),
  reasoningEffort: choice(['minimal', 'low', 'medium', 'high'], 'how long the model thinks'),
  tools,
});
const agentLlmSchema = object({
  vendor: text('vendor of the model; default is that of the application'),
  model: text('model; default is that of the application'),
  label: text("which of the account's credentials of that vendor"),
  auth: freeObject('credentials, instead of the stored ones'),
  connectOptions: described(connectOptionsSchema, 'how the vendor is reached'),
  llmOptions: described(llmOptionsSchema, 'what the model is asked'),
});
/** The language model of an agent. */
export interface AgentLlmSpec extends Static<typeof agentLlmSchema> {}
/** Schema of {@link AgentLlmSpec}. */
export const agentLlm = component<AgentLlmSpec>('agentLlm', 'The language model of an agent.', agentLlmSchema);

/** How the caller interrupts an agent; vendors may have further properties. */
export interface AgentBargeInSpec {
  enable?: boolean;
  strategy?: 'vad' | 'interruptPrediction';
  vendor?: string;
  threshold?: number;
  /** Seconds. */
  minSpeechDuration?: number;
  sticky?: boolean;
  [property: string]: unknown;
}
/** Schema of {@link AgentBargeInSpec}. */
export const agentBargeIn = component<AgentBargeInSpec>('agentBargeIn', 'How the caller interrupts an agent.', {
  type: 'object',
  properties: {
    enable: { type: 'boolean', description: 'the caller can interrupt; default true' },
    strategy: choice(['vad', 'interruptPrediction'], 'what counts as an interruption; default vad'),
    vendor: text('vendor of the prediction'),
    threshold: number('confidence, 0 to 1'),
    minSpeechDuration: number('seconds of speech that interrupt; default 0.5'),
    sticky: { type: 'boolean', description: 'an interrupted answer is dropped; default false' },
  },
});

const needsUrl = when({ properties: { type: { const: 'audio' } } }, { required: ['url'] });
const toolFillerSchema = object(
  {
    type: choice(['audio', 'backchannel'], 'audio: play a file; backchannel: speak short phrases'),
    startDelaySecs: number('seconds of waiting before the filler starts; default 2'),
    url: text('URL of the audio; required for audio'),
    style: text('style of the phrases (backchannel)'),
    escalationSecs: number('seconds until a longer explanation is spoken (backchannel); default 10'),
  },
  ['type'],
  needsUrl,
);
/** What the caller hears while a tool runs. */
export interface ToolFillerSpec extends Static<typeof toolFillerSchema> {}
/** Schema of `false` or {@link ToolFillerSpec}. */
export const toolFiller: Schema<false | ToolFillerSpec> = {
  ...anonymous(toolFillerSchema),
  type: ['boolean', 'object'],
  allOf: [when({ type: 'boolean' }, { const: false })],
  description: 'what is heard while a tool runs; false: nothing',
};

const languageSchema = object({ tts: ref(synthesizer, 'voice for this language') });
/** Settings of an agent for one language. */
export interface AgentLanguageSpec extends Static<typeof languageSchema> {}
/** Schema of {@link AgentLanguageSpec}. */
export const agentLanguage = component<AgentLanguageSpec>(
  'agentLanguage',
  'Settings of an agent for one language.',
  languageSchema,
);
