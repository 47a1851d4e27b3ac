import { rms } from '@ringwire/rtp';

/** Samples per millisecond of G.711. */
export const SAMPLES_PER_MS = 8;

/** When one RTP packet came in. */
export interface Arrival {
  /** Milliseconds on the clock of `performance.now()`. */
  atMs: number;
  sequence: number;
  /** RTP time stamp (8 kHz units). */
  timestampRtp: number;
  payloadType: number;
  marker: boolean;
}

/** Statistics of a stream as a receiver sees them (RFC 3550 §6.4.1). */
export interface ReceptionStats {
  packets: number;
  /** Packets expected from the sequence numbers less those received. */
  lost: number;
  duplicates: number;
  /** Longest time between two packets in a row, ms. */
  maxGapMs: number;
  /** Interarrival jitter at the end, ms (RFC 3550 §A.8). */
  jitterMs: number;
}

/** A jump of the time stamp that does not agree with the arrival time by more than this begins a new stream. */
const REANCHOR_MS = 500;
/** More audio than this is not kept (memory): ten minutes beyond anything a test or a demo hears. */
const MAX_SAMPLES = 60 * 60 * 1000 * SAMPLES_PER_MS;

/**
 * Lays received audio on a timeline: a sample stands where its RTP time stamp puts it, the first packet of a stream
 * where it arrived. What did not arrive stays silence.
 */
export class HeardTimeline {
  /** Every RTP packet, audio and events, in order of arrival. */
  readonly arrivals: Arrival[] = [];
  #samples = new Int16Array(60_000 * SAMPLES_PER_MS);
  #length = 0;
  #originMs: number;
  #anchor: { ssrc: number; timestampRtp: number; sample: number } | undefined;
  #sequences: SequenceCount | undefined;
  #duplicates = 0;
  #expectedBefore = 0;
  #receivedBefore = 0;
  #jitterMs = 0;
  #maxGapMs = 0;

  /** @param originMs The moment that is sample 0, on the clock of `performance.now()`. */
  constructor(originMs: number) {
    this.#originMs = originMs;
  }

  /** Counts a packet; returns false for a duplicate, whose payload is of no use. */
  note(ssrc: number, arrival: Arrival): boolean {
    if (!this.#sequences || this.#sequences.ssrc !== ssrc) this.#beginStream(ssrc, arrival.sequence);
    if (!this.#sequences?.add(arrival.sequence)) {
      this.#duplicates += 1;
      return false;
    }
    const previous = this.arrivals.at(-1);
    if (previous) {
      const gapMs = arrival.atMs - previous.atMs;
      this.#maxGapMs = Math.max(this.#maxGapMs, gapMs);
      const transitMs = gapMs - ((arrival.timestampRtp - previous.timestampRtp) | 0) / SAMPLES_PER_MS;
      if (arrival.payloadType === previous.payloadType && Math.abs(transitMs) < REANCHOR_MS) {
        this.#jitterMs += (Math.abs(transitMs) - this.#jitterMs) / 16;
      }
    }
    this.arrivals.push(arrival);
    return true;
  }

  /** Puts decoded audio of a packet where it belongs. */
  place(ssrc: number, timestampRtp: number, atMs: number, audio: Int16Array): void {
    const arrivedAt = Math.max(0, Math.round((atMs - this.#originMs) * SAMPLES_PER_MS));
    let at = this.#anchor ? this.#anchor.sample + ((timestampRtp - this.#anchor.timestampRtp) | 0) : arrivedAt;
    const strange = Math.abs(at - arrivedAt) > REANCHOR_MS * SAMPLES_PER_MS;
    if (!this.#anchor || this.#anchor.ssrc !== ssrc || strange) {
      at = arrivedAt;
      this.#anchor = { ssrc, timestampRtp, sample: at };
    }
    if (at < 0 || at + audio.length > MAX_SAMPLES) return;
    this.#reserve(at + audio.length);
    this.#samples.set(audio, at);
    this.#length = Math.max(this.#length, at + audio.length);
  }

  /** The audio from the origin to the last packet: a copy. */
  samples(): Int16Array {
    return this.#samples.slice(0, this.#length);
  }

  /** Statistics up to now. */
  stats(): ReceptionStats {
    const current = this.#sequences;
    const expected = this.#expectedBefore + (current?.expected() ?? 0);
    const received = this.#receivedBefore + (current?.received ?? 0);
    return {
      packets: this.arrivals.length,
      lost: Math.max(0, expected - received),
      duplicates: this.#duplicates,
      maxGapMs: this.#maxGapMs,
      jitterMs: this.#jitterMs,
    };
  }

  #beginStream(ssrc: number, first: number): void {
    if (this.#sequences) {
      this.#expectedBefore += this.#sequences.expected();
      this.#receivedBefore += this.#sequences.received;
    }
    this.#sequences = new SequenceCount(ssrc, first);
  }

  #reserve(samples: number): void {
    if (samples <= this.#samples.length) return;
    const larger = new Int16Array(Math.max(samples, this.#samples.length * 2));
    larger.set(this.#samples);
    this.#samples = larger;
  }
}

/** Counts the sequence numbers of one stream, with wrap-around and duplicates among the last packets. */
class SequenceCount {
  readonly ssrc: number;
  received = 0;
  readonly #first: number;
  #highest: number;
  #cycles = 0;
  #recent: number[] = [];

  constructor(ssrc: number, first: number) {
    this.ssrc = ssrc;
    this.#first = first;
    this.#highest = first;
  }

  add(sequence: number): boolean {
    if (this.#recent.includes(sequence)) return false;
    this.#recent.push(sequence);
    if (this.#recent.length > 64) this.#recent.shift();
    this.received += 1;
    const ahead = (sequence - this.#highest) & 0xffff;
    if (ahead > 0 && ahead < 0x8000) {
      if (sequence < this.#highest) this.#cycles += 0x10000;
      this.#highest = sequence;
    }
    return true;
  }

  expected(): number {
    return this.#cycles + this.#highest - this.#first + 1;
  }
}

/** Louder than G.711's idle noise (±8) and far below speech. */
const SPEECH_LEVEL = 100;

/** Milliseconds from the begin to the first 10 ms that are not silence; undefined when all is silence. */
export function firstSoundMs(samples: Int16Array, level = SPEECH_LEVEL): number | undefined {
  const step = 10 * SAMPLES_PER_MS;
  for (let at = 0; at < samples.length; at += step) {
    if (rms(samples, at, Math.min(at + step, samples.length)) > level) return at / SAMPLES_PER_MS;
  }
  return undefined;
}
