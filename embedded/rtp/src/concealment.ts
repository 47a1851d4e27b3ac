import type { LegRate } from './codec.js';
import { findPitch, type Pitch, pitchRange } from './pitch.js';

/** Length of what is compared to find the pitch. */
const WINDOW_MS = 20;
/** The repeated period is heard unchanged for this long, then it fades, because speech rarely goes on as it was for longer. */
const STEADY_MS = 10;
/** From here on a lost stretch is silence. */
const MAX_MS = 60;
/** Crossfade back to what is really received: this, and as much again for each 20 ms that were lost, up to 10 ms. */
const RESUME_MS = 4;
const MAX_RESUME_MS = 10;

/**
 * Packet loss concealment for any decoded audio, after the idea of ITU-T G.711 Appendix I: the last pitch period is repeated,
 * fades out, and what comes next is faded in. It adds no delay. Give every frame to {@link heard} in order, and take
 * {@link conceal} for what is missing. No allocation.
 */
export class Concealer {
  readonly rateHz: LegRate;
  readonly #history: Int16Array;
  readonly #cycle: Int16Array;
  readonly #pitch: Pitch = { period: 0, likeness: 0 };
  #period = 0;
  #phase = 0;
  /** Samples of the present loss that were made up. */
  #made = 0;
  /** What the first made sample misses to go on where the last real one was; decays within a quarter period. */
  #offset = 0;

  constructor(rateHz: LegRate) {
    this.rateHz = rateHz;
    const { max } = pitchRange(rateHz);
    this.#history = new Int16Array((WINDOW_MS * rateHz) / 1000 + max + (max >> 2));
    this.#cycle = new Int16Array(max);
  }

  /** Takes received audio; when it follows a loss, its beginning is changed to a crossfade from what was made up. */
  heard(pcm: Int16Array, from: number, count: number): void {
    if (this.#made > 0) this.#resume(pcm, from, count);
    this.#remember(pcm, from, count);
  }

  /** Makes up `count` samples; silence once more than 60 ms are lost in a row. */
  conceal(pcm: Int16Array, from: number, count: number): void {
    if (this.#made === 0) this.#begin();
    for (let i = 0; i < count; i++) pcm[from + i] = this.#next();
    this.#remember(pcm, from, count);
  }

  /** Forgets everything: another stream begins. */
  reset(): void {
    this.#history.fill(0);
    this.#made = 0;
  }

  #begin(): void {
    const { min, max } = pitchRange(this.rateHz);
    const history = this.#history;
    const length = history.length;
    const window = (WINDOW_MS * this.rateHz) / 1000;
    findPitch(history, length, window, min, max, this.rateHz / 4000, this.#pitch);
    const period = this.#pitch.period || max;
    const quarter = period >> 2;
    const start = length - period;
    for (let i = 0; i < period; i++) this.#cycle[i] = history[start + i]!;
    // The end of the cycle is faded into what came before its start, so that it can be repeated without a step.
    for (let i = 0; i < quarter; i++) {
      const part = (i + 1) / (quarter + 1);
      const at = period - quarter + i;
      this.#cycle[at] = Math.round(this.#cycle[at]! * (1 - part) + history[start - quarter + i]! * part);
    }
    this.#offset = history[length - 1]! - history[start - 1]!;
    this.#period = period;
    this.#phase = 0;
  }

  #next(): number {
    const ms = (this.#made * 1000) / this.rateHz;
    if (ms >= MAX_MS) {
      this.#made++;
      return 0;
    }
    const quarter = this.#period >> 2;
    let value = this.#cycle[this.#phase]!;
    if (this.#made < quarter) value += this.#offset * (1 - (this.#made + 1) / (quarter + 1));
    if (ms > STEADY_MS) value *= (MAX_MS - ms) / (MAX_MS - STEADY_MS);
    this.#made++;
    this.#phase = this.#phase + 1 === this.#period ? 0 : this.#phase + 1;
    return value > 32767 ? 32767 : value < -32768 ? -32768 : Math.round(value);
  }

  #resume(pcm: Int16Array, from: number, count: number): void {
    const lostMs = (this.#made * 1000) / this.rateHz;
    const fadeMs = Math.min(MAX_RESUME_MS, RESUME_MS * (1 + lostMs / 20));
    const length = Math.min(count, Math.round((fadeMs * this.rateHz) / 1000));
    for (let i = 0; i < length; i++) {
      const part = (i + 1) / (length + 1);
      pcm[from + i] = Math.round(this.#next() * (1 - part) + pcm[from + i]! * part);
    }
    this.#made = 0;
  }

  #remember(pcm: Int16Array, from: number, count: number): void {
    const history = this.#history;
    const length = history.length;
    const kept = Math.min(count, length);
    history.copyWithin(0, kept);
    for (let i = 0; i < kept; i++) history[length - kept + i] = pcm[from + count - kept + i]!;
  }
}
