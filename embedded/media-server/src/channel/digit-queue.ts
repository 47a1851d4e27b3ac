/** A digit that was received. */
export interface ReceivedDigit {
  digit: string;
  durationMs: number;
  /** `RTP`, `INBAND_AUDIO`, `ENDPOINT` or `APP`. */
  source: string;
  /** Further headers of its event. */
  headers: readonly [string, string][];
}

/** What a queue asks of its channel. */
export interface DigitQueueOptions {
  /** Whether an application runs: digits that it does not take wait for the next one. */
  isBusy: () => boolean;
  /** Told of each digit when it leaves the queue, before whoever takes it. */
  onTaken: (digit: ReceivedDigit) => void;
}

/** While no application runs FreeSWITCH looks for a digit every 20 ms, so that one that collects may still have those pressed before it. */
const IDLE_PACE_MS = 20;
/** Digits that wait; the oldest are dropped for more, as in FreeSWITCH. */
const MAX_WAITING = 1000;

/**
 * The digits that a channel has received. As in FreeSWITCH one leaves the queue, and its event is fired, when an application takes it; while one runs
 * that takes none they wait; while none runs they leave one after the other.
 */
export class DigitQueue {
  readonly #options: DigitQueueOptions;
  readonly #waiting: ReceivedDigit[] = [];
  readonly #takers: ((digit: string) => void)[] = [];
  readonly #arrivals = new Set<() => void>();
  #pace: NodeJS.Timeout | undefined;
  /** When a digit left last that nobody took. */
  #leftMs = Number.NEGATIVE_INFINITY;

  constructor(options: DigitQueueOptions) {
    this.#options = options;
  }

  /** Whether digits wait. */
  get hasWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  /** Adds a digit; it may leave at once. */
  push(digit: ReceivedDigit): void {
    this.#waiting.push(digit);
    if (this.#waiting.length > MAX_WAITING) this.#waiting.shift();
    this.drain();
    if (this.hasWaiting) for (const listener of [...this.#arrivals]) listener();
  }

  /**
   * Gives digits to `taker`, before those who take them already, until the returned function is called. What waits is given to it as soon as its
   * caller awaits something.
   */
  take(taker: (digit: string) => void): () => void {
    this.#takers.push(taker);
    if (this.hasWaiting) queueMicrotask(() => this.drain());
    return () => {
      const at = this.#takers.indexOf(taker);
      if (at >= 0) this.#takers.splice(at, 1);
    };
  }

  /** Calls `listener` when a digit begins to wait, at once when one does, until the returned function is called. */
  onWaiting(listener: () => void): () => void {
    this.#arrivals.add(listener);
    if (this.hasWaiting) listener();
    return () => this.#arrivals.delete(listener);
  }

  /** Lets go what may go: called when an application has ended. */
  drain(): void {
    while (this.#waiting.length > 0) {
      const taker = this.#takers[this.#takers.length - 1];
      if (!taker && (this.#options.isBusy() || !this.#mayLeave())) return;
      const digit = this.#waiting.shift()!;
      this.#options.onTaken(digit);
      taker?.(digit.digit);
    }
  }

  /** Whether one that nobody takes may leave now; else it is looked at again in time. */
  #mayLeave(): boolean {
    if (this.#pace) return false;
    const nowMs = performance.now();
    if (nowMs - this.#leftMs >= IDLE_PACE_MS) {
      this.#leftMs = nowMs;
      return true;
    }
    this.#pace = setTimeout(() => {
      this.#pace = undefined;
      this.#leftMs = Number.NEGATIVE_INFINITY;
      this.drain();
    }, IDLE_PACE_MS);
    return false;
  }

  /** Drops what waits; no event tells of it. */
  flush(): void {
    this.#waiting.length = 0;
    clearTimeout(this.#pace);
    this.#pace = undefined;
  }
}
