import type { LegRate } from '@ringwire/rtp';
import type { ClipCache } from './audio-clip.js';

/**
 * Something that listens to a leg or speaks into it: a recorder, an audio fork, a detector, a second track. It works at its own
 * rate; the leg converts. The ticks come every 20 ms, in this order, each with one frame at {@link rateHz}: no await, no closures,
 * no allocation in them, and a frame is only valid until the tick's end.
 */
export interface Attachment {
  /** Rate of every frame that it gets or fills. Constant. */
  readonly rateHz: LegRate;
  /** Whether it is over by itself; it gets no more ticks and is closed after the present one. */
  readonly ended: boolean;
  /** What the peer says, after muting; silence where nothing came. */
  heardTick?(frame: Int16Array): void;
  /** Changes what players, bridge or room give, before anyone mixes into it: a frame at the leg's own rate, whatever that is. */
  alterTick?(frame: Int16Array): void;
  /** Adds its sound to what the peer will hear (saturating: see {@link mixInto}) and returns whether there was any. */
  mixTick?(frame: Int16Array): boolean;
  /** What the peer hears, after mixing and muting; the last tick. */
  sentTick?(frame: Int16Array): void;
  /** A message from the main thread. */
  tell?(message: never): void;
  /** Ends it: called once, when it is detached, when it has ended, or when its leg is closed. Resolves when all is put away. */
  close(): void | Promise<void>;
}

/** What an attachment is given when it is made. */
export interface AttachmentContext<Event> {
  /** The leg's rate now; it may change with a re-INVITE. */
  legRateHz: LegRate;
  /** Decoded files, shared by the whole thread. */
  clips: ClipCache;
  /** Tells the main thread. */
  report(event: Event): void;
}

/** Adds `added` to `frame`, cutting what exceeds 16 bits. */
export function mixInto(frame: Int16Array, added: Int16Array): void {
  for (let i = 0; i < frame.length; i++) {
    const sum = frame[i]! + added[i]!;
    frame[i] = sum > 32767 ? 32767 : sum < -32768 ? -32768 : sum;
  }
}
