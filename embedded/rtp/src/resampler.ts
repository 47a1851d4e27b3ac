/** Half the width of the interpolation kernel in periods of the lower rate: longer is steeper, shorter is cheaper. */
const KERNEL_HALF_PERIODS = 12;
/** Part of the lower Nyquist band that passes; below 1 so that the filter has room to fall before aliases begin. */
const PASSBAND = 0.92;
/** Upper bound of the phase table: with more phases than this the nearest one is taken (error below −60 dB). */
const MAX_PHASES = 1024;

/**
 * Converts mono 16-bit audio between sampling rates by a windowed-sinc polyphase filter (Blackman window, about 70 dB
 * stop band). Stateless between calls: any stretch of output can be computed from the input around it.
 */
export class Resampler {
  /** Input samples per output sample. */
  readonly step: number;
  /** Input samples needed on each side of an output sample's position. */
  readonly margin: number;
  readonly #phases: number;
  readonly #taps: number;
  readonly #kernel: Float32Array;

  /** Rates in Hz, both positive. */
  constructor(
    readonly fromHz: number,
    readonly toHz: number,
  ) {
    if (!(fromHz > 0) || !(toHz > 0)) throw new TypeError(`rates must be positive: ${fromHz}, ${toHz}`);
    this.step = fromHz / toHz;
    const scale = Math.max(1, this.step);
    this.margin = Math.ceil(KERNEL_HALF_PERIODS * scale);
    this.#taps = this.margin * 2;
    this.#phases = Math.min(MAX_PHASES, toHz / greatestCommonDivisor(Math.round(fromHz), Math.round(toHz)));
    this.#kernel = buildKernel(this.#phases, this.margin, scale);
  }

  /** Memory of its table: up to 590 KB where the rates have no common divisor. */
  get heldBytes(): number {
    return this.#kernel.byteLength;
  }

  /** Output samples that `inputSamples` become. */
  outputLength(inputSamples: number): number {
    return Math.floor(inputSamples / this.step);
  }

  /**
   * Computes output samples `outStart … outStart + count − 1` into `out` at `outOffset`. `input[0]` is input sample number
   * `inputStart`; what lies outside `input` counts as silence.
   */
  process(
    input: Int16Array,
    inputStart: number,
    outStart: number,
    count: number,
    out: Int16Array,
    outOffset = 0,
  ): void {
    const taps = this.#taps;
    const kernel = this.#kernel;
    for (let i = 0; i < count; i++) {
      const position = (outStart + i) * this.step;
      let whole = Math.floor(position);
      let phase = Math.round((position - whole) * this.#phases);
      if (phase === this.#phases) {
        phase = 0;
        whole++;
      }
      const first = whole - this.margin + 1 - inputStart;
      const row = phase * taps;
      const from = first < 0 ? -first : 0;
      const to = Math.min(taps, input.length - first);
      let sum = 0;
      for (let tap = from; tap < to; tap++) sum += input[first + tap]! * kernel[row + tap]!;
      out[outOffset + i] = sum > 32767 ? 32767 : sum < -32768 ? -32768 : Math.round(sum);
    }
  }
}

/** Resamples a whole mono recording; the input itself is returned when the rates are equal. */
export function resample(pcm: Int16Array, fromHz: number, toHz: number): Int16Array {
  if (fromHz === toHz) return pcm;
  const resampler = new Resampler(fromHz, toHz);
  const out = new Int16Array(resampler.outputLength(pcm.length));
  resampler.process(pcm, 0, 0, out.length, out);
  return out;
}

function buildKernel(phases: number, margin: number, scale: number): Float32Array {
  const taps = margin * 2;
  const kernel = new Float32Array(phases * taps);
  const cutoff = PASSBAND / scale;
  for (let phase = 0; phase < phases; phase++) {
    let sum = 0;
    for (let tap = 0; tap < taps; tap++) {
      const distance = tap - (margin - 1) - phase / phases;
      const value = cutoff * sinc(cutoff * distance) * blackman(distance / margin);
      kernel[phase * taps + tap] = value;
      sum += value;
    }
    for (let tap = 0; tap < taps; tap++) kernel[phase * taps + tap]! /= sum;
  }
  return kernel;
}

function sinc(x: number): number {
  return x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x);
}

/** Blackman window over −1…1. */
function blackman(x: number): number {
  if (x <= -1 || x >= 1) return 0;
  return 0.42 + 0.5 * Math.cos(Math.PI * x) + 0.08 * Math.cos(2 * Math.PI * x);
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
