/** An endpoint that takes longer than this is late: ten times what it takes on an idle machine. */
const TARGET_MS = 500;
/** Larger reacts late, smaller judges by too few calls. */
const WINDOW_MS = 1_000;
/** So many late endpoints at a time are no accident; fewer may be a pause of one process. */
const LATE_ENDPOINTS = 5;

/**
 * Tells from how long media endpoints take whether the platform takes more calls than it can set up.
 *
 * Making an endpoint goes through the SIP server, the media server and back, and waits for nobody outside: when it is late,
 * work is queueing up somewhere on the way, and each further call makes every admitted one later. While nothing is set up
 * nothing is late, so calls are admitted again as soon as the queue has gone.
 */
export class SetUpLoad {
  readonly #pending = new Set<{ readonly at: number }>();
  #recent: { readonly at: number; readonly ms: number }[] = [];

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** An endpoint was ordered. @returns call it when the order is over, well or badly */
  started(): () => void {
    const order = { at: this.now() };
    this.#pending.add(order);
    return () => {
      if (!this.#pending.delete(order)) return;
      const at = this.now();
      this.#recent.push({ at, ms: at - order.at });
    };
  }

  /** Whether a further call would harm those that are admitted. Called for every INVITE. */
  get isOverloaded(): boolean {
    const now = this.now();
    const oldest = this.#recent.findIndex(({ at }) => now - at < WINDOW_MS);
    this.#recent = oldest < 0 ? [] : this.#recent.slice(oldest);
    let late = 0;
    let inTime = 0;
    for (const { at } of this.#pending) if (now - at > TARGET_MS) late++;
    for (const { ms } of this.#recent) {
      if (ms > TARGET_MS) late++;
      else inTime++;
    }
    return late >= LATE_ENDPOINTS && late > inTime;
  }
}
