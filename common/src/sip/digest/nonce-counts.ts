import type { Logger } from '../../log/logger.js';
import type { Redis } from '../../redis/connection.js';
import { nonceCountKey } from '../../redis/keys.js';

/** Remembers which counts of which nonces have been used, so that nobody can send a request again that was overheard. */
export interface NonceCounts {
  /** True the first time, false when this count of this nonce has been seen, by any process. Call it for good responses only. */
  use(nonce: string, count: number): Promise<boolean>;
  close(): void;
}

/** Higher counts need a new nonce: bounds the memory of one. */
export const MAX_NONCE_COUNT = 1_024;
/** Nonces that one process remembers itself, for the time in which Redis does not answer. The oldest are forgotten. */
const MAX_NONCES = 20_000;
/** Redis is waited for no longer; then only this process's own memory protects. */
const DEADLINE_MS = 1_000;

/** Counts are bits, set in Redis for all processes and in this process's memory. @param options.lifeMs - of a nonce */
export function nonceCounts(options: { redis: Redis; logger: Logger; lifeMs: number }): NonceCounts {
  const { redis, logger, lifeMs } = options;
  const own = new Map<string, { used: Set<number>; until: number }>();
  const forget = (): void => {
    const now = Date.now();
    for (const [nonce, { until }] of own) if (until < now) own.delete(nonce);
  };
  const timer = setInterval(forget, Math.max(1_000, lifeMs / 4));
  timer.unref();
  const useOwn = (nonce: string, count: number): boolean => {
    let entry = own.get(nonce);
    if (entry === undefined) {
      const oldest = own.size >= MAX_NONCES ? own.keys().next().value : undefined;
      if (oldest !== undefined) own.delete(oldest);
      // A nonce of another process may be as much younger as the clocks differ.
      entry = { used: new Set(), until: Date.now() + 2 * lifeMs };
      own.set(nonce, entry);
    }
    if (entry.used.has(count)) return false;
    entry.used.add(count);
    return true;
  };
  const useShared = async (nonce: string, count: number): Promise<boolean> => {
    if (redis.status !== 'ready') return true;
    const key = nonceCountKey(nonce);
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<null>((resolve) => {
      timer = setTimeout(() => resolve(null), DEADLINE_MS);
    });
    const set = redis
      .multi()
      .setbit(key, count, 1)
      .pexpire(key, 2 * lifeMs)
      .exec();
    try {
      const results = await Promise.race([set, late]);
      if (results === null) throw new Error('no answer from redis');
      return results[0]?.[1] !== 1;
    } catch (err) {
      logger.warn({ err }, 'use of a nonce is known to this process only');
      return true;
    } finally {
      clearTimeout(timer);
      set.catch(() => 'told above');
    }
  };
  return {
    async use(nonce, count) {
      // Its own memory first: two copies at the same moment in one process are told apart without Redis.
      return useOwn(nonce, count) && (await useShared(nonce, count));
    },
    close: () => clearInterval(timer),
  };
}
