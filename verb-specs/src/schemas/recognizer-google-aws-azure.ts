import { anyList, choice, component, flag, number, object, type Static, text, texts } from '../schema.js';

const googleSchema = object({
  serviceVersion: choice(['v1', 'v2'], 'version of Cloud Speech-to-Text; default v1'),
  recognizerId: text('id of a recognizer resource (v2)'),
  parentPath: text('path of the parent resource (v2); default projects/<id>/locations/global'),
  speechStartTimeoutMs: number('ms to wait for speech to start'),
  speechEndTimeoutMs: number('ms of silence that end the speech'),
  enableVoiceActivityEvents: flag('ask for voice activity events; default false'),
  transcriptNormalization: anyList('rules that rewrite the transcript (v2)'),
  mode: choice(['VERBATIM', 'SMART'], 'style of transcription (Gemini models)'),
  customVocabulary: texts('terms to favour (Gemini models)'),
});
/** Google's options. */
export interface GoogleOptions extends Static<typeof googleSchema> {}
/** Schema of {@link GoogleOptions}. */
export const googleOptions = component<GoogleOptions>(
  'googleOptions',
  'Recognizer options of vendor google.',
  googleSchema,
);

const awsSchema = object({
  accessKey: text('access key id, instead of the stored credentials'),
  secretKey: text('secret access key'),
  securityToken: text('session token of temporary credentials'),
  region: text('region of the Transcribe service'),
  vocabularyName: text('custom vocabulary'),
  vocabularyFilterName: text('vocabulary filter'),
  vocabularyFilterMethod: choice(['remove', 'mask', 'tag'], 'what happens to filtered words'),
  languageModelName: text('custom language model'),
  piiEntityTypes: texts('kinds of personal data to look for'),
  piiIdentifyEntities: flag('mark personal data; default false'),
});
/** AWS Transcribe's options. */
export interface AwsOptions extends Static<typeof awsSchema> {}
/** Schema of {@link AwsOptions}. */
export const awsOptions = component<AwsOptions>('awsOptions', 'Recognizer options of vendor aws.', awsSchema);

const azureSchema = object({
  speechSegmentationSilenceTimeoutMs: number('ms of silence that end a segment'),
  postProcessing: text('post-processing of the transcript'),
  audioLogging: flag('let the vendor keep the audio; default false'),
  languageIdMode: choice(['AtStart', 'Continuous'], 'when the language is identified'),
  speechRecognitionMode: choice(['CONVERSATION', 'DICTATION', 'INTERACTIVE'], 'kind of speech to expect'),
});
/** Microsoft Azure's options. */
export interface AzureOptions extends Static<typeof azureSchema> {}
/** Schema of {@link AzureOptions}. */
export const azureOptions = component<AzureOptions>(
  'azureOptions',
  'Recognizer options of vendor microsoft.',
  azureSchema,
);
