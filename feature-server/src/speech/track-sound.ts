import { setImmediate } from 'node:timers/promises';

/** Rate of what {@link trackSound} makes. */
const RATE_HZ = 8_000;
/** Zero crossings of the filter on each side: enough that 5 kHz are 40 dB softer. */
const CROSSINGS = 12;
/** Of the new rate: the filter's edge is a little below its half. */
const CUT_OFF = 0.46;
const FORMAT_PCM = 1;
const FORMAT_EXTENSIBLE = 0xfffe;
const BYTES_PER_SAMPLE = 2;
/** So many new samples are made in one turn: a few milliseconds. */
const SLICE = 20_000;
/** 22.05 kHz needs 160, 11.025 kHz 320. */
const MAX_PLACES = 400;

/**
 * Sound as mod_dub takes it in a file of its own format, `.r8`: samples of 16 bits at 8 kHz, mono, without a header. It plays MP3 and this, and a
 * FreeSWITCH ends when it is given a file of another name.
 * @param wav - a WAV file of 16-bit samples
 * @returns rejects with TypeError when it is none
 */
export async function trackSound(wav: Buffer): Promise<Buffer> {
  const { samples, channels, rateHz } = readSamples(wav);
  const mono = channels === 1 ? samples : mixed(samples, channels);
  return bytesOf(rateHz === RATE_HZ ? mono : await resampled(mono, rateHz));
}

function readSamples(wav: Buffer): { samples: Int16Array; channels: number; rateHz: number } {
  if (wav.toString('latin1', 0, 4) !== 'RIFF' || wav.toString('latin1', 8, 12) !== 'WAVE')
    throw new TypeError('this is no WAV file');
  let format: { channels: number; rateHz: number } | undefined;
  for (let at = 12; at + 8 <= wav.length; ) {
    const name = wav.toString('latin1', at, at + 4);
    // Programs that write into a pipe do not know the length: it ends with the file.
    const bytes = Math.min(wav.readUInt32LE(at + 4), wav.length - at - 8);
    const start = at + 8;
    if (name === 'fmt ' && bytes >= 16) {
      const kind = wav.readUInt16LE(start);
      if ((kind !== FORMAT_PCM && kind !== FORMAT_EXTENSIBLE) || wav.readUInt16LE(start + 14) !== 16)
        throw new TypeError('this WAV file has no samples of 16 bits');
      format = { channels: wav.readUInt16LE(start + 2), rateHz: wav.readUInt32LE(start + 4) };
    } else if (name === 'data' && format && format.channels > 0 && format.rateHz > 0) {
      // Copied: an Int16Array must begin at an even address.
      const samples = new Int16Array(bytes >> 1);
      Buffer.from(samples.buffer).set(wav.subarray(start, start + samples.length * BYTES_PER_SAMPLE));
      return { samples, ...format };
    }
    at = start + bytes + (bytes & 1);
  }
  throw new TypeError('this WAV file has no sound');
}

function mixed(samples: Int16Array, channels: number): Int16Array {
  const mono = new Int16Array(Math.floor(samples.length / channels));
  for (let i = 0; i < mono.length; i++) {
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) sum += samples[i * channels + channel] ?? 0;
    mono[i] = Math.round(sum / channels);
  }
  return mono;
}

/** By a sinc with a Hann window around each new sample; other work has its turn in between. */
async function resampled(samples: Int16Array, rateHz: number): Promise<Int16Array> {
  const filter = new Filter(rateHz);
  const made = new Int16Array(Math.floor((samples.length * RATE_HZ) / rateHz));
  for (let from = 0; from < made.length; from += SLICE) {
    if (from > 0) await setImmediate();
    const end = Math.min(made.length, from + SLICE);
    for (let i = from; i < end; i++) made[i] = filter.at(samples, i);
  }
  return made;
}

/** What a new sample is made of: always the same few sets of weights, as few places between two old samples are ever asked for. */
class Filter {
  /** Old samples are `#old` for `#new` new ones. */
  readonly #old: number;
  readonly #new: number;
  /** Of the old rate; going up nothing is to be taken away. */
  readonly #cutOff: number;
  readonly #reach: number;
  readonly #weights = new Map<number, Float64Array>();

  constructor(rateHz: number) {
    const common = greatestDivisor(rateHz, RATE_HZ);
    this.#old = rateHz / common;
    this.#new = RATE_HZ / common;
    this.#cutOff = CUT_OFF / Math.max(1, rateHz / RATE_HZ);
    this.#reach = CROSSINGS / (2 * this.#cutOff);
  }

  /** The new sample `i`. */
  at(samples: Int16Array, i: number): number {
    const place = (i * this.#old) % this.#new;
    const weights = this.#weightsAt(place);
    const first = (i * this.#old - place) / this.#new - Math.floor(this.#reach);
    const end = Math.min(weights.length, samples.length - first);
    let sum = 0;
    for (let k = Math.max(0, -first); k < end; k++) sum += (samples[first + k] ?? 0) * (weights[k] ?? 0);
    return Math.max(-32768, Math.min(32767, Math.round(sum)));
  }

  #weightsAt(place: number): Float64Array {
    const known = this.#weights.get(place);
    if (known) return known;
    const before = Math.floor(this.#reach);
    const weights = new Float64Array(2 * before + 2).map((_, k) => this.#weight(k - before - place / this.#new));
    // Rates that nobody uses have thousands of places.
    if (this.#weights.size < MAX_PLACES) this.#weights.set(place, weights);
    return weights;
  }

  #weight(distance: number): number {
    if (Math.abs(distance) > this.#reach) return 0;
    const phase = 2 * Math.PI * this.#cutOff * distance;
    const sinc = distance === 0 ? 2 * this.#cutOff : Math.sin(phase) / (Math.PI * distance);
    return sinc * (0.5 + 0.5 * Math.cos((Math.PI * distance) / this.#reach));
  }
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

function bytesOf(samples: Int16Array): Buffer {
  return Buffer.from(samples.buffer, samples.byteOffset, samples.byteLength);
}
