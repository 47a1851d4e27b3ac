import type { LegRate, Resampler } from '@ringwire/rtp';
import type { DecoderStock } from './decoder-stock.js';
import { PAGE_SAMPLES } from './streamed-clip.js';

/** Converts audio to one rate as it comes, and cuts it into pages. */
export class PageMaker {
  /** Samples given out so far. */
  samples = 0;
  readonly #rateHz: LegRate;
  readonly #stock: DecoderStock;
  #page = new Int16Array(PAGE_SAMPLES);
  #filled = 0;
  #resampler: Resampler | undefined;
  /** Input that is still needed, and its place in the whole. */
  #input = new Int16Array(0);
  #inputStart = 0;
  #made = 0;

  constructor(rateHz: LegRate, stock: DecoderStock) {
    this.#rateHz = rateHz;
    this.#stock = stock;
  }

  /** Takes the next samples; gives the pages that they fill. */
  *push(pcm: Int16Array, fromHz: number): Generator<Int16Array<ArrayBuffer>> {
    if (fromHz !== (this.#resampler?.fromHz ?? this.#rateHz)) {
      yield* this.#flush();
      this.#resampler = fromHz === this.#rateHz ? undefined : this.#stock.resampler(fromHz, this.#rateHz);
    }
    if (!this.#resampler) {
      yield* this.#put(pcm);
      return;
    }
    const joined = new Int16Array(this.#input.length + pcm.length);
    joined.set(this.#input);
    joined.set(pcm, this.#input.length);
    this.#input = joined;
    yield* this.#convert(this.#inputStart + joined.length - this.#resampler.margin);
  }

  /** Gives what is left. */
  *end(): Generator<Int16Array<ArrayBuffer>> {
    yield* this.#flush();
    if (this.#filled === 0) return;
    this.samples += this.#filled;
    yield this.#page.slice(0, this.#filled);
    this.#filled = 0;
  }

  /** Converts the end of what came in at one rate. */
  *#flush(): Generator<Int16Array<ArrayBuffer>> {
    if (this.#resampler) yield* this.#convert(this.#inputStart + this.#input.length);
    this.#input = new Int16Array(0);
    this.#inputStart = 0;
    this.#made = 0;
  }

  /** Makes the output whose centre lies before that input sample. */
  *#convert(before: number): Generator<Int16Array<ArrayBuffer>> {
    const resampler = this.#resampler!;
    const count = Math.floor(before / resampler.step) - this.#made;
    if (count <= 0) return;
    const out = new Int16Array(count);
    resampler.process(this.#input, this.#inputStart, this.#made, count, out);
    this.#made += count;
    const needed = Math.max(this.#inputStart, Math.floor(this.#made * resampler.step) - resampler.margin);
    this.#input = this.#input.slice(needed - this.#inputStart);
    this.#inputStart = needed;
    yield* this.#put(out);
  }

  *#put(pcm: Int16Array): Generator<Int16Array<ArrayBuffer>> {
    for (let at = 0; at < pcm.length; ) {
      const part = pcm.subarray(at, at + PAGE_SAMPLES - this.#filled);
      this.#page.set(part, this.#filled);
      this.#filled += part.length;
      at += part.length;
      if (this.#filled < PAGE_SAMPLES) continue;
      this.samples += PAGE_SAMPLES;
      yield this.#page;
      this.#page = new Int16Array(PAGE_SAMPLES);
      this.#filled = 0;
    }
  }
}
