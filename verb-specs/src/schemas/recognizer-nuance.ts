import { choice, component, flag, freeObject, list, number, object, ref, type Static, text, texts } from '../schema.js';

const resourceReferenceSchema = object({
  type: choice(
    ['undefined_resource_type', 'wordset', 'compiled_wordset', 'domain_lm', 'speaker_profile', 'grammar', 'settings'],
    'kind of resource',
  ),
  uri: text('where the resource is'),
  maxLoadFailures: flag('go on when the resource cannot be loaded; default false'),
  requestTimeoutMs: number('ms to wait for the resource'),
  headers: freeObject('HTTP headers for fetching the resource'),
});
/** Where a Nuance resource is. */
export interface NuanceResourceReference extends Static<typeof resourceReferenceSchema> {}
/** Schema of {@link NuanceResourceReference}. */
export const resourceReference = component<NuanceResourceReference>(
  'resourceReference',
  'Where a resource of vendor nuance is.',
  resourceReferenceSchema,
);

const resourceSchema = object({
  externalReference: ref(resourceReference, 'where the resource is'),
  inlineWordset: text('word set as JSON text'),
  builtin: text('name of a built-in resource'),
  inlineGrammar: text('grammar as XML text'),
  wakeupWord: texts('wake-up words'),
  weightName: choice(['defaultWeight', 'lowest', 'low', 'medium', 'high', 'highest'], 'weight of a domain model'),
  weightValue: number('weight of a domain model, 0 to 1'),
  reuse: choice(['undefined_reuse', 'low_reuse', 'high_reuse'], 'how often the resource is used again'),
});
/** A Nuance recognition resource. */
export interface NuanceResource extends Static<typeof resourceSchema> {}
/** Schema of {@link NuanceResource}. */
export const resource = component<NuanceResource>(
  'resource',
  'A recognition resource of vendor nuance.',
  resourceSchema,
);

const formattingSchema = object(
  { scheme: text('name of the formatting scheme'), options: freeObject('options of the scheme') },
  ['scheme', 'options'],
);
/** How Nuance formats a transcript. */
export interface NuanceFormatting extends Static<typeof formattingSchema> {}
/** Schema of {@link NuanceFormatting}. */
export const formatting = component<NuanceFormatting>(
  'formatting',
  'How vendor nuance formats a transcript.',
  formattingSchema,
);

const nuanceSchema = object({
  clientId: text('client id, instead of the stored credentials'),
  secret: text('secret of the client id'),
  kryptonEndpoint: text('host:port of an own Krypton server'),
  topic: text('topic of the language model'),
  utteranceDetectionMode: choice(['single', 'multiple', 'disabled'], 'how many utterances are recognised'),
  punctuation: flag('add punctuation; default false'),
  profanityFilter: flag('mask profanity; default false'),
  includeTokenization: flag('return tokens; default false'),
  discardSpeakerAdaptation: flag('do not learn from this speaker; default false'),
  suppressCallRecording: flag('the vendor keeps no record of the call; default false'),
  maskLoadFailures: flag('go on when a resource cannot be loaded; default false'),
  suppressInitialCapitalization: flag('no capital at the start of a sentence; default false'),
  allowZeroBaseLmWeight: flag('let domain models replace the base model; default false'),
  filterWakeupWord: flag('remove the wake-up word from the transcript; default false'),
  resultType: choice(['final', 'partial', 'immutable_partial'], 'which results are returned'),
  noInputTimeoutMs: number('ms to wait for speech to start'),
  recognitionTimeoutMs: number('ms that recognition may take'),
  utteranceEndSilenceMs: number('ms of silence that end the utterance'),
  maxHypotheses: number('number of alternative transcripts'),
  speechDomain: text('domain of the speech'),
  formatting: ref(formatting, 'how the transcript is formatted'),
  clientData: freeObject("data for the vendor's call log"),
  userId: text("id of the speaker for the vendor's log"),
  speechDetectionSensitivity: number('sensitivity of the speech detector, 0 to 1'),
  resources: list(resource, 'recognition resources'),
});
/** Nuance's options. */
export interface NuanceOptions extends Static<typeof nuanceSchema> {}
/** Schema of {@link NuanceOptions}. */
export const nuanceOptions = component<NuanceOptions>(
  'nuanceOptions',
  'Recognizer options of vendor nuance.',
  nuanceSchema,
);
