import { body, choice, flag, freeObject, number, ref, type Static, text, type VerbSchema, verb } from '../schema.js';
import { AUDIO_MIX, bidirectionalAudio } from './audio.js';
import { auth, hook } from './hook.js';
import { transcribe } from './transcribe.js';

const schema = verb(
  'listen',
  "Forks the call's audio to a WebSocket server.",
  {
    url: text('WebSocket URL'),
    actionHook: ref(hook, 'called at the end with `digits` and `dial_call_duration`'),
    auth: ref(auth, 'credentials for the socket; wsAuth is preferred'),
    wsAuth: ref(auth, 'credentials for the socket'),
    finishOnKey: text('key that ends the verb'),
    maxLength: number('seconds after which the verb ends'),
    metadata: freeObject('merged into the first text frame'),
    mixType: choice(AUDIO_MIX, 'layout of the channels; default mono'),
    passDtmf: flag('send digits as text frames; default false'),
    playBeep: flag('play a tone first; default false'),
    disableBidirectionalAudio: flag('older form of bidirectionalAudio.enabled false'),
    bidirectionalAudio: ref(bidirectionalAudio, 'audio that comes back'),
    sampleRate: number('Hz of the audio sent: 8000, 16000, … 64000; default 8000'),
    timeout: number('seconds; accepted, maxLength is used'),
    transcribe: ref(body(transcribe), 'transcribes at the same time'),
    earlyMedia: flag('start before the call is answered; default false'),
    channel: number('leg to fork inside dial: 1 or 2; default both'),
  },
  ['url'],
);
/** Forks the call's audio to a WebSocket server. */
export interface ListenSpec extends Static<typeof schema> {}
/** Schema of {@link ListenSpec}. */
export const listen: VerbSchema<ListenSpec> = schema;
