import { dtmfFrequencies } from '@ringwire/rtp';

const RATE_HZ = 8000;
/** Amplitude of a sine of 0 dBm0 where full scale is +3.17 dBm0. */
const AMPLITUDE_0_DBM0 = 32767 * 10 ** (-3.17 / 20);

/** Amplitude of a sine of that level. */
export function amplitudeOf(dbm0: number): number {
  return AMPLITUDE_0_DBM0 * 10 ** (dbm0 / 20);
}

/** Sound that tests put together: adds sines and noise at places and ends as 16-bit samples. */
export class Signal {
  readonly samples: Float64Array;
  #seed = 1;

  constructor(durationMs: number) {
    this.samples = new Float64Array(Math.round((durationMs * RATE_HZ) / 1000));
  }

  /** Adds a sine, switched on and off hard. */
  sine(hz: number, dbm0: number, fromMs: number, durationMs: number): this {
    const from = Math.round(fromMs * 8);
    const to = Math.min(this.samples.length, from + Math.round(durationMs * 8));
    const amplitude = amplitudeOf(dbm0);
    for (let i = from; i < to; i++) {
      this.samples[i]! += amplitude * Math.sin((2 * Math.PI * hz * (i - from)) / RATE_HZ + hz);
    }
    return this;
  }

  /** Adds a digit; `low` and `high` shift its frequencies by a factor, levels are of each tone. */
  digit(
    digit: string,
    fromMs: number,
    durationMs: number,
    {
      lowDbm0 = -10,
      highDbm0 = -10,
      low = 0,
      high = 0,
    }: Partial<Record<'lowDbm0' | 'highDbm0' | 'low' | 'high', number>> = {},
  ): this {
    const [lowHz, highHz] = dtmfFrequencies(digit)!;
    this.sine(lowHz * (1 + low), lowDbm0, fromMs, durationMs);
    return this.sine(highHz * (1 + high), highDbm0, fromMs, durationMs);
  }

  /** Adds white noise of that level (the power of a sine of it), the same in every run. */
  noise(dbm0: number, fromMs = 0, durationMs = this.samples.length / 8): this {
    const deviation = amplitudeOf(dbm0) / Math.SQRT2;
    const to = Math.min(this.samples.length, Math.round((fromMs + durationMs) * 8));
    for (let i = Math.round(fromMs * 8); i < to; i++) {
      const radius = Math.sqrt(-2 * Math.log(1 - this.random()));
      this.samples[i]! += deviation * radius * Math.cos(2 * Math.PI * this.random());
    }
    return this;
  }

  /** Adds speech-like sound: gliding voiced syllables through two formants, hisses and pauses. */
  speech(dbm0: number, fromMs: number, durationMs: number): this {
    const endMs = fromMs + durationMs;
    for (let at = fromMs; at < endMs; ) {
      const lengthMs = Math.min(endMs - at, 80 + this.random() * 200);
      this.#syllable(at, lengthMs, dbm0);
      at += lengthMs;
      if (this.random() < 0.3) this.noise(dbm0 - 14, at, Math.min(60, Math.max(0, endMs - at)));
      at += 20 + this.random() * 60;
    }
    return this;
  }

  /** The sound as 16-bit samples. */
  pcm(): Int16Array {
    return Int16Array.from(this.samples, (value) => Math.max(-32768, Math.min(32767, Math.round(value))));
  }

  /** 0…1, the same series in every run. */
  random(): number {
    this.#seed = (this.#seed * 1103515245 + 12345) >>> 0;
    return this.#seed / 2 ** 32;
  }

  #syllable(fromMs: number, lengthMs: number, dbm0: number): void {
    const from = Math.round(fromMs * 8);
    const length = Math.min(this.samples.length - from, Math.round(lengthMs * 8));
    const pitchHz = 90 + this.random() * 160;
    const glide = (this.random() - 0.5) * 0.4;
    const formants = [300 + this.random() * 600, 900 + this.random() * 1600];
    const amplitude = amplitudeOf(dbm0) / 2;
    for (let harmonic = 1; harmonic * pitchHz < 3600; harmonic++) {
      const near = formants.map((hz) => 1 / (1 + ((harmonic * pitchHz - hz) / 120) ** 2));
      const strength = amplitude * (near[0]! + 0.6 * near[1]! + 0.02);
      let phase = this.random() * 6;
      for (let i = 0; i < length; i++) {
        const part = i / length;
        phase += (2 * Math.PI * harmonic * pitchHz * (1 + glide * part)) / RATE_HZ;
        this.samples[from + i]! += strength * Math.sin(Math.PI * part) * Math.sin(phase);
      }
    }
  }
}

/** Gives sound to a detector as a leg does: in frames of 20 ms. */
export function inFrames(pcm: Int16Array, take: (frame: Int16Array, atMs: number) => void): void {
  for (let i = 0; i + 160 <= pcm.length; i += 160) take(pcm.subarray(i, i + 160), i / 8);
}
