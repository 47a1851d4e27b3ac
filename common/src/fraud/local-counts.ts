import type { FraudBlock, FraudLimit } from './fraud-blocks.js';
import type { FraudLimits } from './policy.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** Accounts that are remembered; those that called longest ago are forgotten. */
const MAX_ACCOUNTS = 10_000;

interface Counts {
  /** Ms since the epoch, in order. */
  calls: number[];
  /** When each expensive prefix was called last. */
  prefixes: Map<string, number>;
  block: FraudBlock | null;
}

/** What one process counts by itself while Redis is away. */
export class LocalCounts {
  readonly #accounts = new Map<string, Counts>();

  constructor(private readonly now: () => number = Date.now) {}

  /** Remembers a block that Redis told of, or that there is none. */
  remember(accountSid: string, block: FraudBlock | null): void {
    if (block !== null) this.#of(accountSid).block = block;
    else if (this.#accounts.has(accountSid)) this.#accounts.delete(accountSid);
  }

  /** Counts a call. @returns the block that it runs into, and whether that is new; null when it may go */
  check(call: {
    accountSid: string;
    number: string;
    limits: FraudLimits;
    /** Empty: the call is not expensive. */
    prefix: string;
    isDenied: boolean;
  }): { block: FraudBlock; isNews: boolean } | null {
    const { accountSid, number, limits, prefix } = call;
    const now = this.now();
    const counts = this.#of(accountSid);
    if (counts.block !== null && counts.block.until > now) return { block: counts.block, isNews: false };
    counts.block = null;
    const why = this.#reached(counts, limits, prefix, now);
    if (why !== null) {
      const block = { accountSid, why, since: now, until: now + limits.blockMinutes * MINUTE_MS, number };
      counts.block = block;
      return { block, isNews: true };
    }
    if (limits.callsPerHour !== null || limits.callsPerMinute !== null) counts.calls.push(now);
    if (prefix !== '' && !call.isDenied && limits.expensivePrefixesPerHour !== null) counts.prefixes.set(prefix, now);
    return null;
  }

  #reached(
    { calls, prefixes }: Counts,
    { callsPerMinute, callsPerHour, expensivePrefixesPerHour }: FraudLimits,
    prefix: string,
    now: number,
  ): FraudLimit | null {
    const keepMs = callsPerHour === null ? MINUTE_MS : HOUR_MS;
    const firstKept = calls.findIndex((at) => at > now - keepMs);
    calls.splice(0, firstKept < 0 ? calls.length : firstKept);
    for (const [known, at] of prefixes) if (at <= now - HOUR_MS) prefixes.delete(known);
    if (callsPerHour !== null && calls.length >= callsPerHour) return 'calls-per-hour';
    if (callsPerMinute !== null) {
      const inMinute = calls.reduce((sum, at) => sum + (at > now - MINUTE_MS ? 1 : 0), 0);
      if (inMinute >= callsPerMinute) return 'calls-per-minute';
    }
    const isNew = prefix !== '' && !prefixes.has(prefix);
    return expensivePrefixesPerHour !== null && isNew && prefixes.size >= expensivePrefixesPerHour
      ? 'expensive-prefixes'
      : null;
  }

  #of(accountSid: string): Counts {
    const known = this.#accounts.get(accountSid);
    const counts = known ?? { calls: [], prefixes: new Map(), block: null };
    // The last used stand last.
    this.#accounts.delete(accountSid);
    this.#accounts.set(accountSid, counts);
    if (this.#accounts.size > MAX_ACCOUNTS) {
      const [oldest] = this.#accounts.keys();
      if (oldest !== undefined) this.#accounts.delete(oldest);
    }
    return counts;
  }

  get size(): number {
    return this.#accounts.size;
  }
}
