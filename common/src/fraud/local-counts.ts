import type { FraudBlock, FraudLimit } from './fraud-blocks.js';
import type { FraudLimits } from './policy.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** Accounts that are remembered; those that called longest ago are forgotten. */
const MAX_ACCOUNTS = 10_000;

/** What is counted by its rate. */
export type CountedKind = 'calls' | 'messages';

/** As many of a kind as may go in a minute and in an hour. */
export const ratesOf = (limits: FraudLimits, kind: CountedKind): [number | null, number | null] =>
  kind === 'calls' ? [limits.callsPerMinute, limits.callsPerHour] : [limits.messagesPerMinute, limits.messagesPerHour];

interface Counts {
  /** Ms since the epoch, in order. */
  calls: number[];
  messages: number[];
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

  /** Counts a call or message. @returns the block that it runs into, and whether that is new; null when it may go */
  check(call: {
    accountSid: string;
    number: string;
    limits: FraudLimits;
    kind: CountedKind;
    /** Empty: the call is not expensive. */
    prefix: string;
    isDenied: boolean;
  }): { block: FraudBlock; isNews: boolean } | null {
    const { accountSid, number, limits, prefix, kind } = call;
    const now = this.now();
    const counts = this.#of(accountSid);
    if (counts.block !== null && counts.block.until > now) return { block: counts.block, isNews: false };
    counts.block = null;
    const why = this.#reached(counts, kind, limits, prefix, now);
    if (why !== null) {
      const block = { accountSid, why, since: now, until: now + limits.blockMinutes * MINUTE_MS, number };
      counts.block = block;
      return { block, isNews: true };
    }
    if (ratesOf(limits, kind).some((limit) => limit !== null)) counts[kind].push(now);
    if (prefix !== '' && !call.isDenied && limits.expensivePrefixesPerHour !== null) counts.prefixes.set(prefix, now);
    return null;
  }

  #reached(counts: Counts, kind: CountedKind, limits: FraudLimits, prefix: string, now: number): FraudLimit | null {
    const { [kind]: times, prefixes } = counts;
    const [perMinute, perHour] = ratesOf(limits, kind);
    const { expensivePrefixesPerHour } = limits;
    const keepMs = perHour === null ? MINUTE_MS : HOUR_MS;
    const firstKept = times.findIndex((at) => at > now - keepMs);
    times.splice(0, firstKept < 0 ? times.length : firstKept);
    for (const [known, at] of prefixes) if (at <= now - HOUR_MS) prefixes.delete(known);
    if (perHour !== null && times.length >= perHour) return `${kind}-per-hour`;
    if (perMinute !== null) {
      const inMinute = times.reduce((sum, at) => sum + (at > now - MINUTE_MS ? 1 : 0), 0);
      if (inMinute >= perMinute) return `${kind}-per-minute`;
    }
    const isNew = prefix !== '' && !prefixes.has(prefix);
    return expensivePrefixesPerHour !== null && isNew && prefixes.size >= expensivePrefixesPerHour
      ? 'expensive-prefixes'
      : null;
  }

  #of(accountSid: string): Counts {
    const known = this.#accounts.get(accountSid);
    const counts = known ?? { calls: [], messages: [], prefixes: new Map(), block: null };
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
