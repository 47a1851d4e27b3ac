/** Shared objects with every property of their schemas, for the documents of the tests. */
import type {
  AmdSpec,
  AuthSpec,
  Body,
  FillerNoiseSpec,
  HandoffSpec,
  HookSpec,
  ListenSpec,
  McpServerSpec,
  PlaySpec,
  SaySpec,
  SpecOf,
  SynthesizerSpec,
  TargetSpec,
  TranscribeSpec,
} from './index.js';
import { fullRecognizer } from './recognizer.fixtures.js';

export const auth: AuthSpec = { username: 'u', password: 'p' };
export const hook: HookSpec = {
  url: 'https://example.com/hook',
  method: 'POST',
  username: 'u',
  password: 'p',
  basicAuth: auth,
};
export const headers = { 'X-Text': 'a', 'X-Number': 1, 'X-Flag': true };
export const synthesizer: SynthesizerSpec = {
  vendor: 'google',
  label: 'main',
  language: 'en-US',
  voice: 'en-US-Wavenet-D',
  fallbackVendor: 'aws',
  fallbackLabel: 'spare',
  fallbackLanguage: 'en-GB',
  fallbackVoice: { name: 'Amy' },
  engine: 'neural',
  gender: 'FEMALE',
  options: { speakingRate: 1 },
};
export const recognizer = fullRecognizer;
export const saying: Body<SaySpec> = {
  id: 's1',
  text: ['Hello.', ['Nice day.', 'Good to hear you.'], '<speak>Bye.</speak>'],
  instructions: 'friendly',
  stream: false,
  loop: 'forever',
  synthesizer,
  earlyMedia: true,
  disableTtsCache: true,
  closeStreamOnEmpty: true,
};
export const playing: Body<PlaySpec> = {
  id: 'p1',
  url: ['https://example.com/a.wav', 'silence_stream://100'],
  loop: 2,
  earlyMedia: true,
  seekOffset: '8000',
  timeoutSecs: 10,
  actionHook: hook,
};
export const transcribing: Body<TranscribeSpec> = {
  id: 't1',
  enable: true,
  transcriptionHook: hook,
  translationHook: '/translation',
  recognizer,
  earlyMedia: true,
  channel: 1,
};
export const bidirectionalAudio = { enabled: true, streaming: true, sampleRate: 8000 };
export const listening: Body<ListenSpec> = {
  id: 'l1',
  url: 'wss://example.com/audio',
  actionHook: hook,
  auth,
  wsAuth: auth,
  finishOnKey: '#',
  maxLength: 60,
  metadata: { a: null },
  mixType: 'stereo',
  passDtmf: true,
  playBeep: true,
  disableBidirectionalAudio: false,
  bidirectionalAudio,
  sampleRate: 16000,
  timeout: 60,
  transcribe: { ...transcribing, verb: 'transcribe' },
  earlyMedia: true,
  channel: 1,
};
export const amd: AmdSpec = {
  actionHook: '/amd',
  thresholdWordCount: 9,
  digitCount: 4,
  timers: {
    noSpeechTimeoutMs: 5000,
    decisionTimeoutMs: 15000,
    toneTimeoutMs: 20000,
    greetingCompletionTimeoutMs: 2000,
  },
  recognizer,
};
export const fillerNoise: FillerNoiseSpec = { enable: true, url: 'https://example.com/noise.wav', startDelaySecs: 1 };
export const actionHookDelayAction = {
  enabled: true,
  noResponseTimeout: 2,
  noResponseGiveUpTimeout: 10,
  retries: 3,
  actions: [{ verb: 'say' as const, text: 'One moment.' }],
  giveUpActions: [{ verb: 'hangup' as const }],
};
export const target: TargetSpec = {
  type: 'phone',
  number: '15551234',
  sipUri: 'sip:a@example.com',
  name: 'a',
  trunk: 'carrier',
  tenant: 'teams.example.com',
  vmail: false,
  confirmHook: hook,
  method: 'POST',
  headers,
  from: { user: '15550000', host: 'example.com' },
  auth,
  overrideTo: 'sip:b@example.com',
  proxy: 'sip:proxy.example.com',
};
export const mcpServers: McpServerSpec[] = [
  { url: 'https://mcp.example.com', auth: { token: 't' }, roots: [{ uri: 'file:///' }] },
];
export const transferring = {
  mode: 'warm' as const,
  target: [target],
  blindMethod: 'dial' as const,
  callerPresent: true,
  callerId: '15550000',
  onHoldHook: hook,
  timeout: 30,
  confirm: { prompt: 'Press 1.', digit: '1' },
  amd,
  disposition: {
    onNoAnswer: 'voicemail' as const,
    onBusy: 'return' as const,
    onDecline: 'hangup' as const,
    onFailure: 'return' as const,
    voicemailUrl: 'https://example.com/voicemail.wav',
  },
  actionHook: hook,
  eventHook: hook,
};
export const handoff: HandoffSpec = {
  ...transferring,
  brief: { template: 'In one sentence.' },
  briefSynthesizer: synthesizer,
  toolName: 'transfer_to_human',
  toolDescription: 'Use it when asked.',
};
export const llm: Omit<SpecOf<'llm'>, 'verb'> = {
  id: 'm1',
  vendor: 'openai',
  model: 'gpt-4o-realtime-preview-2024-12-17',
  auth: { apiKey: 'k' },
  connectOptions: { host: 'example.com' },
  mcpServers,
  actionHook: hook,
  eventHook: hook,
  toolHook: hook,
  events: ['all', '-response.audio.delta'],
  llmOptions: { response_create: {} },
  handoff,
  hangup: { reason: 'done' },
  responseTimeoutMs: 5000,
  cancelOnResponseTimeout: true,
  cancelOnBargeIn: true,
};
export const agentNoise = { mode: 'krisp', level: 50, direction: 'read' as const, model: 'm' };
