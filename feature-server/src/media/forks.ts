/** How a call's audio goes to a WebSocket server (mod_audio_fork, compat 3.8). */
export interface ForkOptions {
  /** `ws://`, `wss://`. */
  url: string;
  /** The addresses of its host that were judged: a media server that can is to use no others. */
  addresses?: readonly string[];
  /** Of who speaks: the far end alone, both in one, or the far end left and what it hears right. */
  mixType: 'mono' | 'mixed' | 'stereo';
  /** Hz: 8000 to 64000. */
  sampleRate: number;
  /** The first text frame. */
  metadata?: Readonly<Record<string, unknown>>;
  /** What comes back; absent: nothing is taken. `streaming` takes binary frames of L16 at `sampleRate` Hz, else `playAudio` is. */
  bidirectional?: { streaming: boolean; sampleRate?: number };
  /** HTTP basic credentials. */
  auth?: { username: string; password: string };
  /** Its server is this process, which sees by itself what becomes of the connection. @defaultValue false */
  isInternal?: boolean;
}

/** What the server at the other end of a fork, or the media server, says of it. */
export type ForkEvent =
  | { event: 'connect' }
  | { event: 'connect_failed'; reason: string }
  /** The server has closed, or asks to. */
  | { event: 'disconnect' }
  | { event: 'buffer_overrun' }
  /** Audio that the server wants played, as a file of the media server. */
  | { event: 'play_audio'; file: string; id?: string; isQueued: boolean }
  | { event: 'kill_audio' }
  | { event: 'transcription' | 'transfer' | 'error' | 'json'; data: unknown };

/** A running fork. None of its methods rejects where the channel, or the fork, is gone already. */
export interface AudioFork {
  readonly name: string;
  sendText(data: unknown): Promise<void>;
  /** `silence`: the server gets silence meanwhile, else nothing. */
  pause(how: 'pause' | 'silence'): Promise<void>;
  resume(): Promise<void>;
  /** Drops what the server has streamed and is not played yet. */
  stopPlay(): Promise<void>;
  stop(): Promise<void>;
}

/** The forks of one channel. */
export interface ForkControl {
  /**
   * Starts one; resolves when the media server has taken the order, which is before it is connected.
   * @throws MediaServerError; TypeError for metadata above 8 KiB and for credentials that cannot be handed over
   */
  start(options: ForkOptions, onEvent: (event: ForkEvent) => void): Promise<AudioFork>;
}
