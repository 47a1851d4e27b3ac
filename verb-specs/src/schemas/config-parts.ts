import {
  amount,
  choice,
  choices,
  component,
  flag,
  freeObject,
  headers,
  number,
  object,
  ref,
  type Static,
  text,
  textOrTexts,
} from '../schema.js';
import { AUDIO_MIX, bidirectionalAudio } from './audio.js';
import { auth, hook } from './hook.js';
import { recognizer } from './recognizer.js';
import { synthesizer } from './synthesizer.js';

const bargeInSchema = object({
  enable: flag('true starts the background gather, false stops it; absent counts as false'),
  sticky: flag('start again after each result; default false'),
  actionHook: ref(hook, 'receives each result, as of gather'),
  partialResultHook: ref(hook, 'receives interim transcripts'),
  input: choices(['digits', 'speech'], 'what is listened for; default speech'),
  finishOnKey: text('key that ends the input'),
  numDigits: amount('exact number of digits'),
  minDigits: amount('fewest digits'),
  maxDigits: amount('most digits'),
  interDigitTimeout: amount('seconds between digits'),
  dtmfBargein: flag('a digit stops the prompt; default true'),
  minBargeinWordCount: number('words that stop the prompt; default 1'),
});
/** A gather that runs in the background. */
export interface BargeInSpec extends Static<typeof bargeInSchema> {}
/** Schema of {@link BargeInSpec}. */
export const bargeIn = component<BargeInSpec>('bargeIn', 'A gather that runs in the background.', bargeInSchema);

const ttsStreamSchema = object({
  enable: flag('true opens the stream, false closes it; absent counts as false'),
  synthesizer: ref(synthesizer, 'voice of the stream; default is that of the session'),
});
/** Streaming of text to a speech vendor. */
export interface TtsStreamSpec extends Static<typeof ttsStreamSchema> {}
/** Schema of {@link TtsStreamSpec}. */
export const ttsStream = component<TtsStreamSpec>(
  'ttsStream',
  'Streaming of text to a speech vendor (WebSocket applications).',
  ttsStreamSchema,
);

const recordOptionsSchema = object(
  {
    action: choice(
      ['startCallRecording', 'stopCallRecording', 'pauseCallRecording', 'resumeCallRecording'],
      'what to do',
    ),
    type: choice(
      ['cloud', 'siprec'],
      'where the recording goes; default siprec where siprecServerURL is named, else cloud',
    ),
    recordingID: text('your id of the recording'),
    recordEndHook: ref(
      hook,
      'told at the end of the call: recording_id where there is a recordingID, recording_url, recording_duration',
    ),
    siprecServerURL: textOrTexts('SIP URI of the recording server, or several'),
    headers: headers('further SIP headers for the recording server'),
  },
  ['action'],
);
/** Start, stop, pause or resume of a recording. */
export interface RecordOptions extends Static<typeof recordOptionsSchema> {}
/** Schema of {@link RecordOptions}. */
export const recordOptions = component<RecordOptions>(
  'recordOptions',
  'Start, stop, pause or resume of a recording.',
  recordOptionsSchema,
);

const listenOptionsSchema = object({
  enable: flag('true starts the background fork, false stops it; absent counts as false'),
  url: text('WebSocket URL; required to start'),
  sampleRate: number('Hz of the audio sent; default 8000'),
  auth: ref(auth, 'credentials for the socket; wsAuth is preferred'),
  wsAuth: ref(auth, 'credentials for the socket'),
  mixType: choice(AUDIO_MIX, 'layout of the channels; default mono'),
  metadata: freeObject('merged into the first text frame'),
  maxLength: number('seconds after which the fork ends'),
  passDtmf: flag('send digits as text frames; default false'),
  playBeep: flag('play a tone first; default false'),
  disableBidirectionalAudio: flag('older form of bidirectionalAudio.enabled false'),
  bidirectionalAudio: ref(bidirectionalAudio, 'audio that comes back'),
  timeout: number('seconds; accepted, maxLength is used'),
  actionHook: ref(hook, 'called when the fork ends'),
  finishOnKey: text('key that ends the fork'),
  earlyMedia: flag('start before the call is answered; default false'),
});
/** A background audio fork. */
export interface ListenOptions extends Static<typeof listenOptionsSchema> {}
/** Schema of {@link ListenOptions}. */
export const listenOptions = component<ListenOptions>('listenOptions', 'A background audio fork.', listenOptionsSchema);

const transcribeOptionsSchema = object({
  enable: flag('true starts the background transcription, false stops it; absent counts as false'),
  transcriptionHook: ref(hook, 'receives each transcript; required to start'),
  translationHook: ref(hook, 'receives each translation'),
  recognizer: ref(recognizer, 'recognizer; default is that of the session'),
  earlyMedia: flag('start before the call is answered; default false'),
  channel: number('1: this leg, 2: the other leg; default both'),
});
/** A background transcription. */
export interface TranscribeOptions extends Static<typeof transcribeOptionsSchema> {}
/** Schema of {@link TranscribeOptions}. */
export const transcribeOptions = component<TranscribeOptions>(
  'transcribeOptions',
  'A background transcription.',
  transcribeOptionsSchema,
);
