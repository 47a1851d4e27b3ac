/** Longer than a signature is good: an order that comes again meanwhile is a copy. */
const REMEMBERED_MS = 150_000;

/** The orders of the last minutes, by which a copy is known. */
export class RecentOrders {
  /** With when they came, oldest first. */
  readonly #seen = new Map<string, number>();

  /** Whether an order comes for the first time; it is remembered. */
  isNew(id: string, nowMs = Date.now()): boolean {
    for (const [known, at] of this.#seen) {
      if (nowMs - at < REMEMBERED_MS) break;
      this.#seen.delete(known);
    }
    if (this.#seen.has(id)) return false;
    this.#seen.set(id, nowMs);
    return true;
  }
}
