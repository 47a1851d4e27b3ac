/** PASSporTs remembered; the oldest go first. Each is valid, so that only trusted signers can fill this. */
const MAX_SIGNATURES = 50_000;
/** A carrier that gets no answer here may try again with a Call-ID of its own making; more calls than that have no reason to carry one Identity. */
const MAX_CALLS = 3;

/**
 * The calls in which PASSporTs were seen while they count (RFC 8224 §12.1): whoever overhears one could otherwise call the same callee with it
 * until it is stale. Of one process: each edge allows so many calls by itself.
 */
export class SeenSignatures {
  readonly #seen = new Map<string, { callIds: string[]; untilMs: number }>();

  constructor(private readonly maxSignatures = MAX_SIGNATURES) {}

  get size(): number {
    return this.#seen.size;
  }

  /**
   * Notes that a PASSporT came with a call.
   *
   * @param signed - what is signed, or a hash of it
   * @param untilMs - when it is stale, ms since the epoch
   * @returns false when it has come with too many other calls
   */
  note(signed: string, callId: string, { nowMs, untilMs }: { nowMs: number; untilMs: number }): boolean {
    const known = this.#seen.get(signed);
    if (known) {
      if (known.callIds.includes(callId)) return true;
      if (known.callIds.length >= MAX_CALLS) return false;
      known.callIds.push(callId);
      return true;
    }
    // In the order in which they came, which is nearly that in which they become stale.
    for (const [old, entry] of this.#seen) {
      if (entry.untilMs > nowMs && this.#seen.size < this.maxSignatures) break;
      this.#seen.delete(old);
    }
    this.#seen.set(signed, { callIds: [callId], untilMs });
    return true;
  }
}
