import type { LegRate } from '@ringwire/rtp';
import type { ClipCache } from './audio-clip.js';
import type { LegReport, PlayItem, PlayOutcome } from './protocol.js';
import { type AudioSource, openSource } from './sources.js';

/** Rate in which lengths are reported, whatever the leg's. */
const REPORT_RATE_HZ = 8000;

type Opened = { source: AudioSource } | { problem: string } | undefined;

/**
 * Plays a list of items on one leg, at the rate that the leg has at its start, without a gap between them: all are opened at once, the first starts as soon as it is there.
 * Reports each item's start and end and the end of the whole.
 */
export class Player {
  readonly play: number;
  readonly rateHz: LegRate;
  /** Whether it has ended and reported so. */
  ended = false;
  readonly #leg: number;
  readonly #items: PlayItem[];
  readonly #opened: Opened[];
  readonly #report: (report: LegReport) => void;
  readonly #limitSamples: number;
  #index = 0;
  #current: AudioSource | undefined;
  #samples = 0;
  #lastOffsetFrames = 0;
  #lastWasMissing = false;
  #problem: string | undefined;

  constructor(
    leg: number,
    command: { play: number; items: PlayItem[]; timeoutMs: number },
    rateHz: LegRate,
    clips: ClipCache,
    report: (report: LegReport) => void,
  ) {
    this.play = command.play;
    this.rateHz = rateHz;
    this.#leg = leg;
    this.#items = command.items;
    this.#opened = command.items.map(() => undefined);
    this.#report = report;
    this.#limitSamples = command.timeoutMs > 0 ? (command.timeoutMs * rateHz) / 1000 : Number.POSITIVE_INFINITY;
    for (let i = 0; i < command.items.length; i++) void this.#open(i, clips);
  }

  /** Fills `frame` from its start and returns how many samples were written; the rest is untouched. Tick path: no allocation but at an item's edge. */
  read(frame: Int16Array, count: number): number {
    let filled = 0;
    while (filled < count && !this.ended) {
      if (!this.#current && !this.#advance()) break;
      const source = this.#current;
      if (!source) continue;
      const wanted = Math.min(count - filled, this.#limitSamples - this.#samples);
      const got = source.read(frame, filled, wanted);
      filled += got;
      this.#samples += got;
      if (this.#samples >= this.#limitSamples) this.stop('timeout');
      else if (got < wanted) this.#endItem('done');
    }
    return filled;
  }

  /** Ends the whole list now. */
  stop(outcome: PlayOutcome): void {
    if (this.ended) return;
    if (this.#current) this.#endItem(outcome);
    this.#finish(outcome);
  }

  async #open(index: number, clips: ClipCache): Promise<void> {
    try {
      this.#opened[index] = { source: await openSource(this.#items[index]!, clips, this.rateHz) };
    } catch (error) {
      this.#opened[index] = { problem: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Moves to the next opened item; false when it is not open yet or the list has ended. */
  #advance(): boolean {
    if (this.#index >= this.#items.length) {
      this.#finish(this.#lastWasMissing ? 'missing' : 'done');
      return false;
    }
    const opened = this.#opened[this.#index];
    if (!opened) return false;
    if ('problem' in opened) {
      this.#problem = opened.problem;
      this.#lastWasMissing = true;
      this.#index++;
      return true;
    }
    this.#lastWasMissing = false;
    this.#current = opened.source;
    this.#report({ type: 'itemStarted', leg: this.#leg, play: this.play, index: this.#index });
    return true;
  }

  #endItem(outcome: PlayOutcome): void {
    this.#lastOffsetFrames = this.#current?.positionFrames ?? 0;
    this.#current = undefined;
    this.#report({ type: 'itemEnded', leg: this.#leg, play: this.play, index: this.#index, outcome });
    this.#opened[this.#index] = undefined;
    this.#index++;
  }

  #finish(outcome: PlayOutcome): void {
    this.ended = true;
    this.#report({
      type: 'playEnded',
      leg: this.#leg,
      play: this.play,
      outcome,
      samples: Math.round((this.#samples * REPORT_RATE_HZ) / this.rateHz),
      lastOffsetFrames: this.#lastOffsetFrames,
      ...(this.#problem === undefined ? {} : { problem: this.#problem }),
    });
  }
}
