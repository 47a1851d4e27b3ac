import type { Logger } from '../log/logger.js';
import type { Redis } from '../redis/connection.js';
import { knownSourceKey, temporaryGatewaysKey } from '../redis/keys.js';

/** Sources from which a call was let in, or somebody registered, at any edge; trunks at which we are registered are among them. */
export interface KnownSources {
  /** Tells all edges that a source is known. */
  remember(network: string): void;
  /** Whether an edge knows it. False while Redis is away: what this process itself knows it need not ask. */
  has(address: string, network: string): Promise<boolean>;
}

/** Longer than the usual registration. */
const KNOWN_MS = 3_600_000;
/** How often Redis is told of the same source. */
const TELL_EVERY_MS = 600_000;
const MAX_TOLD = 20_000;
const DEADLINE_MS = 1_000;

/** Shares them through Redis. */
export function knownSources({ redis, logger }: { redis: Redis; logger: Logger }): KnownSources {
  const told = new Map<string, number>();
  return {
    remember(network) {
      const now = performance.now();
      const last = told.get(network);
      if (redis.status !== 'ready' || (last !== undefined && now - last < TELL_EVERY_MS)) return;
      told.delete(network);
      const [oldest] = told.keys();
      if (told.size >= MAX_TOLD && oldest !== undefined) told.delete(oldest);
      told.set(network, now);
      redis.set(knownSourceKey(network), '1', 'PX', KNOWN_MS).catch((err: unknown) => {
        told.delete(network);
        logger.debug({ err, network }, 'known source was not told of');
      });
    },
    async has(address, network) {
      if (redis.status !== 'ready') return false;
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<number>((resolve) => {
        timer = setTimeout(() => resolve(0), DEADLINE_MS);
      });
      // Two commands: a Redis Cluster has the keys at different places.
      const asked = Promise.all([
        redis.exists(knownSourceKey(network)),
        redis.exists(temporaryGatewaysKey(address)),
      ]).then(([one, other]) => one + other);
      const found = await Promise.race([asked.catch(() => 0), late]).finally(() => clearTimeout(timer));
      return found > 0;
    },
  };
}
