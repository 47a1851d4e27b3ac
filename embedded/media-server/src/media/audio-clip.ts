import { readFile, stat } from 'node:fs/promises';
import { decodeWavFrames, type LegRate, parseWav, Resampler, type WavInfo } from '@ringwire/rtp';
import { UnplayableFileError } from '../errors.js';

/** Largest file that is played: about 12 minutes of CD-quality stereo. Files are held in memory while they play. */
const MAX_FILE_BYTES = 128 * 1024 * 1024;
/** Memory for clips that may be wanted again. */
const CACHE_BYTES = 64 * 1024 * 1024;
/** Samples decoded at a time: 50 to 100 ms, so that a tick never waits for a whole file. */
const BLOCK_SAMPLES = 800;

/**
 * A WAV file at the rate of a leg, mono, decoded as far as it has been played and shared by all legs that play it, so that the same prompt in
 * a hundred calls is decoded once.
 */
export class AudioClip {
  /** Samples at {@link rateHz}. */
  readonly length: number;
  /** Rate of {@link pcm}. */
  readonly rateHz: LegRate;
  readonly sourceRateHz: number;
  readonly pcm: Int16Array;
  readonly #file: Buffer;
  readonly #info: WavInfo;
  readonly #resampler: Resampler | undefined;
  readonly #scratch: Int16Array;
  #decoded = 0;

  /** @throws WavFormatError when the file is not playable. */
  constructor(file: Buffer, rateHz: LegRate) {
    this.#file = file;
    this.rateHz = rateHz;
    this.#info = parseWav(file);
    this.sourceRateHz = this.#info.sampleRateHz;
    const same = this.sourceRateHz === rateHz;
    this.#resampler = same ? undefined : new Resampler(this.sourceRateHz, rateHz);
    this.length = this.#resampler ? this.#resampler.outputLength(this.#info.frames) : this.#info.frames;
    this.pcm = new Int16Array(this.length);
    const margin = this.#resampler ? this.#resampler.margin : 0;
    this.#scratch = new Int16Array(Math.ceil(BLOCK_SAMPLES * (this.sourceRateHz / rateHz)) + 2 * margin + 4);
  }

  /** Memory held. */
  get bytes(): number {
    return this.#file.length + this.pcm.byteLength;
  }

  /** Makes samples up to `end` (exclusive) valid in {@link pcm}. Called on the tick path: no allocation. */
  ensure(end: number): void {
    const wanted = Math.min(end, this.length);
    while (this.#decoded < wanted) this.#decodeBlock(Math.min(BLOCK_SAMPLES, this.length - this.#decoded));
  }

  /** Continues decoding from `position` on, when playing starts in the middle. */
  seek(position: number): void {
    // Everything before is decoded too: rare, and simpler than holes in a shared buffer.
    this.ensure(position);
  }

  #decodeBlock(count: number): void {
    const start = this.#decoded;
    this.#decoded += count;
    const resampler = this.#resampler;
    if (!resampler) {
      decodeWavFrames(this.#file, this.#info, start, count, this.pcm, start);
      return;
    }
    const first = Math.max(0, Math.floor(start * resampler.step) - resampler.margin);
    const last = Math.min(this.#info.frames, Math.ceil((start + count) * resampler.step) + resampler.margin + 1);
    const frames = Math.max(0, Math.min(last - first, this.#scratch.length));
    decodeWavFrames(this.#file, this.#info, first, frames, this.#scratch);
    this.#scratch.fill(0, frames);
    resampler.process(this.#scratch, first, start, count, this.pcm, start);
  }
}

interface CacheEntry {
  clip: AudioClip;
  modifiedMs: number;
  size: number;
}

/** Clips by path and rate, the least recently used given up first; a file that changed on disk is read again. */
export class ClipCache {
  readonly #entries = new Map<string, CacheEntry>();
  #bytes = 0;

  /** Rejects with the system's error, WavFormatError or UnplayableFileError. */
  async load(path: string, rateHz: LegRate): Promise<AudioClip> {
    const key = `${rateHz} ${path}`;
    const { mtimeMs, size, isFile } = await stat(path).then((facts) => ({
      mtimeMs: facts.mtimeMs,
      size: facts.size,
      isFile: facts.isFile(),
    }));
    if (!isFile) throw new UnplayableFileError('not a file', { path });
    if (size > MAX_FILE_BYTES) throw new UnplayableFileError('the file is too large', { path, size });
    const known = this.#entries.get(key);
    if (known && known.modifiedMs === mtimeMs && known.size === size) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known.clip;
    }
    const clip = new AudioClip(await readFile(path), rateHz);
    this.#drop(key);
    this.#entries.set(key, { clip, modifiedMs: mtimeMs, size });
    this.#bytes += clip.bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= CACHE_BYTES || oldest === key) break;
      this.#drop(oldest);
    }
    return clip;
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#bytes -= entry.clip.bytes;
    this.#entries.delete(key);
  }
}
