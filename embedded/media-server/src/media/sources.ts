import { frameSamples, type LegRate, parseTgml, ToneGenerator } from '@ringwire/rtp';
import { UnplayableFileError } from '../errors.js';
import type { ClipCache } from './audio-clip.js';
import type { Clip } from './decoding/clip.js';
import { NoiseGenerator } from './noise.js';
import type { PlayItem } from './protocol.js';

/** Something that gives samples at the rate that it was opened with until it ends. */
export interface AudioSource {
  /** Writes up to `count` samples into `out` from `offset` on and returns how many; fewer means that it has ended. No allocation. */
  read(out: Int16Array, offset: number, count: number): number;
  /** Where it stands, in frames of the source's own rate. */
  readonly positionFrames: number;
  /** Goes to a place, in milliseconds from its start or from where it stands; what cannot ignores it. */
  seek?(ms: number, relative: boolean): void;
  /** Plays that many times as fast (and as high). */
  setSpeed?(factor: number): void;
}

class ClipSource implements AudioSource {
  #position: number;
  #speed = 1;
  readonly #pair = new Int16Array(2);

  constructor(
    readonly clip: Clip,
    startFrames: number,
  ) {
    this.#position = Math.min(clip.length, Math.floor((startFrames * clip.rateHz) / clip.sourceRateHz));
  }

  get positionFrames(): number {
    return Math.floor((this.#position * this.clip.sourceRateHz) / this.clip.rateHz);
  }

  seek(ms: number, relative: boolean): void {
    const target = (relative ? this.#position : 0) + (ms * this.clip.rateHz) / 1000;
    this.#position = Math.max(0, Math.min(this.clip.length, Math.floor(target)));
  }

  setSpeed(factor: number): void {
    this.#speed = factor;
    if (factor === 1) this.#position = Math.floor(this.#position);
  }

  read(out: Int16Array, offset: number, count: number): number {
    const taken = this.#speed === 1 ? this.#copy(out, offset, count) : this.#stretch(out, offset, count);
    if (taken === count || this.#position >= this.clip.length) return taken;
    // The decoder is behind: a moment's silence, and on from there.
    out.fill(0, offset + taken, offset + count);
    return count;
  }

  #copy(out: Int16Array, offset: number, count: number): number {
    const taken = this.clip.copy(this.#position, out, offset, count);
    this.#position += taken;
    return taken;
  }

  #stretch(out: Int16Array, offset: number, count: number): number {
    for (let i = 0; i < count; i++) {
      const whole = Math.floor(this.#position);
      const got = this.clip.copy(whole, this.#pair, 0, 2);
      if (got === 0) return i;
      const [a, b] = [this.#pair[0]!, this.#pair[got - 1]!];
      out[offset + i] = Math.round(a + (b - a) * (this.#position - whole));
      this.#position = Math.min(this.clip.length, this.#position + this.#speed);
    }
    return count;
  }
}

class SilenceSource implements AudioSource {
  positionFrames = 0;
  readonly #total: number;
  readonly #noise: NoiseGenerator | undefined;

  constructor(durationMs: number, noiseDivisor: number, rateHz: LegRate) {
    this.#total = durationMs < 0 ? Number.POSITIVE_INFINITY : (durationMs * rateHz) / 1000;
    this.#noise = noiseDivisor > 0 ? new NoiseGenerator(noiseDivisor) : undefined;
  }

  read(out: Int16Array, offset: number, count: number): number {
    const taken = Math.min(count, this.#total - this.positionFrames);
    if (this.#noise) this.#noise.fill(out, offset, taken);
    else out.fill(0, offset, offset + taken);
    this.positionFrames += taken;
    return taken;
  }
}

class ToneSource implements AudioSource {
  positionFrames = 0;
  readonly #generator: ToneGenerator;
  readonly #frame: Int16Array;

  constructor(script: string, loops: number, rateHz: LegRate) {
    this.#generator = new ToneGenerator({ scripts: parseTgml(script), loops }, rateHz);
    this.#frame = new Int16Array(frameSamples(rateHz));
  }

  read(out: Int16Array, offset: number, count: number): number {
    const taken = this.#generator.read(this.#frame, Math.min(count, this.#frame.length));
    for (let i = 0; i < taken; i++) out[offset + i] = this.#frame[i]!;
    this.positionFrames += taken;
    return taken;
  }
}

/** Several things as one, without a gap. */
class ListSource implements AudioSource {
  #index = 0;

  constructor(readonly sources: readonly AudioSource[]) {}

  get positionFrames(): number {
    return this.#current.positionFrames;
  }

  get #current(): AudioSource {
    return this.sources[Math.min(this.#index, this.sources.length - 1)]!;
  }

  seek(ms: number, relative: boolean): void {
    this.#current.seek?.(ms, relative);
  }

  setSpeed(factor: number): void {
    for (const source of this.sources) source.setSpeed?.(factor);
  }

  read(out: Int16Array, offset: number, count: number): number {
    let filled = 0;
    while (filled < count && this.#index < this.sources.length) {
      filled += this.#current.read(out, offset + filled, count - filled);
      if (filled < count) this.#index++;
    }
    return filled;
  }
}

/** Told why something could not be played. */
export type ProblemListener = (name: string, problem: string) => void;

/**
 * Opens an item at a rate. Rejects with a typed or system error when it cannot be played; a list whose parts can be played in part only tells of the
 * others.
 */
export async function openSource(
  item: PlayItem,
  clips: ClipCache,
  rateHz: LegRate,
  onProblem: ProblemListener,
): Promise<AudioSource> {
  switch (item.kind) {
    case 'file': {
      const clip = await clips.load(item.path, rateHz);
      if (item.startFrames > 0) await clip.whenReady((item.startFrames * rateHz) / clip.sourceRateHz);
      return new ClipSource(clip, item.startFrames);
    }
    case 'silence':
      return new SilenceSource(item.durationMs, item.noiseDivisor, rateHz);
    case 'tone':
      return new ToneSource(item.script, item.loops, rateHz);
    case 'list':
      return openList(item, clips, rateHz, onProblem);
    case 'missing':
      throw new UnplayableFileError(item.problem, { name: item.name });
  }
}

async function openList(
  { items, name }: Extract<PlayItem, { kind: 'list' }>,
  clips: ClipCache,
  rateHz: LegRate,
  onProblem: ProblemListener,
): Promise<AudioSource> {
  const opened = await Promise.allSettled(items.map((item) => openSource(item, clips, rateHz, onProblem)));
  const sources: AudioSource[] = [];
  opened.forEach((result, index) => {
    if (result.status === 'fulfilled') sources.push(result.value);
    else onProblem(items[index]!.name, problemText(result.reason));
  });
  if (sources.length === 0) throw new UnplayableFileError('nothing of the list can be played', { name });
  return new ListSource(sources);
}

/** What an error says. */
export function problemText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
