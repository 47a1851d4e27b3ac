import {
  amount,
  body,
  choice,
  flag,
  freeObject,
  headers,
  list,
  numberOrText,
  ref,
  type Schema,
  type Static,
  someOf,
  text,
  texts,
  type VerbSchema,
  verb,
} from '../schema.js';
import { amd } from './amd.js';
import { dub } from './dub.js';
import { hook } from './hook.js';
import { listen } from './listen.js';
import { target } from './target.js';
import { transcribe } from './transcribe.js';

const patterns = texts('patterns to catch on that leg');
/** Patterns of digits to catch, for both legs or by leg. */
export type DtmfCapture = string[] | { childCall?: string[]; parentCall?: string[] };
const dtmfCapture: Schema<DtmfCapture> = {
  type: ['array', 'object'],
  items: { type: 'string' },
  properties: { childCall: patterns, parentCall: patterns },
  additionalProperties: false,
  description: 'patterns of digits to catch: a list, or {childCall, parentCall} with a list for each leg',
};
const schema = verb(
  'dial',
  'Calls somebody and bridges the call.',
  {
    target: someOf(target, 'whom to call, all at once; the first to answer wins'),
    actionHook: ref(hook, 'called at the end with `dial_call_status` and more'),
    onHoldHook: ref(hook, 'asked for verbs for the party on hold: play, say, pause'),
    answerOnBridge: flag('do not answer the caller before a target answers; default false'),
    callerId: text('calling number for the targets; default is that of the caller'),
    callerName: text('display name for the targets'),
    confirmHook: ref(hook, 'asked for verbs to run on the answered leg before bridging'),
    referHook: ref(hook, 'receives a REFER of either leg'),
    dialMusic: text('URL of audio for the caller instead of ringing'),
    dtmfCapture,
    dtmfHook: ref(hook, 'called with `dtmf` when a pattern was keyed'),
    fromHost: text('host part of From, for targets without `from.host`'),
    headers: headers('further SIP headers for all targets'),
    anchorMedia: flag('keep the media on the media server; default false'),
    codecs: texts('codecs to offer, in order of preference; default is that of the media server'),
    exitMediaPath: flag('take the relay at the edge out of the media path as well; default false'),
    boostAudioSignal: numberOrText('gain in dB: number, or text as "6 dB"; default 0'),
    listen: ref(body(listen), 'forks the audio of the bridged call'),
    stream: ref(body(listen), 'the same as listen'),
    timeLimit: amount('most seconds after the answer; default no limit'),
    timeout: amount('seconds to ring; default 60'),
    proxy: text('SIP proxy for all targets'),
    transcribe: ref(body(transcribe), 'transcribes both legs'),
    amd: ref(amd, 'answering-machine detection on the answered leg'),
    dub: list(body(dub), 'further audio tracks'),
    tag: freeObject('customerData of the dialled leg'),
    forwardPAI: flag('pass P-Asserted-Identity on; default true'),
    srtpEncryption: choice(['sdes', 'dtls'], 'encrypt the media (sip targets); default none'),
  },
  ['target'],
);
/** Calls somebody and bridges the call. */
export interface DialSpec extends Static<typeof schema> {}
/** Schema of {@link DialSpec}. */
export const dial: VerbSchema<DialSpec> = schema;
