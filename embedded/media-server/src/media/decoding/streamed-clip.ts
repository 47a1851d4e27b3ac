import type { LegRate } from '@ringwire/rtp';
import { UnplayableFileError } from '../../errors.js';
import type { Clip } from './clip.js';

/** Samples in which decoded audio comes, all but the last: 200 ms at 8 kHz, for which a player waits before it begins. */
export const PAGE_SAMPLES = 1600;

/** A compressed file, page by page as its decoder delivers it. */
export class StreamedClip implements Clip {
  sourceRateHz: number;
  length = Number.POSITIVE_INFINITY;
  readonly #pages: Int16Array[] = [];
  #decoded = 0;
  #failure: UnplayableFileError | undefined;
  #waiting: { position: number; settle: () => void }[] = [];

  constructor(readonly rateHz: LegRate) {
    this.sourceRateHz = rateHz;
  }

  get heldBytes(): number {
    return this.#decoded * Int16Array.BYTES_PER_ELEMENT;
  }

  copy(position: number, out: Int16Array, offset: number, count: number): number {
    const end = Math.min(position + count, this.#decoded);
    for (let at = position; at < end; at++) {
      out[offset + at - position] = this.#pages[(at / PAGE_SAMPLES) | 0]![at % PAGE_SAMPLES]!;
    }
    return Math.max(0, end - position);
  }

  async whenReady(position: number): Promise<void> {
    if (this.#decoded <= position && this.length === Number.POSITIVE_INFINITY) {
      await new Promise<void>((settle) => this.#waiting.push({ position, settle }));
    }
    if (this.#decoded === 0 && this.#failure) throw this.#failure;
  }

  /** Takes the next page. */
  add(page: Int16Array): void {
    this.#pages.push(page);
    this.#decoded += page.length;
    this.#settle();
  }

  /** Nothing follows. A file that breaks in the middle is played up to there. */
  end(problem?: string): void {
    if (problem !== undefined) this.#failure = new UnplayableFileError(problem);
    this.length = this.#decoded;
    this.#settle();
  }

  #settle(): void {
    const ready = this.#waiting.filter(({ position }) => position < this.#decoded || this.length === this.#decoded);
    this.#waiting = this.#waiting.filter((waiting) => !ready.includes(waiting));
    for (const { settle } of ready) settle();
  }
}
