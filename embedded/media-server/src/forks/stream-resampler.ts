import { Resampler } from '@ringwire/rtp';

/** Converts a stream of mono samples between any two rates, chunk by chunk. Keeps back what it needs of the future: at most 1.5 ms. */
export class StreamResampler {
  readonly #resampler: Resampler | undefined;
  #kept: Int16Array = new Int16Array(0);
  /** Number of the first kept sample. */
  #keptFrom = 0;
  /** Number of the next sample to give. */
  #next = 0;

  /** Rates in Hz, both positive. */
  constructor(fromHz: number, toHz: number) {
    this.#resampler = fromHz === toHz ? undefined : new Resampler(fromHz, toHz);
  }

  /** What can be given after this chunk; the chunk itself when the rates are equal. */
  convert(chunk: Int16Array): Int16Array {
    const resampler = this.#resampler;
    if (!resampler) return chunk;
    const { step, margin } = resampler;
    const input = new Int16Array(this.#kept.length + chunk.length);
    input.set(this.#kept);
    input.set(chunk, this.#kept.length);
    const count = Math.max(0, Math.floor((this.#keptFrom + input.length - margin - 2) / step) - this.#next + 1);
    const out = new Int16Array(count);
    resampler.process(input, this.#keptFrom, this.#next, count, out);
    this.#next += count;
    const drop = Math.min(input.length, Math.max(0, Math.floor(this.#next * step) - margin - this.#keptFrom));
    this.#kept = input.slice(drop);
    this.#keptFrom += drop;
    return out;
  }
}
