import { component, flag, freeObject, list, number, object, ref, type Static, text, texts } from '../schema.js';

const storageSchema = object({
  id: text('id under which the vendor stores the call'),
  title: text('title of the stored call'),
  disableStoreAudio: flag('do not store the audio; default false'),
  disableStoreTranscript: flag('do not store the transcript; default false'),
  disableSearch: flag('keep the call out of the search index; default false'),
  metadata: freeObject('data stored with the call'),
});
/** What Soniox stores. */
export interface SonioxStorage extends Static<typeof storageSchema> {}
/** Schema of {@link SonioxStorage}. */
export const sonioxStorage = component<SonioxStorage>('sonioxStorage', 'What vendor soniox stores.', storageSchema);

const generalEntry = object({ key: text('name of the fact'), value: text('the fact') }, ['key', 'value']);
const translationTerm = object({ source: text('term as spoken'), target: text('its translation') }, [
  'source',
  'target',
]);
const contextSchema = object({
  general: list(generalEntry, 'facts about the call'),
  text: text('background text'),
  terms: texts('terms to favour'),
  translation_terms: list(translationTerm, 'terms with their translations'),
});
/** What Soniox may know beforehand. */
export interface SonioxContext extends Static<typeof contextSchema> {}
/** Schema of {@link SonioxContext}. */
export const sonioxContext = component<SonioxContext>(
  'sonioxContext',
  'What vendor soniox may know about the call beforehand.',
  contextSchema,
);

const sonioxSchema = object({
  apiKey: text('API key, instead of the stored credentials'),
  model: text('model'),
  endpointDetection: flag('detect the end of speech; default false'),
  profanityFilter: flag('mask profanity; default false'),
  speechContext: text('background text; the same as context.text'),
  clientRequestReference: text("reference that appears in the vendor's log"),
  storage: ref(sonioxStorage, 'what the vendor stores'),
  languageHints: texts('languages to expect (v5)'),
  enableLanguageIdentification: flag('tell the language of each word (v5); default false'),
  enableSpeakerDiarization: flag('tell speakers apart (v5); default false'),
  endpointSensitivity: number('how readily speech is taken as ended, -1 to 1 (v5); default 0'),
  maxEndpointDelayMs: number('ms until the end of speech is forced, 500 to 3000 (v5); default 2000'),
  maxNonFinalTokensDurationMs: number('ms that words may stay provisional (v5)'),
  context: ref(sonioxContext, 'what the vendor may know beforehand (v5)'),
});
/** Soniox's options. */
export interface SonioxOptions extends Static<typeof sonioxSchema> {}
/** Schema of {@link SonioxOptions}. */
export const sonioxOptions = component<SonioxOptions>(
  'sonioxOptions',
  'Recognizer options of vendor soniox.',
  sonioxSchema,
);
