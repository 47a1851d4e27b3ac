import { parseToneStream, SAMPLE_RATE_HZ, ToneGenerator } from '@ringwire/rtp';
import { UnplayableFileError } from '../errors.js';
import type { AudioClip, ClipCache } from './audio-clip.js';
import type { PlayItem } from './protocol.js';

/** Something that gives 8 kHz samples until it ends. */
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
    this.#position = Math.min(clip.length, Math.floor((seekFrames * SAMPLE_RATE_HZ) / clip.sourceRateHz));
    clip.seek(this.#position);
  }

  get positionFrames(): number {
    return Math.floor((this.#position * this.clip.sourceRateHz) / SAMPLE_RATE_HZ);
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

  constructor(durationMs: number) {
    this.#total = durationMs < 0 ? Number.POSITIVE_INFINITY : (durationMs * SAMPLE_RATE_HZ) / 1000;
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
  readonly #frame = new Int16Array(SAMPLE_RATE_HZ / 50);

  constructor(description: string) {
    this.#generator = new ToneGenerator(parseToneStream(description));
  }

  read(out: Int16Array, offset: number, count: number): number {
    const taken = this.#generator.read(this.#frame, Math.min(count, this.#frame.length));
    for (let i = 0; i < taken; i++) out[offset + i] = this.#frame[i]!;
    this.positionFrames += taken;
    return taken;
  }
}

/** Opens an item. Rejects with a typed or system error when it cannot be played. */
export async function openSource(item: PlayItem, clips: ClipCache): Promise<AudioSource> {
  switch (item.kind) {
    case 'wav':
      return new ClipSource(await clips.load(item.path), item.seekFrames);
    case 'silence':
      return new SilenceSource(item.durationMs);
    case 'tone':
      return new ToneSource(item.description);
    case 'missing':
      throw new UnplayableFileError('not found', { name: item.name });
  }
}
