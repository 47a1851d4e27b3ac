import { choice, component, flag, flagOrNumber, number, object, type Static, text, texts } from '../schema.js';

const schema = object({
  deepgramSttUri: text('address of an own Deepgram server'),
  deepgramSttUseTls: flag('connect to that server over TLS; default true'),
  apiKey: text('API key, instead of the stored credentials'),
  tier: text('model tier'),
  model: text('model; default depends on the language, flux-general-en for flux'),
  customModel: text('id of a custom model'),
  version: text('version of the model'),
  punctuate: flag('add punctuation; default false'),
  smartFormatting: flag('format dates, numbers and the like; default false'),
  noDelay: flag('do not hold results back for formatting; default false'),
  profanityFilter: flag('remove profanity; default false'),
  redact: choice(['pci', 'numbers', 'true', 'ssn'], 'sensitive data to black out'),
  diarize: flag('tell speakers apart; default false'),
  diarizeVersion: text('version of the speaker detection'),
  ner: flag('mark named entities; default false'),
  multichannel: flag('transcribe channels separately; default false'),
  alternatives: number('number of alternative transcripts; default 1'),
  numerals: flag('write spoken numbers as digits; default false'),
  search: texts('terms to search for'),
  replace: texts('terms to replace, as find:replacement'),
  keywords: texts('words to favour (models before nova-3)'),
  keyterms: texts('terms to favour (nova-3, flux)'),
  endpointing: flagOrNumber('false switches end-of-speech detection off; a number is ms of silence; default true'),
  utteranceEndMs: number('ms of gap between words that end the utterance; default 1000 with endpointing'),
  shortUtterance: flag('expect short utterances; default false'),
  vadTurnoff: number('ms of silence before voice detection switches off'),
  tag: text('tag for the usage report of the vendor'),
  fillerWords: flag('keep words such as “uh”; default false'),
  eotThreshold: number('confidence that the turn has ended, 0 to 1 (flux)'),
  eotTimeoutMs: number('ms of silence that end the turn in any case (flux)'),
  mipOptOut: flag("opt out of the vendor's model improvement; default false"),
  entityPrompt: text('hint on entities to expect, cut to 100 words'),
  eagerEotThreshold: number('confidence for an early end of turn, 0 to 1 (flux)'),
  languageHints: texts('languages to expect, BCP 47 codes (flux multilingual)'),
});
/** Deepgram's options. */
export interface DeepgramOptions extends Static<typeof schema> {}
/** Schema of {@link DeepgramOptions}. */
export const deepgramOptions = component<DeepgramOptions>(
  'deepgramOptions',
  'Recognizer options of vendors deepgram and deepgramflux.',
  schema,
);
