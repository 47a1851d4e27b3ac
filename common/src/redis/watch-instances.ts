import type { Logger } from '../log/logger.js';
import type { Redis } from './connection.js';
import { HEARTBEAT_MS, instancesChangedChannel } from './keys.js';
import { Subscriptions } from './subscriptions.js';

/** The living instances of one kind, as {@link announce} tells of them. */
export interface InstanceWatch<T> {
  /** The list in memory; costs nothing. Changes that instances tell of are in it at once, the silent end of one within about a second of its expiry. */
  list(): T[];
  /** Reads the list now. */
  refresh(): Promise<void>;
  close(): void;
}

const POLL_MS = 1_000;
/** After Redis comes back, instances it has forgotten get this long to tell of themselves again. */
const GRACE_AFTER_LOSS_MS = 2 * HEARTBEAT_MS;
/** Ids without a living entry are taken out of the set after this many looks, so that the set does not grow for ever. */
const LOOKS_BEFORE_REMOVAL = 60;

const parse = <T>(json: string): T | undefined => {
  try {
    const value: unknown = JSON.parse(json);
    return typeof value === 'object' && value !== null ? (value as T) : undefined;
  } catch {
    // Written by something that is not one of us: as good as absent.
    return undefined;
  }
};

/**
 * Keeps the living instances of a kind in memory. While Redis is away the last list stays; when it is back, those it has
 * forgotten stay for {@link GRACE_AFTER_LOSS_MS} more.
 */
export function watchInstances<T>({
  redis,
  setKey,
  keyOf,
  logger,
  pollMs = POLL_MS,
}: {
  redis: Redis;
  setKey: string;
  keyOf: (instanceId: string) => string;
  logger: Logger;
  /** How often the list is read without being told. */
  pollMs?: number;
}): InstanceWatch<T> {
  let instances = new Map<string, T>();
  let graceEndsAt = 0;
  let closed = false;
  const missed = new Map<string, number>();

  const forget = async (id: string): Promise<void> => {
    const looks = (missed.get(id) ?? 0) + 1;
    missed.set(id, looks);
    if (looks < LOOKS_BEFORE_REMOVAL) return;
    missed.delete(id);
    await redis.srem(setKey, id);
  };

  const read = async (): Promise<void> => {
    const ids = await redis.smembers(setKey);
    const values = ids.length === 0 ? [] : await redis.mget(ids.map(keyOf));
    const next = new Map<string, T>(Date.now() < graceEndsAt ? instances : []);
    for (const [index, id] of ids.entries()) {
      const json = values[index];
      const value = json == null ? undefined : parse<T>(json);
      if (value === undefined) {
        await forget(id);
      } else {
        missed.delete(id);
        next.set(id, value);
      }
    }
    instances = next;
  };

  let reading: Promise<void> | undefined;
  let following: Promise<void> | undefined;
  const begin = (): Promise<void> => {
    following = undefined;
    reading = read().finally(() => {
      reading = undefined;
    });
    return reading;
  };
  // A reading under way may have passed what has changed since: whoever asks then waits for the one after it.
  const refresh = (): Promise<void> => {
    if (reading === undefined) return begin();
    following ??= reading.then(begin, begin);
    return following;
  };
  const poll = (): void => {
    refresh().catch((err: unknown) => {
      if (!closed) logger.warn({ err, setKey }, 'list of instances was not read');
    });
  };
  const onLost = (): void => {
    graceEndsAt = Number.POSITIVE_INFINITY;
  };
  const onReady = (): void => {
    graceEndsAt = Date.now() + GRACE_AFTER_LOSS_MS;
  };
  redis.on('close', onLost);
  redis.on('ready', onReady);
  const timer = setInterval(() => {
    if (reading === undefined) poll();
  }, pollMs);
  const subscriptions = new Subscriptions(redis, logger);
  subscriptions.on(instancesChangedChannel(setKey), poll);
  poll();
  return {
    list: () => [...instances.values()],
    refresh,
    close() {
      closed = true;
      clearInterval(timer);
      subscriptions.close();
      redis.off('close', onLost);
      redis.off('ready', onReady);
    },
  };
}
