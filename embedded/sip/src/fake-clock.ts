import type { SipClock } from './timers.js';

/** A clock that stands still until it is moved: for tests of whatever takes a {@link SipClock}. */
export class FakeClock implements SipClock {
  nowMs = 0;
  private readonly due: Array<{ atMs: number; order: number; fn: () => void }> = [];
  private order = 0;

  setTimeout(fn: () => void, ms: number): unknown {
    const entry = { atMs: this.nowMs + ms, order: this.order++, fn };
    this.due.push(entry);
    return entry;
  }

  clearTimeout(handle: unknown): void {
    const index = this.due.indexOf(handle as (typeof this.due)[number]);
    if (index >= 0) this.due.splice(index, 1);
  }

  /** Timers that are armed. */
  get pending(): number {
    return this.due.length;
  }

  /** Moves time and fires what is due, in order. */
  advance(ms: number): void {
    const end = this.nowMs + ms;
    for (;;) {
      const next = this.due.sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0];
      if (!next || next.atMs > end) break;
      this.due.shift();
      this.nowMs = next.atMs;
      next.fn();
    }
    this.nowMs = end;
  }
}
