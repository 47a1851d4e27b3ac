import { type LegRate, Resampler } from '@ringwire/rtp';
import { MPEGDecoder } from 'mpg123-decoder';

/** MP3 decoders that wait: of as many new files as begin at once each has one at once. */
const SPARES = 2;
/** Tables of so many pairs of rates are kept. */
const MAX_RESAMPLERS = 8;

/**
 * What a decoder thread keeps ready for the next file. Making an MP3 decoder takes twice as long as decoding the first moments of a file with it, and the
 * table of a resampler a good part of that.
 */
export class DecoderStock {
  readonly #spares: Promise<MPEGDecoder>[] = [];
  readonly #resamplers = new Map<string, Resampler>();

  /** MP3 decoders that are there or on their way. */
  get spares(): number {
    return this.#spares.length;
  }

  /** An MP3 decoder, at once where one waits. {@link refill} makes up for it. */
  async takeMp3(): Promise<MPEGDecoder> {
    return this.#spares.shift() ?? makeMp3();
  }

  /** Makes decoders for the next files; resolves when they are there or cannot be. Takes a while: to be called when nobody waits for sound. */
  async refill(): Promise<void> {
    while (this.#spares.length < SPARES) this.#spares.push(makeMp3());
    // What is wrong with one is told to who takes it.
    await Promise.allSettled(this.#spares);
  }

  /** What converts between two rates; has no state of its own. */
  resampler(fromHz: number, toHz: LegRate): Resampler {
    const key = `${fromHz} ${toHz}`;
    let resampler = this.#resamplers.get(key);
    if (!resampler) {
      resampler = new Resampler(fromHz, toHz);
      if (this.#resamplers.size >= MAX_RESAMPLERS) this.#resamplers.delete(this.#resamplers.keys().next().value!);
      this.#resamplers.set(key, resampler);
    }
    return resampler;
  }
}

async function makeMp3(): Promise<MPEGDecoder> {
  const library = new MPEGDecoder();
  await library.ready;
  return library;
}
