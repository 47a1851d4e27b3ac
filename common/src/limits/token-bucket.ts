/** How much at once, and how much for long. */
export interface TokenBucketOptions {
  /** What may be taken at once. */
  capacity: number;
  /** What comes back. */
  perSecond: number;
  /** Ms; @defaultValue a clock that never jumps */
  now?: () => number;
}

/** Lets bursts through and holds the rate over time: tokens are taken, and grow back with the time. */
export class TokenBucket {
  readonly #now: () => number;
  #tokens: number;
  #at: number;

  constructor(private readonly options: TokenBucketOptions) {
    this.#now = options.now ?? (() => performance.now());
    this.#tokens = options.capacity;
    this.#at = this.#now();
  }

  /** Takes tokens; false, and nothing is taken, where there are too few. */
  take(count = 1): boolean {
    const now = this.#now();
    const { capacity, perSecond } = this.options;
    this.#tokens = Math.min(capacity, this.#tokens + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
    if (this.#tokens < count) return false;
    this.#tokens -= count;
    return true;
  }
}
