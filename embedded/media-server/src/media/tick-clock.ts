/** One RTP packet's time. */
export const TICK_MS = 20;
/** A tick that begins later than this after it was due is counted as late. */
const LATE_MS = 5;
/** So many ticks late, a thread first reads what came for it meanwhile: otherwise it would take those packets for lost and conceal them. */
const STALL_TICKS = 2;
/** A thread that stood still makes up for this many ticks at once, then looks at its sockets again. */
const MAX_BURST_TICKS = 5;
/** What is missing beyond this is given up: the thread was not stopped by a busy machine but sent to sleep. */
const MAX_BEHIND_TICKS = 50;
/** Timers have a resolution of 1 ms: a tick this much early is better than one a millisecond late. */
const EARLY_TOLERANCE_MS = 0.6;

/** Nanoseconds of a monotonic clock, as {@link process.hrtime.bigint} gives them, in ms. */
export function monotonicMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}

/**
 * Calls `onTick` every 20 ms on absolute deadlines, so that errors of single timers never add up. The ticks of a stall of up to a second are all made
 * up for, so that a call sends one packet for each 20 ms of its life however often its machine is stopped (virtual machines are, for 100 to 300 ms at a
 * time); of a longer one the rest is reported to `onSkip`, so that timestamps stay true.
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
  /** After a stall: the sockets had their turn. */
  #hasRead = false;
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
      const due = 1 + Math.max(0, Math.floor(behindMs / TICK_MS));
      if (due > STALL_TICKS && !this.#hasRead) {
        this.#hasRead = true;
        this.#arm();
        return;
      }
      this.#hasRead = false;
      if (behindMs > LATE_MS) this.lateTicks++;
      if (due > MAX_BEHIND_TICKS) this.#giveUp(due - MAX_BEHIND_TICKS);
      for (let left = Math.min(due, MAX_BURST_TICKS); left > 0; left--) {
        this.ticks++;
        this.#deadlineMs += TICK_MS;
        this.#onTick(nowMs);
      }
    }
    this.#arm();
  }

  #giveUp(ticks: number): void {
    this.skippedTicks += ticks;
    this.#deadlineMs += ticks * TICK_MS;
    this.#onSkip(ticks);
  }

  #arm(): void {
    const waitMs = this.#deadlineMs - this.#nowMs();
    this.#timer = setTimeout(this.#run, waitMs < 1 ? 1 : Math.round(waitMs));
  }
}
