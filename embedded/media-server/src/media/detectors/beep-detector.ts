const RATE_HZ = 8000;
const FRAME = 160;
/** Pure tones outside these are no beep: hum, ringing and modems. */
const MIN_HZ = 400;
const MAX_HZ = 2500;
/** Part of the energy that the one sine must have. */
const MIN_SHARE = 0.85;
/** About −45 dBFS. */
const MIN_MEAN_SQUARE = 180 ** 2;
/** How far frequency and level may wander over a beep. */
const MAX_DRIFT = 0.02;
const MAX_LEVEL_CHANGE = 10 ** (4 / 10);
/** Frames of 20 ms that make a beep: 140 ms. No vowel holds a pure tone so long. */
const MIN_FRAMES = 7;

/** A beep that was heard. */
export interface Beep {
  frequencyHz: number;
  /** Amplitude, 0…32767. */
  amplitude: number;
}

/**
 * Hears a single steady tone of any frequency between 400 and 2500 Hz, as the beep after a voicemail greeting. Feed it frames of 20 ms
 * at 8 kHz. Each beep is told once.
 */
export class BeepDetector {
  readonly #onBeep: (beep: Beep) => void;
  #frames = 0;
  #frequencyHz = 0;
  #meanSquare = 0;
  #hz = 0;

  constructor(onBeep: (beep: Beep) => void) {
    this.#onBeep = onBeep;
  }

  /** Takes 20 ms. */
  process(frame: Int16Array): void {
    const meanSquare = this.#pureTone(frame);
    if (meanSquare === 0) {
      this.#frames = 0;
      return;
    }
    const steady =
      Math.abs(this.#hz - this.#frequencyHz) <= this.#frequencyHz * MAX_DRIFT &&
      meanSquare <= this.#meanSquare * MAX_LEVEL_CHANGE &&
      meanSquare >= this.#meanSquare / MAX_LEVEL_CHANGE;
    if (this.#frames > 0 && steady) {
      this.#frames++;
    } else {
      this.#frames = 1;
      this.#frequencyHz = this.#hz;
      this.#meanSquare = meanSquare;
    }
    if (this.#frames !== MIN_FRAMES) return;
    this.#onBeep({ frequencyHz: this.#frequencyHz, amplitude: Math.sqrt(2 * this.#meanSquare) });
  }

  /** Mean square of the frame when it is a pure tone, whose frequency goes to `#hz`; else 0. */
  #pureTone(frame: Int16Array): number {
    let energy = 0;
    let r1 = 0;
    let r2 = 0;
    for (let i = 0; i < FRAME; i++) energy += frame[i]! * frame[i]!;
    const meanSquare = energy / FRAME;
    if (meanSquare < MIN_MEAN_SQUARE) return 0;
    // Pisarenko's estimate of a sine's frequency from the autocorrelation at lags 1 and 2, which white noise does not pull aside.
    for (let i = 2; i < FRAME; i++) {
      r1 += frame[i]! * frame[i - 1]!;
      r2 += frame[i]! * frame[i - 2]!;
    }
    const cosine = (r2 + Math.sqrt(r2 * r2 + 8 * r1 * r1)) / (4 * r1);
    if (!(Math.abs(cosine) < 1)) return 0;
    // The turn of the phase between two halves is more exact.
    const hz = refine(frame, refine(frame, (Math.acos(cosine) * RATE_HZ) / (2 * Math.PI)));
    if (hz < MIN_HZ || hz > MAX_HZ) return 0;
    this.#hz = hz;
    return share(frame, hz, energy) >= MIN_SHARE ? meanSquare : 0;
  }
}

function refine(frame: Int16Array, hz: number): number {
  const half = FRAME / 2;
  const omega = (2 * Math.PI * hz) / RATE_HZ;
  let re1 = 0;
  let im1 = 0;
  let re2 = 0;
  let im2 = 0;
  for (let i = 0; i < half; i++) {
    const cos = Math.cos(omega * i);
    const sin = Math.sin(omega * i);
    re1 += frame[i]! * cos;
    im1 -= frame[i]! * sin;
    re2 += frame[half + i]! * cos;
    im2 -= frame[half + i]! * sin;
  }
  const expected = omega * half;
  const turn = Math.atan2(im2, re2) - Math.atan2(im1, re1) - expected;
  const wrapped = turn - 2 * Math.PI * Math.round(turn / (2 * Math.PI));
  return hz + (wrapped * RATE_HZ) / (2 * Math.PI * half);
}

function share(frame: Int16Array, hz: number, energy: number): number {
  const coefficient = 2 * Math.cos((2 * Math.PI * hz) / RATE_HZ);
  let last = 0;
  let before = 0;
  for (let i = 0; i < FRAME; i++) {
    const now = frame[i]! + coefficient * last - before;
    before = last;
    last = now;
  }
  const power = last * last + before * before - coefficient * last * before;
  return (2 * power) / (FRAME * energy);
}
