import { decodeG711, type G711Codec, SAMPLES_PER_PACKET, timestampDelta } from '@ringwire/rtp';

/** Ring size in samples, a power of two: 1 s. */
const RING_SAMPLES = 8192;
/** Play-out delay added to the first packet of a stream: one packet absorbs the phase of the two 20 ms clocks and small jitter. */
const DELAY_SAMPLES = SAMPLES_PER_PACKET;
/** Packets further ahead than this mean that the stream jumped or that our clock lags: start anew. */
const MAX_AHEAD_SAMPLES = 2400;
/** This many packets too late in a row mean that play-out runs ahead of the sender: start anew. */
const MAX_LATE_RUN = 5;

/**
 * Puts received audio in its place by RTP timestamp: late, doubled and swapped packets are harmless, lost ones are silence.
 * {@link read} takes 20 ms per tick. No allocation.
 */
export class ReceiveBuffer {
  /** Packets that came after their time. */
  latePackets = 0;
  readonly #ring = new Int16Array(RING_SAMPLES);
  #started = false;
  #playTimestamp = 0;
  #lateRun = 0;

  /** Stores a packet's audio. */
  write(codec: G711Codec, bytes: Uint8Array, offset: number, count: number, timestamp: number): void {
    if (count === 0 || count > MAX_AHEAD_SAMPLES) return;
    let ahead = timestampDelta(this.#playTimestamp, timestamp);
    if (this.#started && ahead < 0 && ++this.#lateRun <= MAX_LATE_RUN) {
      this.latePackets++;
      return;
    }
    if (!this.#started || ahead < 0 || ahead + count > MAX_AHEAD_SAMPLES) {
      this.#restart(timestamp);
      ahead = DELAY_SAMPLES;
    }
    this.#lateRun = 0;
    const start = timestamp & (RING_SAMPLES - 1);
    const first = Math.min(count, RING_SAMPLES - start);
    decodeG711(codec, bytes, offset, first, this.#ring, start);
    if (count > first) decodeG711(codec, bytes, offset + first, count - first, this.#ring, 0);
  }

  /** Fills `frame` with the 20 ms due now and returns whether the stream has begun; silence where nothing came. */
  read(frame: Int16Array): boolean {
    if (!this.#started) {
      frame.fill(0);
      return false;
    }
    for (let i = 0; i < SAMPLES_PER_PACKET; i++) {
      const at = (this.#playTimestamp + i) & (RING_SAMPLES - 1);
      frame[i] = this.#ring[at]!;
      this.#ring[at] = 0;
    }
    this.#playTimestamp = (this.#playTimestamp + SAMPLES_PER_PACKET) >>> 0;
    return true;
  }

  /** Forgets the stream: a new SSRC has its own timestamps. */
  reset(): void {
    this.#started = false;
  }

  #restart(timestamp: number): void {
    this.#started = true;
    this.#ring.fill(0);
    this.#playTimestamp = (timestamp - DELAY_SAMPLES) >>> 0;
  }
}
