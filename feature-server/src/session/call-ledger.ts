import {
  FEATURE_SERVERS,
  featureServerKey,
  HEARTBEAT_MS,
  HEARTBEAT_TTL_MS,
  LEDGER_OWNERS,
  type Logger,
  ledgerKey,
  ledgerLockKey,
  type Redis,
  SUSPECTED_FEATURE_SERVERS,
} from '@ringwire/common';
import type { Hook } from '../app-client/application.js';

/** A live call as another feature server must know it to send its last call-status hook. No secrets. */
export interface LedgerEntry {
  callSid: string;
  accountSid: string;
  applicationSid: string;
  /** Where status hooks go, without credentials; those are taken from the application. */
  statusHook?: Pick<Hook, 'url' | 'method'>;
  /** Base of a relative status hook. */
  baseUrl: string;
  /** Ms since the epoch; absent while unanswered. */
  answeredAt?: number;
  /** jambonz's common payload, camelCase, as of the last status. */
  payload: Record<string, unknown>;
}

/** A ledger survives its owner for this long: time enough for a feature server to come up and report its calls. */
const LEDGER_TTL_MS = 60 * 60_000;
/** As often as the heartbeat: what is left of the ledger's life tells when its owner was last alive. */
const REFRESH_MS = HEARTBEAT_MS;

/**
 * What this instance would leave behind if it died now. Writes are queued in order and never awaited by a call; while
 * Redis is away they wait.
 */
export class CallLedger {
  readonly #timer: NodeJS.Timeout;

  constructor(
    private readonly redis: Redis,
    private readonly instanceId: string,
    private readonly logger: Logger,
  ) {
    this.#timer = setInterval(() => {
      // While Redis is away refreshes would only pile up.
      if (redis.status === 'ready') this.#run('refresh', this.redis.pexpire(ledgerKey(instanceId), LEDGER_TTL_MS));
    }, REFRESH_MS);
    this.#timer.unref();
  }

  put(entry: LedgerEntry): void {
    const key = ledgerKey(this.instanceId);
    this.#run(
      'put',
      this.redis
        .multi()
        .hset(key, entry.callSid, JSON.stringify(entry))
        .pexpire(key, LEDGER_TTL_MS)
        .sadd(LEDGER_OWNERS, this.instanceId)
        .exec(),
    );
  }

  remove(callSid: string): void {
    this.#run('remove', this.redis.hdel(ledgerKey(this.instanceId), callSid));
  }

  /** Removes this instance from the owners when it leaves nothing behind. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    if (this.redis.status !== 'ready') return;
    const left = await this.redis.hlen(ledgerKey(this.instanceId));
    if (left === 0) await this.redis.srem(LEDGER_OWNERS, this.instanceId);
  }

  #run(what: string, command: Promise<unknown>): void {
    command.catch((err: unknown) => this.logger.warn({ err, what }, 'call ledger could not be written'));
  }
}

/** What {@link OrphanSweep} needs besides Redis. */
export interface OrphanSweepOptions {
  redis: Redis;
  instanceId: string;
  logger: Logger;
  /** Sends the last status hook of a call whose feature server died; `diedAt`: when that was last alive, ms since the epoch. */
  report(entry: LedgerEntry, diedAt: number): Promise<void>;
  /** @defaultValue 5000: above the heartbeat, so that two looks see an instance that merely lost Redis come back. */
  intervalMs?: number;
}

/** How often those are looked at whom an edge suspects: their calls' last status is to go out within 5 s. */
const SUSPECTS_EVERY_MS = 1_000;
/** One heartbeat is missing for a second. */
const SUSPECT_SILENT_MS = HEARTBEAT_MS + 1_000;

/** Finds calls whose feature server died and sends the status hook that it could not send. */
export class OrphanSweep {
  readonly #suspects = new Set<string>();
  /** How long ago each suspect had had its last heartbeat, when it was looked at last. */
  readonly #silentMs = new Map<string, number>();
  readonly #timers: NodeJS.Timeout[];
  #running: Promise<void> = Promise.resolve();
  #closed = false;

  constructor(private readonly options: OrphanSweepOptions) {
    const every = (ms: number, work: () => Promise<void>): NodeJS.Timeout =>
      setInterval(() => {
        this.#running = this.#running.then(() => this.#safely(work));
      }, ms).unref();
    this.#timers = [
      every(options.intervalMs ?? 5_000, () => this.sweep()),
      every(options.intervalMs ?? SUSPECTS_EVERY_MS, () => this.lookAtSuspects()),
    ];
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) clearInterval(timer);
    await this.#running;
  }

  async #safely(work: () => Promise<void>): Promise<void> {
    // With Redis away there is nothing to learn, and a queued sweep would act on old news.
    if (this.#closed || this.options.redis.status !== 'ready') return;
    try {
      await work();
    } catch (err) {
      this.options.logger.warn({ err }, 'orphan sweep failed');
    }
  }

  /** One look at all owners. An instance is dead when two looks in a row find it without a heartbeat. */
  async sweep(): Promise<void> {
    const { redis, instanceId } = this.options;
    for (const owner of await redis.smembers(LEDGER_OWNERS)) {
      if (owner === instanceId) continue;
      if ((await redis.exists(featureServerKey(owner))) === 1) {
        this.#suspects.delete(owner);
      } else if (this.#suspects.has(owner)) {
        this.#suspects.delete(owner);
        await this.#bury(owner);
      } else {
        this.#suspects.add(owner);
      }
    }
  }

  /**
   * Reports the calls of those whom an edge suspects and who have missed a heartbeat, without waiting until it runs out. Who has had another
   * heartbeat since is suspected no more.
   */
  async lookAtSuspects(): Promise<void> {
    const { redis, instanceId } = this.options;
    const suspects = await redis.smembers(SUSPECTED_FEATURE_SERVERS);
    for (const known of this.#silentMs.keys()) if (!suspects.includes(known)) this.#silentMs.delete(known);
    for (const suspect of suspects) {
      const left = await redis.pttl(featureServerKey(suspect));
      const silentMs = HEARTBEAT_TTL_MS - left;
      const isAlive = suspect === instanceId || silentMs < (this.#silentMs.get(suspect) ?? 0);
      const isDead = !isAlive && silentMs > SUSPECT_SILENT_MS;
      this.#silentMs.set(suspect, silentMs);
      if (isDead && left > 0) {
        await redis.del(featureServerKey(suspect));
        await this.#bury(suspect);
      }
      // One without a heartbeat is the sweep's, which looks twice.
      if (isAlive || isDead) await redis.srem(SUSPECTED_FEATURE_SERVERS, suspect);
    }
  }

  async #bury(owner: string): Promise<void> {
    const { redis, logger, instanceId } = this.options;
    const locked = await redis.set(ledgerLockKey(owner), instanceId, 'PX', 60_000, 'NX');
    if (locked !== 'OK') return;
    try {
      const left = await redis.pttl(ledgerKey(owner));
      const diedAt = left < 0 ? Date.now() : Date.now() - Math.max(0, LEDGER_TTL_MS - left);
      const entries = Object.entries(await redis.hgetall(ledgerKey(owner)));
      logger.warn({ owner, calls: entries.length }, 'feature server died, its calls are reported');
      for (const [callSid, json] of entries) {
        await this.#reportOne(callSid, json, diedAt);
        await redis.hdel(ledgerKey(owner), callSid);
      }
      await redis.srem(LEDGER_OWNERS, owner);
      await redis.srem(FEATURE_SERVERS, owner);
    } finally {
      await redis.del(ledgerLockKey(owner));
    }
  }

  async #reportOne(callSid: string, json: string, diedAt: number): Promise<void> {
    try {
      await this.options.report(JSON.parse(json) as LedgerEntry, diedAt);
    } catch (err) {
      this.options.logger.error({ err, callSid }, 'last call-status of an orphaned call could not be sent');
    }
  }
}
