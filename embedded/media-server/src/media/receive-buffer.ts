import { type AudioCodec, SAMPLES_PER_PACKET, timestampDelta } from '@ringwire/rtp';

/** Ring size in samples, a power of two: 1 s. */
const RING_SAMPLES = 8192;
/** Play-out delay added to the first packet of a stream: one packet absorbs the phase of the two 20 ms clocks and small jitter. */
const DELAY_SAMPLES = SAMPLES_PER_PACKET;
/** Packets further ahead than this mean that the stream jumped or that our clock lags: start anew. */
const MAX_AHEAD_SAMPLES = 2400;
/** A packet this much too late is worth waiting for: play-out steps back to it. Later ones are dropped, unless all are late. */
const MAX_STEP_BACK_SAMPLES = 1600;
/** Delay that no packet needed during this many packets (2 s) is given up again. */
const WINDOW_PACKETS = 100;
/** Delay beyond this is too much when no packet of a window needs it. */
const MAX_SPARE_SAMPLES = 2 * SAMPLES_PER_PACKET;
/** This many packets too late in a row mean that play-out runs ahead of the sender: start anew. */
const MAX_LATE_RUN = 5;

/**
 * Puts received audio in its place by RTP timestamp: doubled and swapped packets are harmless, lost ones are silence, late
 * ones raise the delay until it is no longer needed.
 * {@link read} takes 20 ms per tick. No allocation.
 */
export class ReceiveBuffer {
  /** Packets that came after their time. */
  latePackets = 0;
  readonly #ring = new Int16Array(RING_SAMPLES);
  readonly #decoded = new Int16Array(MAX_AHEAD_SAMPLES);
  #started = false;
  #playTimestamp = 0;
  #lateRun = 0;
  #windowPackets = 0;
  #windowSpare = MAX_AHEAD_SAMPLES;

  /** Stores a packet's audio. */
  write(codec: AudioCodec, bytes: Uint8Array, offset: number, length: number, timestamp: number): void {
    const count = codec.decode(bytes, offset, length, this.#decoded, 0);
    if (count === 0) return;
    let ahead = timestampDelta(this.#playTimestamp, timestamp);
    if (this.#started && ahead < 0) {
      this.latePackets++;
      if (ahead >= -MAX_STEP_BACK_SAMPLES) {
        this.#playTimestamp = timestamp >>> 0;
        ahead = 0;
      } else if (++this.#lateRun <= MAX_LATE_RUN) {
        return;
      }
    }
    if (!this.#started || ahead < 0 || ahead + count > MAX_AHEAD_SAMPLES) {
      this.#restart(timestamp);
      ahead = DELAY_SAMPLES;
    }
    this.#lateRun = 0;
    this.#trimDelay(ahead);
    const start = timestamp & (RING_SAMPLES - 1);
    const first = Math.min(count, RING_SAMPLES - start);
    for (let i = 0; i < first; i++) this.#ring[start + i] = this.#decoded[i]!;
    for (let i = first; i < count; i++) this.#ring[i - first] = this.#decoded[i]!;
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

  /** Catches up, by leaving out what is too much, when every packet of the last two seconds came well before its time. */
  #trimDelay(aheadSamples: number): void {
    this.#windowSpare = Math.min(this.#windowSpare, aheadSamples);
    if (++this.#windowPackets < WINDOW_PACKETS) return;
    if (this.#windowSpare > MAX_SPARE_SAMPLES) {
      const tooMuch = this.#windowSpare - DELAY_SAMPLES;
      for (let i = 0; i < tooMuch; i++) this.#ring[(this.#playTimestamp + i) & (RING_SAMPLES - 1)] = 0;
      this.#playTimestamp = (this.#playTimestamp + tooMuch) >>> 0;
    }
    this.#windowPackets = 0;
    this.#windowSpare = MAX_AHEAD_SAMPLES;
  }

  #restart(timestamp: number): void {
    this.#started = true;
    this.#ring.fill(0);
    this.#windowPackets = 0;
    this.#windowSpare = MAX_AHEAD_SAMPLES;
    this.#playTimestamp = (timestamp - DELAY_SAMPLES) >>> 0;
  }
}
