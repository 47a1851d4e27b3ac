import { frameSamples, type LegRate } from './codec.js';

/** Coefficients on each side of the middle that are not zero. 15: flat to 3.5 kHz, 60 dB down from 4.5 kHz; more is steeper and slower. */
const PAIRS = 15;
/** Kaiser window parameter for 60 dB (Kaiser's formula: 0.1102 · (60 − 8.7)). */
const KAISER_BETA = 5.65;
/** Distance of the outermost coefficient from the middle. */
const REACH = 2 * PAIRS - 1;
/** h[±1], h[±3], …; h[0] is ½ and all other even ones are 0, which is what makes the filter cheap. */
const COEFFICIENTS = designHalfBand();

/**
 * Converts the 20 ms frames of one stream between 8 and 16 kHz with a half-band filter: 2 ms of delay, no allocation. Frames must
 * come in order; each stream and direction has its own.
 */
export class FrameConverter {
  readonly #convert: (frame: Int16Array) => Int16Array;

  constructor(
    readonly fromHz: LegRate,
    readonly toHz: LegRate,
  ) {
    const out = new Int16Array(frameSamples(toHz));
    if (fromHz === toHz) {
      this.#convert = (frame) => frame;
    } else if (fromHz < toHz) {
      const work = new Int16Array(2 * PAIRS - 1 + frameSamples(fromHz));
      this.#convert = (frame) => double(frame, work, out);
    } else {
      const work = new Int16Array(2 * REACH + frameSamples(fromHz));
      this.#convert = (frame) => halve(frame, work, out);
    }
  }

  /** The frame at the other rate, valid until the next call; the frame itself when the rates are equal. */
  convert(frame: Int16Array): Int16Array {
    return this.#convert(frame);
  }
}

/** Doubles the rate: every second sample is one of the input, those between are interpolated. */
function double(frame: Int16Array, work: Int16Array, out: Int16Array): Int16Array {
  work.copyWithin(0, frame.length);
  work.set(frame, 2 * PAIRS - 1);
  for (let i = 0; i < frame.length; i++) {
    const middle = i + PAIRS - 1;
    let sum = 0;
    for (let k = 0; k < PAIRS; k++) sum += COEFFICIENTS[k]! * (work[middle - k]! + work[middle + 1 + k]!);
    out[2 * i] = work[middle]!;
    out[2 * i + 1] = toSample(2 * sum);
  }
  return out;
}

/** Halves the rate: what is above half the lower rate is filtered away first. */
function halve(frame: Int16Array, work: Int16Array, out: Int16Array): Int16Array {
  work.copyWithin(0, frame.length);
  work.set(frame, 2 * REACH);
  for (let i = 0; i < out.length; i++) {
    const middle = 2 * i + REACH;
    let sum = work[middle]! / 2;
    for (let k = 0; k < PAIRS; k++) {
      const distance = 2 * k + 1;
      sum += COEFFICIENTS[k]! * (work[middle - distance]! + work[middle + distance]!);
    }
    out[i] = toSample(sum);
  }
  return out;
}

function toSample(value: number): number {
  return value > 32767 ? 32767 : value < -32768 ? -32768 : Math.round(value);
}

/** Windowed ideal half-band low-pass, scaled so that a constant passes unchanged. */
function designHalfBand(): Float64Array {
  const coefficients = new Float64Array(PAIRS);
  let sum = 0;
  for (let k = 0; k < PAIRS; k++) {
    const distance = 2 * k + 1;
    const ideal = Math.sin((Math.PI * distance) / 2) / (Math.PI * distance);
    const window = bessel(KAISER_BETA * Math.sqrt(1 - (distance / (REACH + 1)) ** 2)) / bessel(KAISER_BETA);
    coefficients[k] = ideal * window;
    sum += 2 * coefficients[k]!;
  }
  for (let k = 0; k < PAIRS; k++) coefficients[k]! *= 0.5 / sum;
  return coefficients;
}

/** Modified Bessel function of the first kind, order zero, by its power series. */
function bessel(x: number): number {
  let term = 1;
  let sum = 1;
  for (let k = 1; term > sum * 1e-12; k++) {
    term *= (x / (2 * k)) ** 2;
    sum += term;
  }
  return sum;
}
