/** One RTP packet's time. */
export const TICK_MS = 20;
/** A tick that begins later than this after it was due is counted as late. */
const LATE_MS = 5;
/** How many ticks may be made up for at once: more would be a burst that receivers' jitter buffers drop anyway. */
const MAX_CATCH_UP_TICKS = 5;
/** Timers have a resolution of 1 ms: a tick this much early is better than one a millisecond late. */
const EARLY_TOLERANCE_MS = 0.6;

/** Nanoseconds of a monotonic clock, as {@link process.hrtime.bigint} gives them, in ms. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

/**
 * Calls `onTick` every 20 ms on absolute deadlines, so that errors of single timers never add up. After a stall at most
 * {@link MAX_CATCH_UP_TICKS} ticks are made up for; the rest is reported to `onSkip`, so that timestamps stay true.
 */
export class TickClock {
  ticks = 0;
  lateTicks = 0;
  skippedTicks = 0;
  readonly #onTick: (nowMs: number) => void;
  readonly #onSkip: (ticks: number) => void;
  readonly #nowMs: () => number;
  readonly #run = (): void => this.poll();
  #deadlineMs = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(onTick: (nowMs: number) => void, onSkip: (ticks: number) => void, nowMs: () => number = monotonicMs) {
    this.#onTick = onTick;
    this.#onSkip = onSkip;
    this.#nowMs = nowMs;
  }

  /** Starts ticking, the first time in 20 ms. */
  start(): void {
    this.#deadlineMs = this.#nowMs() + TICK_MS;
    this.#arm();
  }

  /** Stops ticking. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Runs the ticks that are due and arms the next: what the timer does. */
  poll(): void {
    const nowMs = this.#nowMs();
    const behindMs = nowMs - this.#deadlineMs;
    if (behindMs >= -EARLY_TOLERANCE_MS) {
      if (behindMs > LATE_MS) this.lateTicks++;
      let due = 1 + Math.max(0, Math.floor(behindMs / TICK_MS));
      if (due > MAX_CATCH_UP_TICKS) {
        const skipped = due - MAX_CATCH_UP_TICKS;
        this.skippedTicks += skipped;
        this.#deadlineMs += skipped * TICK_MS;
        this.#onSkip(skipped);
        due = MAX_CATCH_UP_TICKS;
      }
      for (; due > 0; due--) {
        this.ticks++;
        this.#deadlineMs += TICK_MS;
        this.#onTick(nowMs);
      }
    }
    this.#arm();
  }

  #arm(): void {
    const waitMs = this.#deadlineMs - this.#nowMs();
    this.#timer = setTimeout(this.#run, waitMs < 1 ? 1 : Math.round(waitMs));
  }
}
