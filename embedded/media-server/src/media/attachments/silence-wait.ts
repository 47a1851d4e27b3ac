import type { LegRate } from '@ringwire/rtp';
import type { Attachment, AttachmentContext } from '../attachment.js';

/** Waits for silence as FreeSWITCH's `wait_for_silence` does. */
export interface SilenceWaitSpec {
  /** Mean absolute sample (0…32767) from which a frame is sound. */
  threshold: number;
  /** Silent frames of 20 ms in a row that are wanted. */
  silenceHits: number;
  /** More frames of sound than that must come first; 0 asks for none. */
  listenHits: number;
  /** 0 waits for ever. */
  timeoutMs: number;
}

/** It is over. */
export interface SilenceWaitEvent {
  timedOut: boolean;
  /** Frames of sound that were heard. */
  listened: number;
  /** Silent frames that were still wanted. */
  silenceLeft: number;
}

const FRAME_MS = 20;
/** FreeSWITCH goes on for half a second after the silence. */
const AFTER_FRAMES = 25;

/** Reports once: silence, or the time-out. */
export class SilenceWait implements Attachment {
  readonly rateHz: LegRate = 8000;
  ended = false;
  readonly #spec: SilenceWaitSpec;
  readonly #report: (event: SilenceWaitEvent) => void;
  #elapsedMs = 0;
  #listened = 0;
  #left: number;
  #countdown = 0;

  constructor(spec: SilenceWaitSpec, context: AttachmentContext<SilenceWaitEvent>) {
    this.#spec = spec;
    this.#left = spec.silenceHits;
    this.#report = (event) => context.report(event);
  }

  heardTick(frame: Int16Array): void {
    const { threshold, silenceHits, listenHits, timeoutMs } = this.#spec;
    this.#elapsedMs += FRAME_MS;
    if (timeoutMs > 0 && this.#elapsedMs >= timeoutMs) {
      this.#end(true);
      return;
    }
    if (this.#countdown > 0) {
      if (--this.#countdown === 0) this.#end(false);
      return;
    }
    let sum = 0;
    for (let i = 0; i < frame.length; i++) sum += Math.abs(frame[i]!);
    const silent = Math.floor(sum / frame.length) < threshold;
    if (!silent) this.#listened++;
    if (!silent || (listenHits > 0 && this.#listened <= listenHits)) this.#left = silenceHits;
    else if (--this.#left <= 0) this.#countdown = AFTER_FRAMES;
  }

  close(): void {
    this.ended = true;
  }

  #end(timedOut: boolean): void {
    this.ended = true;
    this.#report({ timedOut, listened: this.#listened, silenceLeft: Math.max(0, this.#left) });
  }
}
