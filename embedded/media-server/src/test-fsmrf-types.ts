import type { EventEmitter } from 'node:events';

/** What follows is what tests use of drachtio-fsmrf, drachtio-modesl and drachtio-srf, which have no types that fit. */

/** An event or an answer of the event socket. */
export interface EslEvent {
  body: string;
  getHeader(name: string): string | undefined;
  getBody(): string;
}

/** A callback as all methods take it in the place of a promise. */
export type Callback<T = unknown> = (error: Error | null, result: T) => void;

/** Where a connection of an endpoint ends. */
interface NetworkConnection {
  sdp: string;
  mediaIp: string;
  mediaPort: string;
}

/** Options of `forkAudioStart`. */
export interface ForkStart {
  wsUrl: string;
  mixType?: 'mono' | 'mixed' | 'stereo';
  sampling?: string;
  bugname?: string;
  metadata?: object | string;
  bidirectionalAudio?: { enabled?: string; streaming?: string; sampleRate?: string };
}

/** How an endpoint joins a conference. */
export interface JoinOptions {
  pin?: string;
  profile?: string;
  flags?: Record<string, boolean>;
}

/** A dialog of drachtio-srf. */
export interface SrfDialog extends EventEmitter {
  local: { sdp: string };
  remote: { sdp: string };
  sip: { callId: string };
  destroy(): Promise<unknown>;
  modify(sdp: string): Promise<string>;
}

/** What a playback tells. */
export interface PlayResult {
  playbackSeconds: string;
  playbackMilliseconds: string;
  playbackLastOffsetPos: string;
}

/** What collected digits tell. */
export interface CollectResult {
  digits: string | undefined;
  invalidDigits: string | undefined;
  terminatorUsed: string | undefined;
  playbackSeconds: string;
  playbackMilliseconds: string;
}

/** What a recording tells. */
export interface RecordResult {
  terminatorUsed: string | undefined;
  recordSeconds: string;
  recordMilliseconds: string;
  recordSamples: string;
}

/** An endpoint as drachtio-fsmrf shows it. */
export interface Endpoint {
  uuid: string;
  secure: boolean;
  local: NetworkConnection;
  remote: NetworkConnection;
  dtmfType: string;
  sip: { callId: string };
  conf: { memberId?: number; name?: string; uuid?: string };
  connected: boolean;
  muted: boolean;
  mediaserver: MediaServerClient;
  srf: Srf;
  conn: EventEmitter | null;
  dialog: SrfDialog | null;
  play(
    file: string | string[] | { file: string; seekOffset?: number; timeoutSecs?: number },
    callback?: Callback<PlayResult>,
  ): Promise<PlayResult>;
  playCollect(options: object, callback?: Callback<CollectResult>): Promise<CollectResult>;
  say(text: string, options: object): Promise<Partial<PlayResult>>;
  speak(options: object): Promise<unknown>;
  record(file: string, options?: object): Promise<RecordResult>;
  recordSession(...words: string[]): Promise<EslEvent>;
  set(values: Record<string, string | boolean>, callback?: Callback): Promise<void>;
  set(name: string, value: string, callback?: Callback): Promise<void>;
  export(values: Record<string, string>): Promise<void>;
  export(name: string, value: string): Promise<void>;
  getChannelVariables(
    includeMedia?: boolean,
    callback?: Callback<Record<string, string | number>>,
  ): Promise<Record<string, string | number>>;
  addCustomEventListener(event: string, handler: (body: unknown, event: EslEvent) => void): void;
  removeCustomEventListener(event: string, handler?: (body: unknown, event: EslEvent) => void): void;
  resetEslCustomEvent(): void;
  filter(header: string, value: string): void;
  api(command: string, args?: unknown, callback?: Callback<EslEvent>): Promise<EslEvent>;
  execute(application: string, argument?: string, callback?: Callback<EslEvent>): Promise<EslEvent>;
  executeAsync(application: string, argument: string, callback: (event: EslEvent) => void): void;
  modify(sdp: string): Promise<string>;
  request(options: object): Promise<{ status: number }>;
  bridge(other: Endpoint | string, callback?: Callback): Promise<void>;
  unbridge(callback?: Callback): Promise<void>;
  mute(): Promise<EslEvent>;
  unmute(): Promise<EslEvent>;
  toggleMute(): Promise<EslEvent>;
  join(
    room: string | Conference,
    options?: JoinOptions,
    callback?: Callback<{ memberId: number; confUuid: string }>,
  ): Promise<{ memberId: number; confUuid: string }>;
  confMute(): Promise<string>;
  confUnmute(): Promise<string>;
  confDeaf(): Promise<string>;
  confUndeaf(): Promise<string>;
  confKick(): Promise<string>;
  confHup(): Promise<EslEvent>;
  confPlay(file: string, options?: object): Promise<EslEvent>;
  unjoin(): Promise<string>;
  transfer(room: string | Conference): Promise<string>;
  getNonMatchingConfParticipants(room: string, tag: string): Promise<number[]>;
  setGain(decibels: number | string): Promise<void>;
  dub(options: object): Promise<void>;
  startTranscription(options: object): Promise<void>;
  startTranscriptionTimers(options: object): Promise<void>;
  stopTranscription(options: object): Promise<void>;
  startVadDetection(options?: object): Promise<void>;
  stopVadDetection(options?: object): Promise<void>;
  forkAudioStart(options: ForkStart): Promise<void>;
  forkAudioStart(options: ForkStart, callback: (error: Error | null) => void): Endpoint;
  forkAudioSendText(...args: unknown[]): Promise<void>;
  forkAudioStop(...args: unknown[]): Promise<void>;
  forkAudioPause(...args: unknown[]): Promise<void>;
  forkAudioResume(...args: unknown[]): Promise<void>;
  destroy(callback?: Callback): Promise<void>;
  toJSON(): Record<string, unknown>;
  on(event: string, listener: (facts: Record<string, string>) => void): void;
  once(event: string, listener: (facts: Record<string, string>) => void): void;
}

/** A conference as drachtio-fsmrf shows it. */
export interface Conference extends EventEmitter {
  name: string;
  uuid: string;
  memberId: number;
  maxMembers: number;
  endpoint: Endpoint;
  mediaserver: MediaServerClient;
  participants: Map<number, { memberId: number; type: string; ghost: string; channelUuid: string }>;
  getSize(): Promise<number>;
  get(name: string): Promise<string | number>;
  set(name: string, value: string | number): Promise<string>;
  agc(level: string): Promise<EslEvent>;
  list(how?: string): Promise<EslEvent>;
  chkRecord(): Promise<EslEvent>;
  mute(who: string): Promise<string>;
  unmute(who: string): Promise<string>;
  deaf(who: string): Promise<string>;
  undeaf(who: string): Promise<string>;
  lock(): Promise<string>;
  unlock(): Promise<string>;
  play(file: string | string[]): Promise<{ seconds: number; milliseconds: number; samples: number }>;
  startRecording(path: string): Promise<string>;
  pauseRecording(path: string): Promise<string>;
  resumeRecording(path: string): Promise<string>;
  stopRecording(path: string): Promise<string>;
  destroy(callback?: Callback): Promise<void>;
  toJSON(): Record<string, unknown>;
}

/** What an endpoint is asked for with. */
export interface EndpointOptions {
  remoteSdp?: string;
  codecs?: string | string[];
  headers?: Record<string, string>;
  srtp?: boolean;
}

/** A caller that was connected. */
export interface Connected {
  endpoint: Endpoint;
  dialog: SrfDialog;
}

/** A media server as drachtio-fsmrf shows it. */
export interface MediaServerClient extends EventEmitter {
  sip: Record<'ipv4' | 'ipv6', Record<'udp' | 'dtls', { address?: string }>>;
  address: string;
  srf: Srf;
  maxSessions: number;
  currentSessions: number;
  cps: number;
  cpuIdle: number;
  hostname: string;
  v4address: string;
  v6address: string;
  fsVersion: string;
  conn: EventEmitter;
  connected(): boolean;
  hasCapability(which: string | string[]): boolean;
  createEndpoint(options?: EndpointOptions, callback?: Callback<Endpoint>): Promise<Endpoint>;
  connectCaller(req: SrfRequest, res: object, options?: object, callback?: Callback<Connected>): Promise<Connected>;
  createConference(
    name?: string,
    options?: { maxMembers?: number; pin?: string },
    callback?: Callback<Conference>,
  ): Promise<Conference>;
  api(command: string, callback?: (body: string) => void): Promise<string>;
  disconnect(): void;
  destroy(): void;
  toJSON(): Record<string, unknown>;
}

/** A request as drachtio-srf shows it. */
export interface SrfRequest {
  body: string;
  get(name: string): string;
}

/** An application of drachtio-srf. */
export interface Srf extends EventEmitter {
  connect(options: { host: string; port: number; secret: string }): void;
  disconnect(): void;
  invite(handler: (req: SrfRequest, res: object) => void): void;
}

/** Where a media server is. */
export interface ConnectOptions {
  address: string;
  port: number;
  secret: string;
  listenAddress: string;
  profile?: string;
}

/** The module drachtio-fsmrf. */
export interface Mrf {
  localAddresses: string[];
  customEvents: string[];
  srf: Srf;
  connect(options: ConnectOptions, callback?: Callback<MediaServerClient>): Promise<MediaServerClient>;
}
