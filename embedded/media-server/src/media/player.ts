import type { LegRate } from '@ringwire/rtp';
import type { ClipCache } from './audio-clip.js';
import type { LegReport, PlayControl, PlayItem, PlayOutcome } from './protocol.js';
import { type AudioSource, isLate, openSource, problemText } from './sources.js';

/** Rate in which lengths are reported, whatever the leg's. */
const REPORT_RATE_HZ = 8000;
/** Gains of FreeSWITCH's volume steps, −4 to 4. */
const VOLUME_GAINS = [0.2, 0.4, 0.6, 0.8, 1, 1.3, 2.3, 3.3, 4.3];
const MAX_VOLUME = 4;
/** Steps of speed: each takes a quarter of the samples away, or adds one. */
const MAX_SPEED = 2;

type Opened = { source: AudioSource } | { problem: string } | undefined;

/**
 * Plays a list of items on one leg, at the rate that the leg has at its start, without a gap between them: all are opened at once, the first starts as soon as it is there.
 * What is still being fetched is opened when it is supplied; its turn is waited for.
 * Reports each item's start and end and the end of the whole. Pause, volume and speed hold for the item that plays.
 */
export class Player {
  readonly play: number;
  readonly rateHz: LegRate;
  /** Whether it has ended and reported so. */
  ended = false;
  readonly #leg: number;
  readonly #items: PlayItem[];
  readonly #opened: Opened[];
  /** Who waits for what is still being fetched, by its number. */
  readonly #late = new Map<number, (item: PlayItem) => void>();
  readonly #report: (report: LegReport) => void;
  readonly #limitSamples: number;
  #index = 0;
  #current: AudioSource | undefined;
  #paused = false;
  #volume = 0;
  #speed = 0;
  #samples = 0;
  #lastOffsetFrames = 0;
  /** How the last item ended. */
  #last: PlayOutcome = 'done';
  #breakNext = false;
  #problem: string | undefined;
  readonly #onOpened: () => void;
  #isNew = true;

  /** `onOpened` is called when the first item is there or cannot be. */
  constructor(
    leg: number,
    command: { play: number; items: PlayItem[]; timeoutMs: number },
    rateHz: LegRate,
    clips: ClipCache,
    report: (report: LegReport) => void,
    onOpened: () => void = () => undefined,
  ) {
    this.#onOpened = onOpened;
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
      if (this.#paused) {
        frame.fill(0, filled, count);
        return count;
      }
      const wanted = Math.min(count - filled, this.#limitSamples - this.#samples);
      const got = source.read(frame, filled, wanted);
      if (this.#volume !== 0) amplify(frame, filled, got, VOLUME_GAINS[this.#volume + MAX_VOLUME]!);
      filled += got;
      this.#samples += got;
      if (this.#samples >= this.#limitSamples) this.stop('timeout');
      else if (got < wanted) this.#endItem('done');
    }
    return filled;
  }

  /** Whether it was asked for since the last tick and its first item is not there yet: a tick asks once. */
  get isOpening(): boolean {
    const isNew = this.#isNew;
    this.#isNew = false;
    return isNew && this.#index === 0 && this.#opened[0] === undefined && !this.ended && this.#items.length > 0;
  }

  /** Changes how the item that plays is played; nothing when none does. */
  control(control: PlayControl): void {
    const source = this.#current;
    if (!source) return;
    switch (control.action) {
      case 'pause':
        this.#paused = !this.#paused;
        return;
      case 'stop':
        this.#endItem('done');
        return;
      case 'restart':
        this.#setSpeed(source, 0);
        source.seek?.(0, false);
        return;
      case 'seek':
        source.seek?.(control.ms, control.relative);
        return;
      case 'volume':
        this.#volume = bounded((control.relative ? this.#volume : 0) + control.steps, MAX_VOLUME);
        return;
      case 'speed':
        this.#setSpeed(source, (control.relative ? this.#speed : 0) + control.steps);
    }
  }

  /** Gives it what was still being fetched when it began. */
  supply(number: number, item: PlayItem): void {
    this.#late.get(number)?.(item);
    this.#late.delete(number);
  }

  /** Breaks the item that plays, or else the next one; the list goes on. */
  breakItem(): void {
    if (this.#current) this.#endItem('break');
    else this.#breakNext = true;
  }

  /** Ends the whole list now. */
  stop(outcome: PlayOutcome): void {
    if (this.ended) return;
    if (this.#current) this.#endItem(outcome);
    this.#finish(outcome);
  }

  #setSpeed(source: AudioSource, steps: number): void {
    this.#speed = bounded(steps, MAX_SPEED);
    source.setSpeed?.(1 / (1 - this.#speed / 4));
  }

  async #open(index: number, clips: ClipCache): Promise<void> {
    const onProblem = (name: string, problem: string): void => this.#tellProblem(name, problem);
    const supplied = (number: number): Promise<PlayItem> => new Promise((resolve) => this.#late.set(number, resolve));
    try {
      const source = await openSource(this.#items[index]!, clips, this.rateHz, onProblem, supplied);
      this.#opened[index] = { source };
    } catch (error) {
      this.#opened[index] = { problem: problemText(error) };
    }
    if (index === 0) this.#onOpened();
  }

  /** Moves to the next opened item; false when it is not open yet or the list has ended. */
  #advance(): boolean {
    if (this.#index >= this.#items.length) {
      this.#finish(this.#last);
      return false;
    }
    const opened = this.#opened[this.#index];
    if (!opened) {
      if (!this.#breakNext || !isLate(this.#items[this.#index]!)) return false;
      // Nobody waits for what is broken anyway.
      this.#breakNext = false;
      this.#last = 'break';
      this.#index++;
      return true;
    }
    if ('problem' in opened) {
      this.#tellProblem(this.#items[this.#index]!.name, opened.problem);
      this.#last = 'missing';
      this.#index++;
      return true;
    }
    this.#current = opened.source;
    this.#paused = false;
    this.#volume = 0;
    this.#speed = 0;
    this.#report({ type: 'itemStarted', leg: this.#leg, play: this.play, index: this.#index });
    if (this.#breakNext) this.#endItem('break');
    this.#breakNext = false;
    return true;
  }

  #tellProblem(name: string, problem: string): void {
    this.#problem = problem;
    this.#report({ type: 'playProblem', leg: this.#leg, play: this.play, name, problem });
  }

  #endItem(outcome: PlayOutcome): void {
    this.#last = outcome;
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

function bounded(steps: number, most: number): number {
  return Math.max(-most, Math.min(most, Math.trunc(steps)));
}

function amplify(frame: Int16Array, start: number, count: number, gain: number): void {
  for (let i = start; i < start + count; i++) {
    const value = Math.round(frame[i]! * gain);
    frame[i] = value > 32_767 ? 32_767 : value < -32_768 ? -32_768 : value;
  }
}
