import { FrameConverter, frameSamples, type LegRate } from '@ringwire/rtp';
import { FrameReader } from './frame-reader.js';
import { comeIn, dieAway } from './ramp.js';

const SLOTS = 8;
const CONTROL_WORDS = 3;
const CONTROL_BYTES = CONTROL_WORDS * 4;
const WRITE_INDEX = 0;
const READ_INDEX = 1;
const RATE = 2;

/**
 * A queue of 20 ms frames of one rate from a leg to whoever it is joined with, in shared memory, so that the two may live on
 * different threads. One writer, one reader, no locks, no allocation.
 */
export class FrameQueue {
  readonly rateHz: LegRate;
  readonly #control: Int32Array;
  readonly #samples: Int16Array;
  readonly #frameSamples: number;

  /** Attaches to memory made by {@link FrameQueue.allocate}. */
  constructor(memory: SharedArrayBuffer) {
    this.#control = new Int32Array(memory, 0, CONTROL_WORDS);
    this.#samples = new Int16Array(memory, CONTROL_BYTES);
    this.rateHz = this.#control[RATE] === 16000 ? 16000 : 8000;
    this.#frameSamples = frameSamples(this.rateHz);
  }

  /** Memory for one queue. */
  static allocate(rateHz: LegRate): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(CONTROL_BYTES + SLOTS * frameSamples(rateHz) * 2);
    new Int32Array(memory, 0, CONTROL_WORDS)[RATE] = rateHz;
    return memory;
  }

  /** Appends a frame of the queue's rate; dropped when the reader has stopped reading. */
  push(frame: Int16Array): void {
    const write = Atomics.load(this.#control, WRITE_INDEX);
    if (((write - Atomics.load(this.#control, READ_INDEX)) | 0) >= SLOTS) return;
    this.#samples.set(frame, (write & (SLOTS - 1)) * this.#frameSamples);
    Atomics.store(this.#control, WRITE_INDEX, (write + 1) | 0);
  }

  /** Frames that wait. */
  get waiting(): number {
    return (Atomics.load(this.#control, WRITE_INDEX) - Atomics.load(this.#control, READ_INDEX)) | 0;
  }

  /** Passes over the next frames, as many as wait at most. */
  skip(frames: number): void {
    const count = Math.min(frames, this.waiting);
    if (count > 0) Atomics.store(this.#control, READ_INDEX, (Atomics.load(this.#control, READ_INDEX) + count) | 0);
  }

  /** Copies the next frame into `frame` and returns true; false when there is none. {@link FrameReader} keeps the delay short. */
  pull(frame: Int16Array): boolean {
    if (this.waiting <= 0) return false;
    const read = Atomics.load(this.#control, READ_INDEX);
    const length = this.#frameSamples;
    const start = (read & (SLOTS - 1)) * length;
    for (let i = 0; i < length; i++) frame[i] = this.#samples[start + i]!;
    Atomics.store(this.#control, READ_INDEX, (read + 1) | 0);
    return true;
  }
}

/** A leg's ends of the two queues that join it with another leg or a room, converting between its rate and theirs. */
export class Exchange {
  readonly #incoming: FrameReader;
  readonly #outgoing: FrameQueue;
  readonly #pulled: Int16Array;
  #fromQueue: FrameConverter;
  #toQueue: FrameConverter;
  /** What the leg was sent last. */
  #last: Int16Array;
  #sounded = false;
  #ending = false;

  /** `rateHz` is the leg's rate now. */
  constructor(incoming: SharedArrayBuffer, outgoing: SharedArrayBuffer, rateHz: LegRate) {
    this.#incoming = new FrameReader(new FrameQueue(incoming));
    this.#outgoing = new FrameQueue(outgoing);
    this.#pulled = new Int16Array(frameSamples(this.#incoming.rateHz));
    this.#fromQueue = new FrameConverter(this.#incoming.rateHz, rateHz);
    this.#toQueue = new FrameConverter(rateHz, this.#outgoing.rateHz);
    this.#last = new Int16Array(frameSamples(rateHz));
  }

  /** Whether it has been ended and nothing of it is left to be heard. */
  get isOver(): boolean {
    return this.#ending && !this.#sounded;
  }

  /** Parts the leg from the other side: what it was sent last dies away in the next frame. */
  end(): void {
    this.#ending = true;
  }

  /** The leg has another rate from now on. */
  setRate(rateHz: LegRate): void {
    if (rateHz === this.#toQueue.fromHz) return;
    this.#fromQueue = new FrameConverter(this.#incoming.rateHz, rateHz);
    this.#toQueue = new FrameConverter(rateHz, this.#outgoing.rateHz);
    this.#last = new Int16Array(frameSamples(rateHz));
    this.#sounded = false;
  }

  /** Gives what the leg hears. */
  push(frame: Int16Array): void {
    if (!this.#ending) this.#outgoing.push(this.#toQueue.convert(frame));
  }

  /** Fills `frame` with what the leg is to be sent and returns true; false, and `frame` untouched, when there is nothing. */
  pull(frame: Int16Array): boolean {
    if (!this.#ending && this.#incoming.pull(this.#pulled)) {
      frame.set(this.#fromQueue.convert(this.#pulled));
      if (!this.#sounded) comeIn(frame);
      this.#last.set(frame);
      this.#sounded = true;
      return true;
    }
    if (!this.#sounded) return false;
    this.#sounded = false;
    dieAway(frame, this.#last);
    return true;
  }
}
