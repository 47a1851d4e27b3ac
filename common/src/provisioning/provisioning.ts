import type { Secret } from '../config/secret.js';
import type { Database } from '../db/database.js';
import type { Logger } from '../log/logger.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Redis } from '../redis/connection.js';
import { PROVISIONING_ASKED, PROVISIONING_CHANGED, provisioningLoadedChannel } from '../redis/keys.js';
import { readProvisioning } from './provisioning-store.js';
import type { ProvisioningSnapshot, SkippedRow } from './snapshot.js';

/** Provisioning data in memory, kept fresh. */
export interface Provisioning {
  /** The newest snapshot; costs nothing. While MySQL is away it is the last one. */
  snapshot(): ProvisioningSnapshot;
  /** Reads the tables now. Rejects, and keeps the last snapshot, when MySQL is away. */
  reload(): Promise<ProvisioningSnapshot>;
  /** Calls `listener` with every new snapshot. */
  onChange(listener: (snapshot: ProvisioningSnapshot) => void): void;
  close(): Promise<void>;
}

/** Changes that no message told of (a row changed by hand, a lost message) are seen after this long. */
const RELOAD_MS = 30_000;
/** A process that starts while MySQL restarts waits this long before it gives up. */
const FIRST_LOAD_TIMEOUT_MS = 30_000;

/** Logs each bad row once, not with every reload. */
const skippedLog = (logger: Logger, metrics: Metrics | undefined) => {
  let known = new Set<string>();
  const gauge = metrics?.gauge({
    name: 'ringwire_provisioning_rows_skipped',
    help: 'Rows of the provisioning tables that cannot be used',
    labelNames: ['table'],
  });
  return (skipped: readonly SkippedRow[]): void => {
    gauge?.reset();
    const now = new Set<string>();
    for (const row of skipped) {
      gauge?.inc({ table: row.table });
      const key = `${row.table}:${row.sid}:${row.column}`;
      if (!known.has(key)) logger.error({ ...row }, 'provisioning row was skipped');
      now.add(key);
    }
    known = now;
  };
};

/**
 * Loads all provisioning data and keeps it: reloads on the message {@link PROVISIONING_CHANGED} and every 30 s, and says so where it is asked
 * ({@link PROVISIONING_ASKED}).
 *
 * @throws DatabaseError when the first load fails for 30 s
 */
export async function loadProvisioning({
  db,
  redis,
  logger,
  metrics,
  encryptionSecret,
  reloadMs = RELOAD_MS,
}: {
  db: Database;
  redis: Redis;
  logger: Logger;
  metrics?: Metrics;
  /** Without it rows with encrypted credentials are skipped. */
  encryptionSecret?: Secret | string;
  reloadMs?: number;
}): Promise<Provisioning> {
  const reportSkipped = skippedLog(logger, metrics);
  const listeners: ((snapshot: ProvisioningSnapshot) => void)[] = [];
  let current = await firstLoad(() => readProvisioning(db, encryptionSecret), logger);
  reportSkipped(current.skipped);
  let closed = false;

  const load = async (): Promise<ProvisioningSnapshot> => {
    const snapshot = await readProvisioning(db, encryptionSecret);
    current = snapshot;
    reportSkipped(snapshot.skipped);
    for (const listener of listeners) listener(snapshot);
    return snapshot;
  };
  // One load at a time; whoever asks during a load gets the next one, since the running one may have read too early.
  let running: Promise<ProvisioningSnapshot> | undefined;
  let next: Promise<ProvisioningSnapshot> | undefined;
  const start = (): Promise<ProvisioningSnapshot> => {
    running = load().finally(() => {
      running = undefined;
    });
    return running;
  };
  const reload = (): Promise<ProvisioningSnapshot> => {
    if (running === undefined) return start();
    next ??= running
      .catch(() => undefined)
      .then(() => {
        next = undefined;
        return start();
      });
    return next;
  };
  let isStale = false;
  const refresh = (): void => {
    reload().then(
      () => {
        if (isStale) logger.info('provisioning data is fresh again');
        isStale = false;
      },
      (err: unknown) => {
        if (!isStale && !closed) logger.warn({ err }, 'provisioning data was not reloaded; the last serves');
        isStale = true;
      },
    );
  };

  const subscriber = redis.duplicate();
  subscriber.on('error', (err) => logger.debug({ err }, 'provisioning subscription connection failed'));
  /** Says that all changes are loaded that were told of before; nothing where they cannot be. */
  const confirm = async ([asker = '', number = '']: string[]): Promise<void> => {
    await (next ?? running);
    if (redis.status === 'ready') await redis.publish(provisioningLoadedChannel(asker), number);
  };
  subscriber.on('message', (channel: string, message: string) => {
    if (channel === PROVISIONING_CHANGED) refresh();
    else confirm(message.split(' ')).catch((err: unknown) => logger.debug({ err }, 'a load was not confirmed'));
  });
  await subscriber.subscribe(PROVISIONING_CHANGED, PROVISIONING_ASKED);
  const timer = setInterval(refresh, reloadMs);
  return {
    snapshot: () => current,
    reload,
    onChange: (listener) => void listeners.push(listener),
    async close() {
      closed = true;
      clearInterval(timer);
      subscriber.disconnect();
      await Promise.allSettled([running, next]);
    },
  };
}

async function firstLoad(load: () => Promise<ProvisioningSnapshot>, logger: Logger): Promise<ProvisioningSnapshot> {
  const giveUpAt = Date.now() + FIRST_LOAD_TIMEOUT_MS;
  for (let attempt = 0; ; attempt++) {
    try {
      return await load();
    } catch (err) {
      const isRetryable = err instanceof Error && 'retryable' in err && err.retryable === true;
      if (!isRetryable || Date.now() > giveUpAt) throw err;
      if (attempt === 0) logger.warn({ err }, 'provisioning data cannot be loaded yet; trying again');
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  }
}
