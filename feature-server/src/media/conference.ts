import type { Digit, PlayResult } from './media.js';

/** How an endpoint joins a room of its media server. */
export interface SeatOptions {
  /** The room's name on the media server: letters, digits, `-`. */
  room: string;
  /** Is not heard, or does not hear, until it is told otherwise. */
  isMuted: boolean;
  isDeaf: boolean;
  isModerator: boolean;
  /** Its keys go to the others. */
  sharesKeys: boolean;
}

/** What is told of an endpoint in a room. */
export interface SeatListeners {
  /** Begins to talk, or has stopped. */
  onTalking(isTalking: boolean): void;
  /** A key that reached us by SIP, not the media server, and is the others' to hear. */
  onKey(digit: Digit): void;
}

/** An endpoint in a room. None of its methods rejects where the endpoint, or the room, is gone already. */
export interface ConferenceSeat {
  readonly memberId: number;
  /** Resolves when it is in the room no more, whoever ended that. */
  readonly left: Promise<void>;
  setMuted(isMuted: boolean): Promise<void>;
  setDeaf(isDeaf: boolean): Promise<void>;
  /** Whether these others hear it. */
  setHeardBy(memberIds: readonly number[], isHeard: boolean): Promise<void>;
  /** Plays a file or tone to everybody in the room; does not wait for its end. */
  playToAll(source: string): Promise<void>;
  /**
   * Plays files, URLs or tones to everybody in the room, one after the other, behind what plays there already; the signal stops what plays to all.
   * Resolves when they have ended, or it has left.
   * @throws PlaybackNotFoundError, MediaServerError
   */
  playInRoom(sources: readonly string[], signal: AbortSignal): Promise<void>;
  /**
   * Records what the room hears into a file of the media server, until the room ends.
   * @throws MediaServerError where the media server cannot
   */
  record(path: string): Promise<void>;
  /** Has it hear a key. */
  sendKey(digit: Digit): Promise<void>;
  /** Resolves when it is out, at the latest after seconds. */
  leave(): Promise<void>;
}

/** An endpoint's way into rooms. While it sits in one, it alone hears what is played to it, over the others. */
export interface ConferenceControl {
  /**
   * Joins; the first one opens the room, which ends with its last.
   * Who is let in after that has failed is shown out.
   * @throws MediaServerError
   */
  join(options: SeatOptions, listeners?: Partial<SeatListeners>): Promise<ConferenceSeat>;
  /** A key that reached us by SIP goes to the others of its room, where this one shares its keys. */
  passKey(digit: Digit): void;
  /**
   * Plays to an endpoint that sits in a room; undefined where it sits in none.
   * @throws PlaybackNotFoundError, MediaServerError
   */
  play(sources: readonly string[], signal: AbortSignal): Promise<PlayResult> | undefined;
}
