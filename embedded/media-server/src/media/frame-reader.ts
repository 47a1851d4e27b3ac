import { frameSamples, type LegRate, shorten } from '@ringwire/rtp';
import type { FrameQueue } from './frame-queue.js';

/** What waits is looked at for this long (1 s) before it is called too much: a late tick of the other thread is no reason. */
const WINDOW_TICKS = 50;
/** Frames waiting beyond this are too long a delay to take out bit by bit. */
const MAX_WAITING = 3;
/** Longest piece that is left out at once, ms: a pitch period of a low voice. */
const MAX_PIECE_MS = 10;
/** Shorter remains are not worth a search. */
const MIN_PIECE_MS = 2.5;
/** Ticks without two periods that are alike, after which any will do. */
const PATIENCE_TICKS = 25;
/** Frames that fit into the workplace: one in hand, two to choose periods from. */
const WORK_FRAMES = 3;

/**
 * The reading end of a {@link FrameQueue}: keeps its delay short without being heard. When more than a frame has waited for a second, one is
 * left out pitch period by pitch period; when far too many wait, as after a pause of this thread, what is due fades into what came last. No
 * allocation.
 */
export class FrameReader {
  readonly rateHz: LegRate;
  /** Frames that were left out. */
  skippedFrames = 0;
  readonly #queue: FrameQueue;
  readonly #frameSamples: number;
  readonly #work: Int16Array;
  readonly #frame: Int16Array;
  /** Samples in hand. */
  #held = 0;
  #ticks = 0;
  #leastSamples = Number.POSITIVE_INFINITY;
  /** Samples still to be left out, and for how long that has not worked. */
  #surplus = 0;
  #waitedTicks = 0;

  constructor(queue: FrameQueue) {
    this.#queue = queue;
    this.rateHz = queue.rateHz;
    this.#frameSamples = frameSamples(queue.rateHz);
    this.#work = new Int16Array(this.#frameSamples * WORK_FRAMES);
    this.#frame = new Int16Array(this.#frameSamples);
  }

  /** Fills `frame` with the next 20 ms and returns true; false when there is nothing. */
  pull(frame: Int16Array): boolean {
    const waiting = this.#queue.waiting;
    this.#watch(waiting);
    if (waiting > MAX_WAITING) return this.#jump(frame, waiting);
    if (this.#surplus > 0) this.#leaveOut();
    return this.#take(frame);
  }

  /** Notes how much there always was to spare. */
  #watch(waiting: number): void {
    const samples = this.#held + waiting * this.#frameSamples;
    if (samples < this.#leastSamples) this.#leastSamples = samples;
    if (++this.#ticks < WINDOW_TICKS) return;
    if (this.#leastSamples >= 2 * this.#frameSamples && this.#surplus === 0) this.#surplus = this.#frameSamples;
    this.#ticks = 0;
    this.#leastSamples = Number.POSITIVE_INFINITY;
  }

  #take(frame: Int16Array): boolean {
    const length = this.#frameSamples;
    if (this.#held < length && !this.#append()) {
      if (this.#held === 0) return false;
      // Less than a frame: it goes out, softly.
      const held = this.#held;
      for (let i = 0; i < held; i++) frame[i] = Math.round((this.#work[i]! * (held - i)) / (held + 1));
      frame.fill(0, held);
      this.#held = 0;
      return true;
    }
    for (let i = 0; i < length; i++) frame[i] = this.#work[i]!;
    this.#work.copyWithin(0, length, this.#held);
    this.#held -= length;
    return true;
  }

  /** Leaves one pitch period out of what comes next. */
  #leaveOut(): void {
    const length = this.#frameSamples;
    while (this.#held < 2 * length && this.#append());
    const perMs = this.rateHz / 1000;
    const most = Math.min(MAX_PIECE_MS * perMs, this.#surplus, this.#held - length);
    if (most < MIN_PIECE_MS * perMs) return;
    const isUrgent = ++this.#waitedTicks > PATIENCE_TICKS;
    const left = shorten(this.#work, this.#held, this.rateHz, most, isUrgent);
    if (left === this.#held) return;
    this.#waitedTicks = 0;
    this.#surplus -= this.#held - left;
    this.#held = left;
    if (this.#surplus >= MIN_PIECE_MS * perMs) return;
    this.#surplus = 0;
    this.skippedFrames++;
  }

  /** What is due fades into the newest, and all between is left out. */
  #jump(frame: Int16Array, waiting: number): boolean {
    this.#take(frame);
    this.#held = 0;
    this.#surplus = 0;
    this.#queue.skip(this.#queue.waiting - 1);
    this.skippedFrames += waiting - 2;
    if (!this.#queue.pull(this.#frame)) return true;
    const length = this.#frameSamples;
    for (let i = 0; i < length; i++) {
      const part = (i + 1) / (length + 1);
      frame[i] = Math.round(frame[i]! * (1 - part) + this.#frame[i]! * part);
    }
    return true;
  }

  #append(): boolean {
    if (!this.#queue.pull(this.#frame)) return false;
    this.#work.set(this.#frame, this.#held);
    this.#held += this.#frameSamples;
    return true;
  }
}
