const CONTROL_WORDS = 4;
const CONTROL_BYTES = CONTROL_WORDS * 4;
const WRITE_POSITION = 0;
const READ_POSITION = 1;
const FLUSH_POSITION = 2;
const DROPPED = 3;

/**
 * A queue of samples between two threads in shared memory, of any length up to its capacity. One writer, one reader, no locks; neither
 * allocates. Where {@link FrameQueue} keeps a conversation's delay short by dropping, this one keeps everything and tells what did not fit.
 *
 * Positions count samples since the start and wrap at 32 bits; only their differences mean something.
 */
export class PcmRing {
  readonly capacity: number;
  readonly #control: Int32Array;
  readonly #samples: Int16Array;

  /** Attaches to memory made by {@link PcmRing.allocate}. */
  constructor(memory: SharedArrayBuffer) {
    this.#control = new Int32Array(memory, 0, CONTROL_WORDS);
    this.#samples = new Int16Array(memory, CONTROL_BYTES);
    this.capacity = this.#samples.length;
  }

  /** Memory for at least so many samples. */
  static allocate(samples: number): SharedArrayBuffer {
    // A power of two, so that positions may wrap.
    return new SharedArrayBuffer(CONTROL_BYTES + 2 * 2 ** Math.ceil(Math.log2(samples)));
  }

  /** Samples that wait to be read. */
  get available(): number {
    return (Atomics.load(this.#control, WRITE_POSITION) - this.#readPosition()) | 0;
  }

  /** Writer: samples that fit now. */
  get space(): number {
    return (
      this.capacity - ((Atomics.load(this.#control, WRITE_POSITION) - Atomics.load(this.#control, READ_POSITION)) | 0)
    );
  }

  /** Writer: appends all, or nothing and counts them as dropped. */
  write(pcm: Int16Array): boolean {
    if (pcm.length > this.space) {
      Atomics.add(this.#control, DROPPED, pcm.length);
      return false;
    }
    const mask = this.capacity - 1;
    const write = Atomics.load(this.#control, WRITE_POSITION);
    for (let i = 0; i < pcm.length; i++) this.#samples[(write + i) & mask] = pcm[i]!;
    Atomics.store(this.#control, WRITE_POSITION, (write + pcm.length) | 0);
    return true;
  }

  /** Writer: what waits is not to be read any more. */
  flush(): void {
    Atomics.store(this.#control, FLUSH_POSITION, Atomics.load(this.#control, WRITE_POSITION));
  }

  /** Reader: takes up to `out.length` samples and returns how many. */
  read(out: Int16Array): number {
    const mask = this.capacity - 1;
    const read = this.#readPosition();
    const waiting = (Atomics.load(this.#control, WRITE_POSITION) - read) | 0;
    const taken = Math.min(out.length, waiting);
    for (let i = 0; i < taken; i++) out[i] = this.#samples[(read + i) & mask]!;
    Atomics.store(this.#control, READ_POSITION, (read + taken) | 0);
    return taken;
  }

  /** Reader: gives up what was flushed, so that the writer has its room again. Returns the samples that wait. */
  settle(): number {
    const read = this.#readPosition();
    Atomics.store(this.#control, READ_POSITION, read);
    return (Atomics.load(this.#control, WRITE_POSITION) - read) | 0;
  }

  /** Samples dropped since this was last asked. */
  takeDropped(): number {
    return Atomics.exchange(this.#control, DROPPED, 0);
  }

  #readPosition(): number {
    const read = Atomics.load(this.#control, READ_POSITION);
    const flush = Atomics.load(this.#control, FLUSH_POSITION);
    return ((flush - read) | 0) > 0 ? flush : read;
  }
}
