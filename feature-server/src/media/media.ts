import type { AudioTap } from './audio-streams.js';
import type { BeepDetector } from './beeps.js';
import type { ConferenceControl } from './conference.js';
import type { DubControl } from './dub.js';
import type { ForkControl } from './forks.js';
import type { KeySender } from './keys.js';

/** What a playback came to. Values are the media server's own words, as jambonz passes them on. */
export interface PlayResult {
  playbackSeconds?: string;
  playbackMilliseconds?: string;
  playbackLastOffsetPos?: string;
}

/** How something is played. */
export interface PlayOptions {
  /** Stops the playback; the promise then resolves with what was played. */
  signal: AbortSignal;
  /** Handed to the media server (`file@@offset`); first source only. */
  seekOffset?: number;
}

/** A key that the far end pressed. */
export interface Digit {
  /** `0`–`9`, `*`, `#`, `A`–`D`. */
  key: string;
  durationMs?: number;
}

/** How long a key sounds of which only that was told. */
export const KEY_MS = 160;

/** Something that could not be played: only the embedded media server tells of it. */
export interface MediaProblem {
  /** Names what, and why not. */
  text: string;
  /** It was to sound on a track (`dub`); else among other things that are played. */
  isOfTrack: boolean;
}

/** One call's media on a media server. */
export interface MediaEndpoint {
  /** Its name on the media server. */
  readonly id: string;
  /** SDP for the answer to the far end, or our offer to it. */
  readonly localSdp: string;
  /**
   * Plays files, URLs, `tone_stream://` or `silence_stream://` one after the other, without a gap where the media server
   * can.
   * @throws PlaybackNotFoundError, MediaServerError
   */
  play(sources: readonly string[], options: PlayOptions): Promise<PlayResult>;
  /** Calls back for every digit; returns the function that ends it. */
  onDigit(listener: (digit: Digit) => void): () => void;
  /** Calls back once when the media server gave up this endpoint or went away. */
  onLost(listener: (reason: string) => void): void;
  /** Calls back for whatever could not be played. */
  onProblem(listener: (problem: MediaProblem) => void): void;
  /**
   * Joins it with another endpoint of the same media server until one of the two is released; this one lives on then.
   * @throws MediaServerError
   */
  bridge(other: MediaEndpoint): Promise<void>;
  /**
   * Takes it apart from the endpoint that it is joined with; both live on, and hear silence.
   * @throws MediaServerError
   */
  unbridge(): Promise<void>;
  /**
   * Silences what its far end says, for all who hear it, or lets it be heard again.
   * @throws MediaServerError
   */
  mute(isMuted: boolean): Promise<void>;
  /** A key that its far end told by other means than RTP (SIP INFO): whom it is joined with, or shares a conference, gets it as its own far end gets keys. Never rejects. */
  passKey(digit: Digit): void;
  /** Has it live on when an endpoint ends that it is joined with. */
  outlive(): Promise<void>;
  /**
   * Gives the listener the keys that it would send to the far end, in place of sending them: those of who it is joined with. To be asked before {@link modify}.
   * @throws MediaServerError
   */
  divertKeys(listener: (digit: Digit) => void): Promise<void>;
  /** Its audio to WebSocket servers and back. */
  readonly forks: ForkControl;
  /** Its way into conferences. */
  readonly conference: ConferenceControl;
  /** Its audio into this process. */
  readonly tap: AudioTap;
  /** Sound beside what it plays. */
  readonly dub: DubControl;
  /** Keys for its own far end. */
  readonly keys: KeySender;
  /** Beeps that its far end sends. */
  readonly beeps: BeepDetector;
  /** New SDP of the far end (re-INVITE); resolves to the SDP of the answer. */
  modify(remoteSdp: string): Promise<string>;
  /** Releases it; never rejects and never hangs. */
  destroy(): Promise<void>;
}

/** Where endpoints come from. */
export interface MediaServer {
  /** Whether an endpoint can be expected now. */
  readonly available: boolean;
  /**
   * Makes an endpoint that answers an offer, or that offers itself when there is none: its answer comes with `modify`.
   * @throws MediaServerError
   */
  createEndpoint(options: { remoteSdp?: string; callSid: string }): Promise<MediaEndpoint>;
}
