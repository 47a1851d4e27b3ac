import type { Logger } from '../log/logger.js';
import type { Redis } from './connection.js';
import { HEARTBEAT_MS, HEARTBEAT_TTL_MS, instancesChangedChannel } from './keys.js';

/** What {@link announce} returns. */
export interface Announcement {
  /** Resolves when the first heartbeat is written and those who watch were told. */
  readonly ready: Promise<void>;
  /** Writes what the instance says of itself at once, instead of with the next heartbeat. */
  update(): Promise<void>;
  /** Stops and removes the entry, so that nobody waits for it to expire. */
  close(): Promise<void>;
}

/**
 * Tells the others that this instance is alive: writes `info()` as JSON under `key` every {@link HEARTBEAT_MS} with an
 * expiry of {@link HEARTBEAT_TTL_MS}, and the id into the set `setKey`. Those who watch the set (`watchInstances`) are told when it begins, changes and
 * ends, so that nobody sends a call to an instance by way of one that does not know it yet.
 */
export function announce({
  redis,
  setKey,
  key,
  instanceId,
  info,
  logger,
}: {
  redis: Redis;
  setKey: string;
  key: string;
  instanceId: string;
  info: () => object;
  logger: Logger;
}): Announcement {
  let closed = false;
  let writing: Promise<void> | undefined;
  const changed = instancesChangedChannel(setKey);
  let isNews = true;
  const write = async (): Promise<void> => {
    const entry = redis.multi().sadd(setKey, instanceId).set(key, JSON.stringify(info()), 'PX', HEARTBEAT_TTL_MS);
    if (isNews) entry.publish(changed, instanceId);
    isNews = false;
    await entry.exec().catch((err: unknown) => logger.warn({ err, key }, 'heartbeat was not written'));
  };
  // One write at a time: while Redis is away they would only pile up.
  const beat = (): Promise<void> => {
    writing ??= write().finally(() => {
      writing = undefined;
    });
    return writing;
  };
  const ready = beat();
  const timer = setInterval(() => void beat(), HEARTBEAT_MS);
  return {
    ready,
    async update() {
      // A write under way may carry what was true before.
      if (writing !== undefined) await writing;
      isNews = true;
      if (!closed) await beat();
    },
    async close() {
      if (closed) return;
      closed = true;
      clearInterval(timer);
      if (redis.status !== 'ready') return;
      if (writing !== undefined) await writing;
      await redis
        .multi()
        .srem(setKey, instanceId)
        .del(key)
        .publish(changed, instanceId)
        .exec()
        .catch((err: unknown) => logger.warn({ err, key }, 'announcement was not removed; it expires'));
    },
  };
}
