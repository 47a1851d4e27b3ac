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

/** A part of a list: open, not yet there, or one that cannot be played. */
interface ListPart {
  source?: AudioSource;
  isMissing?: boolean;
}

/** Several things as one, without a gap; silence while the next one is still being fetched. */
class ListSource implements AudioSource {
  #index = 0;
  #current: AudioSource | undefined;
  #speed = 1;

  constructor(readonly parts: readonly ListPart[]) {}

  get positionFrames(): number {
    return this.#current?.positionFrames ?? 0;
  }

  seek(ms: number, relative: boolean): void {
    this.#current?.seek?.(ms, relative);
  }

  setSpeed(factor: number): void {
    this.#speed = factor;
    this.#current?.setSpeed?.(factor);
  }

  read(out: Int16Array, offset: number, count: number): number {
    let filled = 0;
    while (filled < count && this.#index < this.parts.length) {
      const { source, isMissing } = this.parts[this.#index]!;
      if (source) {
        if (source !== this.#current) this.#begin(source);
        filled += source.read(out, offset + filled, count - filled);
      } else if (!isMissing) {
        out.fill(0, offset + filled, offset + count);
        return count;
      }
      if (filled < count) this.#index++;
    }
    return filled;
  }

  #begin(source: AudioSource): void {
    this.#current = source;
    if (this.#speed !== 1) source.setSpeed?.(this.#speed);
  }
}

/** Told why something could not be played. */
export type ProblemListener = (name: string, problem: string) => void;

/** Resolves with what became of a `pending` item, never with another of these. */
export type Supplied = (number: number) => Promise<PlayItem>;

/** Whether some of an item is still being fetched. */
export function isLate(item: PlayItem): boolean {
  return item.kind === 'pending' || (item.kind === 'list' && item.items.some(isLate));
}

/**
 * Opens an item at a rate. Rejects with a typed or system error when it cannot be played; a list whose parts can be played in part only tells of the
 * others, and is open when its first part that can be played is. Where nothing is `pending`, `supplied` is not needed.
 */
export async function openSource(
  item: PlayItem,
  clips: ClipCache,
  rateHz: LegRate,
  onProblem: ProblemListener,
  supplied: Supplied = () => Promise.reject(new UnplayableFileError('it was not fetched')),
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
      return openList(item, (part) => openSource(part, clips, rateHz, onProblem, supplied), onProblem);
    case 'pending':
      return openSource(await supplied(item.number), clips, rateHz, onProblem);
    case 'missing':
      throw new UnplayableFileError(item.problem, { name: item.name });
  }
}

async function openList(
  { items, name }: Extract<PlayItem, { kind: 'list' }>,
  open: (item: PlayItem) => Promise<AudioSource>,
  onProblem: ProblemListener,
): Promise<AudioSource> {
  const parts: ListPart[] = items.map(() => ({}));
  const opened = parts.map(async (part, index) => {
    try {
      part.source = await open(items[index]!);
    } catch (error) {
      part.isMissing = true;
      onProblem(items[index]!.name, problemText(error));
    }
  });
  // What is here already is there before the first sample, so that no gap comes between; what is fetched may take until its turn.
  await Promise.all(opened.filter((_, index) => !isLate(items[index]!)));
  for (let index = 0; index < parts.length; index++) {
    await opened[index];
    if (parts[index]!.source) return new ListSource(parts);
  }
  throw new UnplayableFileError('nothing of the list can be played', { name });
}

/** What an error says. */
export function problemText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
