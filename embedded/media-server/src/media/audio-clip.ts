import type { FileHandle } from 'node:fs/promises';
import { decodeWavFrames, type LegRate, Resampler, type WavInfo } from '@ringwire/rtp';
import { UnplayableFileError } from '../errors.js';
import { openRegularFile } from '../files/regular-file.js';
import { detectCompressed, HEAD_BYTES, parsePcm } from './decoding/audio-format.js';
import type { Clip } from './decoding/clip.js';
import { Decoder } from './decoding/decoder.js';

/** Largest file that is played: about 12 minutes of CD-quality stereo. Files are held in memory while they play. */
const MAX_FILE_BYTES = 128 * 1024 * 1024;
/** Memory for clips that may be wanted again. */
const CACHE_BYTES = 64 * 1024 * 1024;
/** Of each clip beside its samples. */
const ENTRY_BYTES = 1024;
/** Samples decoded at a time: 50 to 100 ms, so that a tick never waits for a whole file. */
const BLOCK_SAMPLES = 800;
const NO_SAMPLES = new Int16Array(0);

/** An uncompressed file at the rate of a leg, mono, decoded block by block where it is played. */
export class AudioClip implements Clip {
  readonly length: number;
  readonly rateHz: LegRate;
  readonly sourceRateHz: number;
  readonly #pcm: Int16Array;
  readonly #info: WavInfo;
  #resampler: Resampler | undefined;
  #scratch: Int16Array;
  /** 1 for each block that is decoded. */
  readonly #done: Uint8Array;
  #blocksLeft: number;
  /** Given up when all of it is decoded, as is what decodes. */
  #file: Buffer | undefined;

  /** @throws WavFormatError when the file is not playable. */
  constructor(file: Buffer, path: string, rateHz: LegRate) {
    this.#file = file;
    this.rateHz = rateHz;
    this.#info = parsePcm(file, path, rateHz);
    this.sourceRateHz = this.#info.sampleRateHz;
    const same = this.sourceRateHz === rateHz;
    this.#resampler = same ? undefined : new Resampler(this.sourceRateHz, rateHz);
    this.length = this.#resampler ? this.#resampler.outputLength(this.#info.frames) : this.#info.frames;
    this.#pcm = new Int16Array(this.length);
    this.#blocksLeft = Math.ceil(this.length / BLOCK_SAMPLES);
    this.#done = new Uint8Array(this.#blocksLeft);
    this.#scratch = this.#resampler
      ? new Int16Array(Math.ceil(BLOCK_SAMPLES * this.#resampler.step) + 2 * this.#resampler.margin + 4)
      : NO_SAMPLES;
  }

  get heldBytes(): number {
    const decoding = (this.#file?.length ?? 0) + this.#scratch.byteLength + (this.#resampler?.heldBytes ?? 0);
    return this.#pcm.byteLength + this.#done.byteLength + decoding;
  }

  copy(position: number, out: Int16Array, offset: number, count: number): number {
    const end = Math.min(position + count, this.length);
    if (end <= position) return 0;
    if (this.#blocksLeft > 0) {
      const last = Math.floor((end - 1) / BLOCK_SAMPLES);
      for (let block = Math.floor(position / BLOCK_SAMPLES); block <= last; block++) {
        if (this.#done[block] === 0) this.#decodeBlock(block);
      }
    }
    const pcm = this.#pcm;
    for (let at = position; at < end; at++) out[offset + at - position] = pcm[at]!;
    return end - position;
  }

  async whenReady(): Promise<void> {
    // All of it can be decoded at any time.
  }

  #decodeBlock(block: number): void {
    const file = this.#file;
    if (!file) return;
    this.#done[block] = 1;
    const start = block * BLOCK_SAMPLES;
    this.#decode(file, start, Math.min(BLOCK_SAMPLES, this.length - start));
    if (--this.#blocksLeft > 0) return;
    this.#file = undefined;
    this.#resampler = undefined;
    this.#scratch = NO_SAMPLES;
  }

  #decode(file: Buffer, start: number, count: number): void {
    const resampler = this.#resampler;
    if (!resampler) {
      decodeWavFrames(file, this.#info, start, count, this.#pcm, start);
      return;
    }
    const first = Math.max(0, Math.floor(start * resampler.step) - resampler.margin);
    const last = Math.min(this.#info.frames, Math.ceil((start + count) * resampler.step) + resampler.margin + 1);
    const frames = Math.max(0, Math.min(last - first, this.#scratch.length));
    decodeWavFrames(file, this.#info, first, frames, this.#scratch);
    this.#scratch.fill(0, frames);
    resampler.process(this.#scratch, first, start, count, this.#pcm, start);
  }
}

interface CacheEntry {
  clip: Promise<Clip>;
  modifiedMs: number;
  /** Of the file. */
  sizeBytes: number;
  /** Held in memory, about. */
  bytes: number;
}

/**
 * Clips by path and rate, so that the same prompt in a hundred calls is read and decoded once. The least recently used are given up first; a file that
 * changed on disk is read again.
 */
export class ClipCache {
  readonly #entries = new Map<string, CacheEntry>();
  readonly #decoder = new Decoder();
  #bytes = 0;

  /** Memory of all clips that are kept, about. */
  get heldBytes(): number {
    return this.#bytes;
  }

  /** Gets ready for compressed files, before there is one. */
  warmUp(): void {
    this.#decoder.warmUp();
  }

  /** Rejects with the system's error, WavFormatError or UnplayableFileError. */
  async load(path: string, rateHz: LegRate): Promise<Clip> {
    const key = `${rateHz} ${path}`;
    const { file, facts } = await openRegularFile(path);
    const known = this.#entries.get(key);
    const isKnown = known?.modifiedMs === facts.mtimeMs && known.sizeBytes === facts.size;
    if (isKnown || facts.size > MAX_FILE_BYTES) await file.close();
    if (isKnown) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known.clip;
    }
    if (facts.size > MAX_FILE_BYTES) throw new UnplayableFileError('the file is too large', { path, size: facts.size });
    const clip = this.#read(file, facts.size, path, rateHz);
    this.#keep(key, { clip, modifiedMs: facts.mtimeMs, sizeBytes: facts.size, bytes: facts.size + ENTRY_BYTES });
    return clip;
  }

  /** Reads an uncompressed file, or gives a compressed one to the decoder; either closes it. */
  async #read(file: FileHandle, sizeBytes: number, path: string, rateHz: LegRate): Promise<Clip> {
    let isGivenAway = false;
    try {
      const head = Buffer.alloc(Math.min(sizeBytes, HEAD_BYTES));
      const { bytesRead } = await file.read(head, 0, head.length, 0);
      const format = detectCompressed(head.subarray(0, bytesRead), path);
      if (!format) return new AudioClip(bytesRead === sizeBytes ? head : await file.readFile(), path, rateHz);
      const clip = this.#decoder.decode(file, head.subarray(0, bytesRead), format, rateHz);
      isGivenAway = true;
      await clip.whenReady(0);
      return clip;
    } finally {
      if (!isGivenAway) await file.close();
    }
  }

  #keep(key: string, entry: CacheEntry): void {
    this.#drop(key);
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
    this.#makeRoom(key);
    void this.#weigh(key, entry);
  }

  /** Counts what a clip takes when that is known: once its header is read, and again when all of a compressed file is decoded. */
  async #weigh(key: string, entry: CacheEntry): Promise<void> {
    try {
      const clip = await entry.clip;
      this.#recount(key, entry, clip);
      if (clip.length !== Number.POSITIVE_INFINITY) return;
      await clip.whenReady(Number.POSITIVE_INFINITY);
      this.#recount(key, entry, clip);
    } catch {
      // What could not be read is tried again the next time.
      if (this.#entries.get(key) === entry) this.#drop(key);
    }
  }

  #recount(key: string, entry: CacheEntry, clip: Clip): void {
    if (this.#entries.get(key) !== entry) return;
    this.#bytes -= entry.bytes;
    entry.bytes = clip.heldBytes + ENTRY_BYTES;
    this.#bytes += entry.bytes;
    this.#makeRoom(key);
  }

  /** Gives up the least recently used clips but that one. */
  #makeRoom(kept: string): void {
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= CACHE_BYTES) return;
      if (oldest !== kept) this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#bytes -= entry.bytes;
    this.#entries.delete(key);
  }
}
