/** How often who may register. */
export interface RegisterRates {
  /** Whether a REGISTER that answers a challenge of ours may go on; it counts. */
  admits(source: string, user: string): boolean;
  readonly size: number;
}

interface Bucket {
  tokens: number;
  atMs: number;
}

/** Larger: more memory (about 200 bytes each). Smaller: who sends from many addresses makes others be forgotten, who then may send as often again. */
const MAX_BUCKETS = 50_000;

/**
 * A bucket of tokens for each user and address: as many REGISTERs at once as there are in a minute. By address, so that nobody keeps a user out by
 * sending in that user's name from elsewhere.
 *
 * @param perMinute - 0: as many as come
 * @param now - monotonic clock in ms
 */
export function registerRates(
  perMinute: number,
  { now = () => performance.now(), maxBuckets = MAX_BUCKETS }: { now?: () => number; maxBuckets?: number } = {},
): RegisterRates {
  const buckets = new Map<string, Bucket>();
  return {
    admits(source, user) {
      if (perMinute === 0) return true;
      const key = `${source} ${user}`;
      const atMs = now();
      const before = buckets.get(key) ?? { tokens: perMinute, atMs };
      const tokens = Math.min(perMinute, before.tokens + ((atMs - before.atMs) * perMinute) / 60_000);
      const admitted = tokens >= 1;
      // The one that was used longest ago stands first.
      buckets.delete(key);
      buckets.set(key, { tokens: admitted ? tokens - 1 : tokens, atMs });
      if (buckets.size > maxBuckets) buckets.delete(buckets.keys().next().value as string);
      return admitted;
    },
    get size() {
      return buckets.size;
    },
  };
}
