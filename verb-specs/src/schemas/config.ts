import { flag, numberOrText, ref, type Static, text, textOrTexts, type VerbSchema, verb } from '../schema.js';
import { amd } from './amd.js';
import { actionHookDelayAction, fillerNoise, noiseIsolation, turnTaking, vad } from './audio.js';
import { bargeIn, listenOptions, recordOptions, transcribeOptions, ttsStream } from './config-parts.js';
import { clearableHook } from './hook.js';
import { recognizer } from './recognizer.js';
import { synthesizer } from './synthesizer.js';

const schema = verb('config', 'Sets defaults for the session and starts or stops background work.', {
  synthesizer: ref(synthesizer, 'voice from now on'),
  recognizer: ref(recognizer, 'recognizer from now on'),
  bargeIn: ref(bargeIn, 'background gather'),
  ttsStream: ref(ttsStream, 'streaming of text to a speech vendor'),
  record: ref(recordOptions, 'recording'),
  listen: ref(listenOptions, 'background audio fork'),
  stream: ref(listenOptions, 'the same as listen'),
  transcribe: ref(transcribeOptions, 'background transcription'),
  amd: ref(amd, 'answering-machine detection on this leg'),
  fillerNoise: ref(fillerNoise, 'what is heard while the application thinks'),
  notifyEvents: flag('send verb:status messages; once on, stays on; default false'),
  notifySttLatency: flag('add stt_latency_* to speech hooks; default false'),
  reset: textOrTexts(
    'back to the defaults of the application: `synthesizer`, `recognizer`, or a list of both; other names are reported on the timeline and passed over',
  ),
  onHoldMusic: text('URL of audio while on hold'),
  actionHookDelayAction: ref(actionHookDelayAction, 'what to do while an action hook is slow'),
  sipRequestWithinDialogHook: ref(clearableHook, 'receives SIP requests within the call'),
  boostAudioSignal: numberOrText('gain in dB: number, or text as "6 dB"; default 0'),
  vad: ref(vad, 'voice activity detection from now on'),
  referHook: ref(clearableHook, 'receives a REFER of this leg'),
  earlyMedia: flag('accepted for compatibility, without effect'),
  autoStreamTts: flag('stream every say (WebSocket applications); default false'),
  disableTtsCache: flag('always synthesize afresh; default false'),
  trackTtsPlayout: flag('report the text that was really spoken; default false'),
  noiseIsolation: ref(noiseIsolation, 'removal of background noise'),
  turnTaking: ref(turnTaking, 'detection of the end of a turn'),
});
/** Sets defaults for the session and starts or stops background work. */
export interface ConfigSpec extends Static<typeof schema> {}
/** Schema of {@link ConfigSpec}. */
export const config: VerbSchema<ConfigSpec> = schema;
