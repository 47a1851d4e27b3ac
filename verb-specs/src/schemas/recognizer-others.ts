import { choice, component, flag, freeObject, number, object, type Static, text, texts } from '../schema.js';

const ibmSchema = object({
  sttApiKey: text('API key for recognition, instead of the stored credentials'),
  sttRegion: text('region for recognition'),
  ttsApiKey: text('API key for synthesis'),
  ttsRegion: text('region for synthesis'),
  instanceId: text('instance of the service'),
  model: text('model'),
  languageCustomizationId: text('custom language model'),
  acousticCustomizationId: text('custom acoustic model'),
  baseModelVersion: text('version of the base model'),
  watsonMetadata: text('customer id for the data at the vendor'),
  watsonLearningOptOut: flag('the vendor does not learn from the call; default false'),
});
/** IBM Watson's options. */
export interface IbmOptions extends Static<typeof ibmSchema> {}
/** Schema of {@link IbmOptions}. */
export const ibmOptions = component<IbmOptions>('ibmOptions', 'Recognizer options of vendor ibm.', ibmSchema);

const nvidiaSchema = object({
  rivaUri: text('host:port of the Riva server'),
  maxAlternatives: number('number of alternative transcripts; default 1'),
  profanityFilter: flag('mask profanity; default false'),
  punctuation: flag('add punctuation; default false'),
  wordTimeOffsets: flag('return times of words; default false'),
  verbatimTranscripts: flag('return the words as spoken; default false'),
  customConfiguration: freeObject('further settings of the server'),
});
/** Nvidia Riva's options. */
export interface NvidiaOptions extends Static<typeof nvidiaSchema> {}
/** Schema of {@link NvidiaOptions}. */
export const nvidiaOptions = component<NvidiaOptions>(
  'nvidiaOptions',
  'Recognizer options of vendor nvidia.',
  nvidiaSchema,
);

const cobaltSchema = object({
  serverUri: text('host:port of the Cobalt server'),
  enableConfusionNetwork: flag('return a confusion network; default false'),
  metadata: text('text for the log of the server'),
  compiledContextData: text('compiled context'),
  wordTimeOffsets: flag('return times of words; default false'),
  contextToken: text('token of the context; default unk:default'),
});
/** Cobalt's options. */
export interface CobaltOptions extends Static<typeof cobaltSchema> {}
/** Schema of {@link CobaltOptions}. */
export const cobaltOptions = component<CobaltOptions>(
  'cobaltOptions',
  'Recognizer options of vendor cobalt.',
  cobaltSchema,
);

const assemblyAiSchema = object({
  apiKey: text('API key, instead of the stored credentials'),
  serviceVersion: choice(['v2', 'v3'], 'version of the streaming service; default v2'),
  speechModel: text('model'),
  formatTurns: flag('format whole turns; default false'),
  endOfTurnConfidenceThreshold: number('confidence that the turn has ended, 0 to 1'),
  minEndOfTurnSilenceWhenConfident: number('ms of silence that end a turn when confident; default 500'),
  maxTurnSilence: number('ms of silence that end a turn in any case; default 1280'),
  minTurnSilence: number('least ms of silence that end a turn'),
  keyterms: texts('terms to favour'),
  prompt: text('prompt that guides the model'),
  languageDetection: flag('detect the language; default false'),
  vadThreshold: number('voice probability, 0 to 1'),
  inactivityTimeout: number('seconds of inactivity after which the stream closes'),
});
/** AssemblyAI's options. */
export interface AssemblyAiOptions extends Static<typeof assemblyAiSchema> {}
/** Schema of {@link AssemblyAiOptions}. */
export const assemblyAiOptions = component<AssemblyAiOptions>(
  'assemblyAiOptions',
  'Recognizer options of vendor assemblyai.',
  assemblyAiSchema,
);

const verbioSchema = object({
  enable_formatting: flag('format numbers and the like; default false'),
  enable_diarization: flag('tell speakers apart; default false'),
  topic: number('number of the topic'),
  inline_grammar: text('grammar as text'),
  grammar_uri: text('where the grammar is'),
  label: text("label in the vendor's log"),
  recognition_timeout: number('ms that recognition may take'),
  speech_complete_timeout: number('ms of silence after a complete match'),
  speech_incomplete_timeout: number('ms of silence after an incomplete match'),
});
/** Verbio's options. */
export interface VerbioOptions extends Static<typeof verbioSchema> {}
/** Schema of {@link VerbioOptions}. */
export const verbioOptions = component<VerbioOptions>(
  'verbioOptions',
  'Recognizer options of vendor verbio.',
  verbioSchema,
);

const elevenlabsSchema = object({
  includeTimestamps: flag('return times of words; default false'),
  commitStrategy: choice(['manual', 'vad'], 'when audio becomes a final transcript'),
  vadSilenceThresholdSecs: number('seconds of silence that commit'),
  vadThreshold: number('voice probability, 0 to 1'),
  minSpeechDurationMs: number('least ms of speech'),
  minSilenceDurationMs: number('least ms of silence'),
  enableLogging: flag('the vendor keeps a log; default true'),
});
/** ElevenLabs' options. */
export interface ElevenlabsOptions extends Static<typeof elevenlabsSchema> {}
/** Schema of {@link ElevenlabsOptions}. */
export const elevenlabsOptions = component<ElevenlabsOptions>(
  'elevenlabsOptions',
  'Recognizer options of vendor elevenlabs.',
  elevenlabsSchema,
);

const xaiSchema = object({
  apiKey: text('API key, instead of the stored credentials'),
  endpointing: number('ms of silence that end an utterance, 0 to 5000'),
  diarize: flag('tell speakers apart; default false'),
  fillerWords: flag('keep words such as “uh”; default false'),
  keyterms: texts('terms to favour'),
  smartTurn: number('confidence that the turn has ended, 0 to 1'),
  smartTurnTimeout: number('ms of silence that end the turn in any case, 1 to 5000'),
});
/** xAI's options. */
export interface XaiOptions extends Static<typeof xaiSchema> {}
/** Schema of {@link XaiOptions}. */
export const xaiOptions = component<XaiOptions>('xaiOptions', 'Recognizer options of vendor xai.', xaiSchema);

const modulateSchema = object({
  apiKey: text('API key, instead of the stored credentials'),
  endpointing: flag('a final transcript after each pause; default true'),
  emotionSignal: flag('report the emotion of an utterance; default false'),
  accentSignal: flag('report the accent of the speaker; default false'),
  deepfakeSignal: flag('report how likely the voice is synthetic; default false'),
  piiPhiTagging: flag('tag personal and health data; default false'),
  modulateSttUri: text('host to connect to instead of the public one'),
  modulateSttUseTls: flag('connect to that host over TLS; default true'),
});
/** Modulate's options. */
export interface ModulateOptions extends Static<typeof modulateSchema> {}
/** Schema of {@link ModulateOptions}. */
export const modulateOptions = component<ModulateOptions>(
  'modulateOptions',
  'Recognizer options of vendor modulate.',
  modulateSchema,
);

const customSchema = object({
  authToken: text('bearer token for the server'),
  uri: text('WebSocket URL of the server, instead of the stored one'),
  sampleRate: number('Hz of the audio sent to the server; default 8000'),
  options: freeObject('sent to the server together with hints and call sid'),
});
/** Options of an own recognition server. */
export interface CustomOptions extends Static<typeof customSchema> {}
/** Schema of {@link CustomOptions}. */
export const customOptions = component<CustomOptions>(
  'customOptions',
  'Recognizer options of vendors custom:<name>.',
  customSchema,
);
