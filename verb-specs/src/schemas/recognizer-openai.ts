import { choice, component, number, object, ref, type Static, text, texts } from '../schema.js';

const promptTemplatesSchema = object({
  hintsTemplate: text('text into which the hints are put'),
  conversationHistoryTemplate: text('text into which the conversation so far is put'),
});
/** Templates of the prompt for OpenAI. */
export interface PromptTemplates extends Static<typeof promptTemplatesSchema> {}
/** Schema of {@link PromptTemplates}. */
export const promptTemplates = component<PromptTemplates>(
  'promptTemplates',
  'Templates of the prompt for vendor openai.',
  promptTemplatesSchema,
);

const turnDetectionSchema = object(
  {
    type: choice(['none', 'server_vad', 'semantic_vad'], 'how the end of a turn is found'),
    eagerness: choice(['low', 'medium', 'high', 'auto'], 'how readily a turn is taken as ended (semantic_vad)'),
    threshold: number('voice probability, 0 to 1 (server_vad)'),
    prefix_padding_ms: number('ms of audio kept before speech (server_vad)'),
    silence_duration_ms: number('ms of silence that end the turn (server_vad)'),
  },
  ['type'],
);
/** How OpenAI finds the end of a turn. */
export interface TurnDetection extends Static<typeof turnDetectionSchema> {}
/** Schema of {@link TurnDetection}. */
export const turnDetection = component<TurnDetection>(
  'turnDetection',
  'How vendor openai finds the end of a turn.',
  turnDetectionSchema,
);

const openaiSchema = object({
  apiKey: text('API key, instead of the stored credentials'),
  model: text('model; default whisper-1'),
  prompt: text('prompt that guides the model'),
  promptTemplates: ref(promptTemplates, 'prompt made of hints and conversation so far'),
  language: text('language code'),
  languages: texts('languages to expect'),
  keywords: texts('terms to expect; default is the hints of the recognizer'),
  delay: choice(['minimal', 'low', 'medium', 'high', 'xhigh'], 'latency against accuracy'),
  input_audio_noise_reduction: choice(['near_field', 'far_field'], 'noise reduction by distance of the microphone'),
  turn_detection: ref(turnDetection, 'how the end of a turn is found'),
  vadMode: number('aggressiveness of the local voice detector, 0 to 3'),
  vadSilenceMs: number('ms of silence that end speech, local voice detector'),
  vadVoiceMs: number('ms of voice that start speech, local voice detector'),
});
/** OpenAI's options. */
export interface OpenaiOptions extends Static<typeof openaiSchema> {}
/** Schema of {@link OpenaiOptions}. */
export const openaiOptions = component<OpenaiOptions>(
  'openaiOptions',
  'Recognizer options of vendor openai.',
  openaiSchema,
);
