/** How much a carrier takes. */
export interface WindowLimits {
  /** Messages at a time without answer. */
  size: number;
  /** Messages a second; null: no limit. */
  maxPerSecond: number | null;
}

interface Waiter {
  timer: NodeJS.Timeout;
  resolve: (entered: boolean) => void;
}

/** Lets as many messages onto a link as its carrier takes, in the order in which they came. */
export class SubmitWindow {
  readonly #limits: WindowLimits;
  readonly #waiters: Waiter[] = [];
  #outstanding = 0;
  /** By `performance.now()`: nobody enters before. */
  #opensAt = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: WindowLimits) {
    this.#limits = limits;
  }

  /** Messages without answer, and those that wait to be sent. */
  get load(): number {
    return this.#outstanding + this.#waiters.length;
  }

  /** Waits for a place; false when none comes free within `waitMs`, or the link goes. */
  enter(waitMs: number): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        resolve(false);
      }, waitMs);
      const waiter: Waiter = { timer, resolve };
      this.#waiters.push(waiter);
      this.#admit();
    });
  }

  /** Gives a place back. */
  leave(): void {
    this.#outstanding = Math.max(0, this.#outstanding - 1);
    this.#admit();
  }

  /** Lets nobody in for a while: the carrier said that it is too much. */
  pause(ms: number): void {
    this.#opensAt = Math.max(this.#opensAt, performance.now() + ms);
  }

  /** The link is gone: nobody waits any longer, and no answers are to come. */
  reset(): void {
    this.#outstanding = 0;
    this.dismiss();
  }

  /** Nobody waits any longer; answers may still come. */
  dismiss(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const { timer, resolve } of this.#waiters.splice(0)) {
      clearTimeout(timer);
      resolve(false);
    }
  }

  #admit(): void {
    while (this.#waiters.length > 0 && this.#outstanding < this.#limits.size) {
      const now = performance.now();
      if (now < this.#opensAt) {
        this.#timer ??= setTimeout(
          () => {
            this.#timer = undefined;
            this.#admit();
          },
          Math.ceil(this.#opensAt - now),
        );
        return;
      }
      const { maxPerSecond } = this.#limits;
      if (maxPerSecond !== null) this.#opensAt = Math.max(now, this.#opensAt) + 1_000 / maxPerSecond;
      const { timer, resolve } = this.#waiters.shift() as Waiter;
      clearTimeout(timer);
      this.#outstanding += 1;
      resolve(true);
    }
  }
}
