import { SAMPLES_PER_PACKET } from '@ringwire/rtp';

const SLOTS = 8;
/** Frames waiting beyond this are dropped oldest first: latency is worse than a lost frame. */
const MAX_WAITING = 3;
const CONTROL_BYTES = 8;
const WRITE_INDEX = 0;
const READ_INDEX = 1;

/**
 * A queue of 20 ms frames from one bridged leg to the other, in shared memory, so that the two may live on different threads.
 * One writer, one reader, no locks, no allocation.
 */
export class FrameQueue {
  readonly #control: Int32Array;
  readonly #samples: Int16Array;

  /** Attaches to memory made by {@link FrameQueue.allocate}. */
  constructor(memory: SharedArrayBuffer) {
    this.#control = new Int32Array(memory, 0, 2);
    this.#samples = new Int16Array(memory, CONTROL_BYTES);
  }

  /** Memory for one queue. */
  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(CONTROL_BYTES + SLOTS * SAMPLES_PER_PACKET * 2);
  }

  /** Appends a frame; dropped when the reader has stopped reading. */
  push(frame: Int16Array): void {
    const write = Atomics.load(this.#control, WRITE_INDEX);
    if (((write - Atomics.load(this.#control, READ_INDEX)) | 0) >= SLOTS) return;
    this.#samples.set(frame, (write & (SLOTS - 1)) * SAMPLES_PER_PACKET);
    Atomics.store(this.#control, WRITE_INDEX, (write + 1) | 0);
  }

  /** Copies the next frame into `frame` and returns true; false when there is none. */
  pull(frame: Int16Array): boolean {
    const write = Atomics.load(this.#control, WRITE_INDEX);
    let read = Atomics.load(this.#control, READ_INDEX);
    const waiting = (write - read) | 0;
    if (waiting <= 0) return false;
    if (waiting > MAX_WAITING) read = (write - 1) | 0;
    const start = (read & (SLOTS - 1)) * SAMPLES_PER_PACKET;
    for (let i = 0; i < SAMPLES_PER_PACKET; i++) frame[i] = this.#samples[start + i]!;
    Atomics.store(this.#control, READ_INDEX, (read + 1) | 0);
    return true;
  }
}
