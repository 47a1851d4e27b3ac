import {
  type AddressOfRecord,
  type Flow,
  type Logger,
  type Redis,
  type Registrations,
  registrarKey,
  type StoredBinding,
} from '@ringwire/common';
import { bindingMemory } from './binding-memory.js';

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
  /** A connection is gone: what was registered over it is not put back, whatever Redis says of it. */
  forget(aor: AddressOfRecord, flow: Flow): void;
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
  const memory = bindingMemory();
  const mark = registrarKey(instanceId);
  let closed = false;
  let isRestoring = false;
  const restore = async (): Promise<void> => {
    if ((await redis.exists(mark)) === 0 && memory.size > 0) {
      logger.warn({ users: memory.size }, 'redis has lost the registrations: they are put back');
      for (const { aor, bindings } of memory.all()) {
        // What has changed since is in Redis already.
        if (closed || memory.get(aor) !== bindings) continue;
        await registrations.restore(aor, bindings);
      }
    }
    if (!closed) await redis.set(mark, '1', 'EX', MARK_S);
  };
  const onReady = (): void => {
    if (isRestoring) return;
    isRestoring = true;
    restore()
      .catch((err: unknown) => {
        if (!closed) logger.warn({ err }, 'registrations were not put back');
      })
      .finally(() => {
        isRestoring = false;
      });
  };
  const prune = (): void => {
    memory.prune(Date.now());
    // Also when Redis was away again in the middle: without its mark it is asked once more.
    if (redis.status === 'ready') onReady();
  };
  redis.on('ready', onReady);
  if (redis.status === 'ready') onReady();
  const timer = setInterval(prune, PRUNE_MS);
  timer.unref();
  return {
    keep: (aor, bindings) => memory.set(aor, bindings),
    forget: (aor, flow) => memory.forgetFlow(aor, flow),
    get size() {
      return memory.size;
    },
    async close() {
      closed = true;
      clearInterval(timer);
      redis.off('ready', onReady);
      if (redis.status === 'ready') await redis.del(mark).catch(() => 'it expires by itself');
    },
  };
}
