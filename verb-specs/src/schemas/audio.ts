import { choice, component, flag, number, object, type Schema, type Static, text } from '../schema.js';
import type { VerbSpec } from './index.js';
import type { PlaySpec } from './play.js';
import type { SaySpec } from './say.js';

const vadSchema = object({
  enable: flag('use voice activity detection; default false'),
  voiceMs: number('ms of voice that count as the start of speech; default 250'),
  silenceMs: number('ms of silence that count as the end of speech; default 150'),
  strategy: text('detection strategy; default one-shot'),
  mode: number('aggressiveness of webrtc, 0 to 3; default 2'),
  vendor: choice(['webrtc', 'silero'], 'detector; default silero'),
  threshold: number('speech probability for silero, 0 to 1; default 0.5'),
  speechPadMs: number('ms kept before and after speech; default 30'),
});
/** Voice activity detection. */
export interface VadSpec extends Static<typeof vadSchema> {}
/** Schema of {@link VadSpec}. */
export const vad = component<VadSpec>('vad', 'Voice activity detection.', vadSchema);

const bidirectionalAudioSchema = object({
  enabled: flag('whether audio may come back over the socket; default true'),
  streaming: flag('true: raw binary audio comes back; false: playAudio commands; default false'),
  sampleRate: number('Hz of the binary audio that comes back; default 8000'),
});
/** Audio that comes back over an audio socket. */
export interface BidirectionalAudioSpec extends Static<typeof bidirectionalAudioSchema> {}
/** Schema of {@link BidirectionalAudioSpec}. */
export const bidirectionalAudio = component<BidirectionalAudioSpec>(
  'bidirectionalAudio',
  'Audio that comes back over an audio socket.',
  bidirectionalAudioSchema,
);

const fillerNoiseSchema = object(
  {
    enable: flag('switches filler noise on or off'),
    url: text('audio to play; default is a built-in comfort tone'),
    startDelaySecs: number('seconds of waiting before the noise starts; default 0'),
  },
  ['enable'],
);
/** What the caller hears while the application thinks. */
export interface FillerNoiseSpec extends Static<typeof fillerNoiseSchema> {}
/** Schema of {@link FillerNoiseSpec}. */
export const fillerNoise = component<FillerNoiseSpec>(
  'fillerNoise',
  'What the caller hears while the application thinks.',
  fillerNoiseSchema,
);

const noiseIsolationSchema = object({
  enable: flag('switches noise isolation on or off'),
  vendor: text('krisp or rnnoise'),
  level: number('strength, 0 to 100; default 100'),
  model: text('model of the vendor'),
});
/** Removal of background noise from the call's audio. */
export interface NoiseIsolationSpec extends Static<typeof noiseIsolationSchema> {}
/** Schema of {@link NoiseIsolationSpec}. */
export const noiseIsolation = component<NoiseIsolationSpec>(
  'noiseIsolation',
  "Removal of background noise from the call's audio.",
  noiseIsolationSchema,
);

const agentNoiseIsolationSchema = object({
  mode: text('krisp or rnnoise'),
  level: number('strength, 0 to 100; default 100'),
  direction: choice(['read', 'write'], 'read: audio from the caller; write: audio to the caller; default read'),
  model: text('model of the vendor'),
});
/** Noise isolation of an agent. */
export interface AgentNoiseIsolationSpec extends Static<typeof agentNoiseIsolationSchema> {}
/** Schema of {@link AgentNoiseIsolationSpec}. */
export const agentNoiseIsolation: Schema<AgentNoiseIsolationSpec> = agentNoiseIsolationSchema;

const turnTakingSchema = object({
  enable: flag('switches turn-taking detection on or off'),
  vendor: text('vendor of the detector'),
  threshold: number('confidence that the turn has ended, 0 to 1'),
  model: text('model of the vendor'),
});
/** Detection of the end of a speaker's turn. */
export interface TurnTakingSpec extends Static<typeof turnTakingSchema> {}
/** Schema of {@link TurnTakingSpec}. */
export const turnTaking = component<TurnTakingSpec>(
  'turnTaking',
  "Detection of the end of a speaker's turn.",
  turnTakingSchema,
);

const recordSchema = object({ path: text('file on the media server') }, ['path']);
/** Recording to a file of the media server. */
export interface RecordSpec extends Static<typeof recordSchema> {}
/** Schema of {@link RecordSpec}. */
export const record = component<RecordSpec>('record', 'Recording to a file of the media server.', recordSchema);

/** How the channels of a forked call are laid out. */
export const AUDIO_MIX = ['mono', 'stereo', 'mixed'] as const;

const actionHookDelaySchema = object({
  enabled: flag('switches the handling of slow hooks on; default false'),
  noResponseTimeout: number('seconds to wait for the application before the first action; default 0'),
  noResponseGiveUpTimeout: number('seconds to wait for the application before giving up; default: wait for ever'),
  retries: number('how many times an action is run; default 1'),
});
/** What to do while an action hook is slow to answer. */
export interface ActionHookDelaySpec extends Static<typeof actionHookDelaySchema> {
  /** Verbs to run in turn while waiting. */
  actions?: (SaySpec | PlaySpec)[];
  /** Verbs to run when giving up. */
  giveUpActions?: VerbSpec[];
}
/** Schema of {@link ActionHookDelaySpec}. */
export const actionHookDelayAction = component<ActionHookDelaySpec>(
  'actionHookDelayAction',
  'What to do while an action hook is slow to answer.',
  {
    ...actionHookDelaySchema,
    properties: {
      ...actionHookDelaySchema.properties,
      // What stands in the two lists is checked as documents of their own: a schema here would refer to itself.
      actions: { type: 'array', description: 'verbs say and play, run in turn while waiting' },
      giveUpActions: { type: 'array', description: 'verbs to run when giving up; default: hang up' },
    },
  },
);
