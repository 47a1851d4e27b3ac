import {
  type AddressOfRecord,
  aorText,
  type Logger,
  type Redis,
  type Registrations,
  registrarKey,
  type StoredBinding,
} from '@ringwire/common';

/** Users that are remembered: those beyond find their way back with their next REGISTER. */
const MAX_USERS = 100_000;
const PRUNE_MS = 30_000;
/** How long the mark in Redis outlives the process. */
const MARK_S = 86_400;

/**
 * What this process has registered, in memory: put back when Redis comes back without it. What was removed at another edge
 * meanwhile comes back too, until it expires.
 */
export interface KeptBindings {
  /** All bindings of a user, after a REGISTER of his. */
  keep(aor: AddressOfRecord, bindings: readonly StoredBinding[]): void;
  readonly size: number;
  close(): Promise<void>;
}

/** Keeps bindings and watches over a connection, which stays the caller's. */
export function keptBindings(options: {
  redis: Redis;
  registrations: Pick<Registrations, 'restore'>;
  instanceId: string;
  logger: Logger;
}): KeptBindings {
  const { redis, registrations, instanceId, logger } = options;
  const users = new Map<string, readonly StoredBinding[]>();
  const mark = registrarKey(instanceId);
  let closed = false;

  const restore = async (): Promise<void> => {
    if ((await redis.exists(mark)) === 0 && users.size > 0) {
      logger.warn({ users: users.size }, 'redis has lost the registrations: they are put back');
      for (const [key, bindings] of [...users]) {
        const aor = bindings[0]?.aor;
        if (closed || aor === undefined || users.get(key) !== bindings) continue;
        await registrations.restore(aor, bindings);
      }
    }
    if (!closed) await redis.set(mark, '1', 'EX', MARK_S);
  };
  const onReady = (): void => {
    restore().catch((err: unknown) => {
      if (!closed) logger.warn({ err }, 'registrations were not put back');
    });
  };
  const prune = (): void => {
    const now = Date.now();
    for (const [key, bindings] of users) if (bindings.every(({ expiresAt }) => expiresAt <= now)) users.delete(key);
    if (redis.status === 'ready') onReady();
  };
  redis.on('ready', onReady);
  if (redis.status === 'ready') onReady();
  const timer = setInterval(prune, PRUNE_MS);
  timer.unref();
  return {
    keep(aor, bindings) {
      const key = aorText(aor);
      users.delete(key);
      if (bindings.length === 0) return;
      const oldest = users.size >= MAX_USERS ? users.keys().next().value : undefined;
      if (oldest !== undefined) users.delete(oldest);
      users.set(key, bindings);
    },
    get size() {
      return users.size;
    },
    async close() {
      closed = true;
      clearInterval(timer);
      redis.off('ready', onReady);
      if (redis.status === 'ready') await redis.del(mark).catch(() => 'it expires by itself');
    },
  };
}
