import {
  choice,
  component,
  flag,
  freeObject,
  number,
  object,
  ref,
  type Schema,
  type Static,
  text,
  texts,
} from '../schema.js';
import { vad } from './audio.js';
import { deepgramOptions } from './recognizer-deepgram.js';
import { awsOptions, azureOptions, googleOptions } from './recognizer-google-aws-azure.js';
import { houndifyOptions } from './recognizer-houndify.js';
import { nuanceOptions } from './recognizer-nuance.js';
import { openaiOptions } from './recognizer-openai.js';
import {
  assemblyAiOptions,
  cobaltOptions,
  customOptions,
  elevenlabsOptions,
  ibmOptions,
  modulateOptions,
  nvidiaOptions,
  verbioOptions,
  xaiOptions,
} from './recognizer-others.js';
import { sonioxOptions } from './recognizer-soniox.js';
import { speechmaticsOptions } from './recognizer-speechmatics.js';

/** A word or phrase to favour. */
export type HintSpec = string | { phrase: string; boost?: number };

const hints: Schema<HintSpec[]> = {
  type: 'array',
  description: 'words and phrases to favour, each as text or {phrase, boost}',
  items: {
    type: ['string', 'object'],
    properties: { phrase: text('word or phrase'), boost: number('how strongly it is favoured') },
    required: ['phrase'],
    additionalProperties: false,
  },
};

const schema = object(
  {
    vendor: text('speech vendor, for example google, deepgram, custom:<name>; default inherits the session'),
    label: text("which of the account's credentials of that vendor"),
    language: text('BCP 47 language code, for example en-US'),
    fallbackVendor: text('vendor used once after a failure'),
    fallbackLabel: text('credentials of the fallback vendor'),
    fallbackLanguage: text('language for the fallback vendor'),
    vad: ref(vad, 'voice activity detection before the vendor is connected'),
    autogeneratePrompt: flag('make a prompt for the vendor from the conversation; default false'),
    hints,
    hintsBoost: number('how strongly all hints are favoured; range depends on the vendor'),
    altLanguages: texts('further languages the speaker may use'),
    profanityFilter: flag('mask profanity; default false'),
    interim: flag('return interim transcripts; default false, on where barge-in or a timeout needs them'),
    singleUtterance: flag('stop after the first utterance (google)'),
    dualChannel: flag('send both legs as two channels; default false'),
    separateRecognitionPerChannel: flag('recognise both legs separately; default true in dial'),
    punctuation: flag('add punctuation; default depends on the vendor'),
    enhancedModel: flag('use the better model (google); default true'),
    words: flag('return times of words; default false'),
    diarization: flag('tell speakers apart; default false'),
    diarizationMinSpeakers: number('fewest speakers to assume'),
    diarizationMaxSpeakers: number('most speakers to assume'),
    interactionType: choice(
      [
        'unspecified',
        'discussion',
        'presentation',
        'phone_call',
        'voicemail',
        'voice_search',
        'voice_command',
        'dictation',
      ],
      'kind of interaction (google)',
    ),
    naicsCode: number('industry of the call, NAICS code (google)'),
    identifyChannels: flag('tell the channel of each segment (aws); default false'),
    vocabularyName: text('custom vocabulary (aws)'),
    vocabularyFilterName: text('vocabulary filter (aws)'),
    filterMethod: choice(['remove', 'mask', 'tag'], 'what happens to filtered words (aws)'),
    model: text('model of the vendor'),
    outputFormat: choice(['simple', 'detailed'], 'detail of results (microsoft); always detailed'),
    profanityOption: choice(['masked', 'removed', 'raw'], 'what happens to profanity (microsoft)'),
    requestSnr: flag('report the signal-to-noise ratio (microsoft); default false'),
    initialSpeechTimeoutMs: number('ms to wait for speech to start (microsoft)'),
    azureServiceEndpoint: text('URL of an own container (microsoft)'),
    azureSttEndpointId: text('id of a custom model (microsoft)'),
    asrDtmfTerminationDigit: text('key that ends continuous recognition'),
    asrTimeout: number('seconds of silence that end continuous recognition; default: not continuous'),
    fastRecognitionTimeout: number('seconds without change after which an interim transcript counts as final'),
    minConfidence: number('confidence below which a result is refused, 0 to 1'),
    nuanceOptions: ref(nuanceOptions, 'options for nuance'),
    deepgramOptions: ref(deepgramOptions, 'options for deepgram and deepgramflux'),
    ibmOptions: ref(ibmOptions, 'options for ibm'),
    nvidiaOptions: ref(nvidiaOptions, 'options for nvidia'),
    sonioxOptions: ref(sonioxOptions, 'options for soniox'),
    cobaltOptions: ref(cobaltOptions, 'options for cobalt'),
    awsOptions: ref(awsOptions, 'options for aws'),
    azureOptions: ref(azureOptions, 'options for microsoft'),
    assemblyAiOptions: ref(assemblyAiOptions, 'options for assemblyai'),
    googleOptions: ref(googleOptions, 'options for google'),
    customOptions: ref(customOptions, 'options for custom:<name>'),
    verbioOptions: ref(verbioOptions, 'options for verbio'),
    speechmaticsOptions: ref(speechmaticsOptions, 'options for speechmatics'),
    openaiOptions: ref(openaiOptions, 'options for openai'),
    houndifyOptions: ref(houndifyOptions, 'options for houndify'),
    gladiaOptions: freeObject('options for gladia'),
    elevenlabsOptions: ref(elevenlabsOptions, 'options for elevenlabs'),
    xaiOptions: ref(xaiOptions, 'options for xai'),
    modulateOptions: ref(modulateOptions, 'options for modulate'),
  },
  ['vendor'],
);
/** How speech is turned into text. */
export interface RecognizerSpec extends Static<typeof schema> {}
/** Schema of {@link RecognizerSpec}. */
export const recognizer = component<RecognizerSpec>('recognizer', 'How speech is turned into text.', schema);
