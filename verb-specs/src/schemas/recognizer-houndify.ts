import { component, flag, freeObject, number, object, type Static, text, texts } from '../schema.js';

const schema = object({
  requestInfo: freeObject("the vendor's RequestInfo object"),
  sampleRate: number('Hz of the audio; default 8000'),
  latitude: number("degrees of the speaker's position"),
  longitude: number("degrees of the speaker's position"),
  city: text("speaker's city"),
  state: text("speaker's state"),
  country: text("speaker's country"),
  timeZone: text("speaker's time zone"),
  domain: text('domain of the query'),
  audioEndpoint: text('URL of an own audio endpoint'),
  maxSilenceSeconds: number('seconds of silence that end the query; default 5'),
  maxSilenceAfterFullQuerySeconds: number('seconds of silence after a complete query; default 1'),
  maxSilenceAfterPartialQuerySeconds: number('seconds of silence after a partial query; default 1.5'),
  vadSensitivity: number('sensitivity of the voice detector'),
  vadTimeout: number('ms after which the voice detector gives up'),
  vadMode: text('mode of the voice detector'),
  vadVoiceMs: number('ms of voice that start speech'),
  vadSilenceMs: number('ms of silence that end speech'),
  vadDebug: flag('log the voice detector; default false'),
  audioFormat: text('format of the audio'),
  enableNoiseReduction: flag('reduce noise; default false'),
  enableProfanityFilter: flag('filter profanity; default false'),
  enablePunctuation: flag('add punctuation; default false'),
  enableCapitalization: flag('add capitals; default false'),
  confidenceThreshold: number('least confidence of a result, 0 to 1'),
  enableDisfluencyFilter: flag('remove hesitations; default false'),
  maxResults: number('most results to return'),
  enableWordTimestamps: flag('return times of words; default false'),
  maxAlternatives: number('number of alternative transcripts'),
  partialTranscriptInterval: number('ms between partial transcripts'),
  sessionTimeout: number('ms that a session may last'),
  connectionTimeout: number('ms to wait for the connection'),
  customVocabulary: texts('words to favour'),
  languageModel: text('language model'),
  audioQueryAbsoluteTimeout: number('ms that a query may last'),
  eoqThreshold: number('likelihood that the query has ended, 0 to 1; 0 switches it off; default 0.8'),
  vadStopThreshold: number('voice probability below which speech has ended, 0 to 1'),
});
/** Houndify's options. */
export interface HoundifyOptions extends Static<typeof schema> {}
/** Schema of {@link HoundifyOptions}. */
export const houndifyOptions = component<HoundifyOptions>(
  'houndifyOptions',
  'Recognizer options of vendor houndify.',
  schema,
);
