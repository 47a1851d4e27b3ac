import type { SipClock } from './timers.js';

/** The armed timers of one transaction, by letter. */
export class TransactionTimers<T extends string> {
  private readonly armed: Partial<Record<T, unknown>> = {};

  constructor(
    private readonly clock: SipClock,
    private readonly fire: (timer: T, afterMs: number) => void,
  ) {}

  arm(timer: T, ms: number): void {
    this.disarm(timer);
    this.armed[timer] = this.clock.setTimeout(() => {
      this.armed[timer] = undefined;
      this.fire(timer, ms);
    }, ms);
  }

  disarm(timer: T): void {
    const handle = this.armed[timer];
    if (handle === undefined) return;
    this.clock.clearTimeout(handle);
    // Not `delete`: it would turn this small object into a hash table.
    this.armed[timer] = undefined;
  }

  clear(): void {
    for (const timer in this.armed) this.disarm(timer);
  }
}
