import { frameSamples, type LegRate, parseToneStream, ToneGenerator } from '@ringwire/rtp';
import { UnplayableFileError } from '../errors.js';
import type { AudioClip, ClipCache } from './audio-clip.js';
import type { PlayItem } from './protocol.js';

/** Something that gives samples at the rate that it was opened with until it ends. */
export interface AudioSource {
  /** Writes up to `count` samples into `out` from `offset` on and returns how many; fewer means that it has ended. No allocation. */
  read(out: Int16Array, offset: number, count: number): number;
  /** Where it stands, in frames of the source's own rate. */
  readonly positionFrames: number;
}

class ClipSource implements AudioSource {
  #position: number;

  constructor(
    readonly clip: AudioClip,
    seekFrames: number,
  ) {
    this.#position = Math.min(clip.length, Math.floor((seekFrames * clip.rateHz) / clip.sourceRateHz));
    clip.seek(this.#position);
  }

  get positionFrames(): number {
    return Math.floor((this.#position * this.clip.sourceRateHz) / this.clip.rateHz);
  }

  read(out: Int16Array, offset: number, count: number): number {
    const taken = Math.min(count, this.clip.length - this.#position);
    this.clip.ensure(this.#position + taken);
    const pcm = this.clip.pcm;
    for (let i = 0; i < taken; i++) out[offset + i] = pcm[this.#position + i]!;
    this.#position += taken;
    return taken;
  }
}

class SilenceSource implements AudioSource {
  positionFrames = 0;
  readonly #total: number;

  constructor(durationMs: number, rateHz: LegRate) {
    this.#total = durationMs < 0 ? Number.POSITIVE_INFINITY : (durationMs * rateHz) / 1000;
  }

  read(out: Int16Array, offset: number, count: number): number {
    const taken = Math.min(count, this.#total - this.positionFrames);
    out.fill(0, offset, offset + taken);
    this.positionFrames += taken;
    return taken;
  }
}

class ToneSource implements AudioSource {
  positionFrames = 0;
  readonly #generator: ToneGenerator;
  readonly #frame: Int16Array;

  constructor(description: string, rateHz: LegRate) {
    this.#generator = new ToneGenerator(parseToneStream(description), rateHz);
    this.#frame = new Int16Array(frameSamples(rateHz));
  }

  read(out: Int16Array, offset: number, count: number): number {
    const taken = this.#generator.read(this.#frame, Math.min(count, this.#frame.length));
    for (let i = 0; i < taken; i++) out[offset + i] = this.#frame[i]!;
    this.positionFrames += taken;
    return taken;
  }
}

/** Opens an item at a rate. Rejects with a typed or system error when it cannot be played. */
export async function openSource(item: PlayItem, clips: ClipCache, rateHz: LegRate): Promise<AudioSource> {
  switch (item.kind) {
    case 'wav':
      return new ClipSource(await clips.load(item.path, rateHz), item.seekFrames);
    case 'silence':
      return new SilenceSource(item.durationMs, rateHz);
    case 'tone':
      return new ToneSource(item.description, rateHz);
    case 'missing':
      throw new UnplayableFileError('not found', { name: item.name });
  }
}
