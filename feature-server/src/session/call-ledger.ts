import { setTimeout as sleep } from 'node:timers/promises';
import {
  FEATURE_SERVERS,
  featureServerKey,
  HEARTBEAT_MS,
  HEARTBEAT_TTL_MS,
  LEDGER_OWNERS,
  type LiveCallEntry,
  type Logger,
  ledgerKey,
  ledgerLockKey,
  ledgerReportedKey,
  ledgerTakenKey,
  type Redis,
  SUSPECTED_FEATURE_SERVERS,
} from '@ringwire/common';
import type { Hook } from '../app-client/application.js';
import { within } from '../media/deadline.js';

/** A live call as another feature server must know it to send its last call-status hook. No secrets. */
export interface LedgerEntry extends LiveCallEntry {
  /** Where status hooks go, without credentials; those are taken from the application. */
  statusHook?: Pick<Hook, 'url' | 'method'>;
  /** Base of a relative status hook. */
  baseUrl: string;
}

/** A ledger survives its owner for this long: time enough for a feature server to come up and report its calls. */
const LEDGER_TTL_MS = 60 * 60_000;
/** The last status of a call waits no longer for Redis. */
const ASK_DEADLINE_MS = 1_000;
/** A call that comes from another feature server waits no longer for Redis before it goes on. */
const TAKE_DEADLINE_MS = 2_000;
/** Where Redis refuses to say whose a call is, it is asked again after this. */
const TAKE_AGAIN_MS = 1_000;
/** How often it is looked whether a call was taken over. */
const TAKEN_LOOK_MS = 100;
/**
 * Takes an entry to tell the end of its call, and says so to whoever may have the call. KEYS: ledger, mark of the call. ARGV: call sid, the mark's life in ms, who
 * tells it. 1 for the one who may tell it now.
 */
const CLAIM = `
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 or redis.call('EXISTS', KEYS[2]) == 1 then return 0 end
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[2])
return 1`;
/**
 * Takes a call over. KEYS: ledger that it leaves, mark of who has taken it. ARGV: call sid, who takes it, the mark's life in ms. 0 where its end is told, or somebody
 * else has it. Asked again, as where its answer was lost, it answers the same.
 */
const TAKE_OVER = `
if redis.call('HDEL', KEYS[1], ARGV[1]) == 1 then
  redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
  return 1
end
return redis.call('GET', KEYS[2]) == ARGV[2] and 1 or 0`;
/** Longer than any answer of Redis is waited for. */
const TAKEN_TTL_MS = 60_000;

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
    private readonly takeDeadlineMs = TAKE_DEADLINE_MS,
  ) {
    this.#timer = setInterval(() => {
      // While Redis is away refreshes would only pile up.
      if (redis.status === 'ready') this.#run('refresh', this.redis.pexpire(ledgerKey(instanceId), LEDGER_TTL_MS));
    }, REFRESH_MS);
    this.#timer.unref();
  }

  /** Never throws: it is called where a SIP message comes in, with nobody to catch it. */
  put(entry: LedgerEntry): void {
    const key = ledgerKey(this.instanceId);
    let json: string;
    try {
      json = JSON.stringify(entry);
    } catch (err) {
      this.logger.error({ err, callSid: entry.callSid }, 'ledger entry of a call cannot be written');
      return;
    }
    this.#run(
      'put',
      this.redis
        .multi()
        .hset(key, entry.callSid, json)
        .pexpire(key, LEDGER_TTL_MS)
        .sadd(LEDGER_OWNERS, this.instanceId)
        .exec(),
    );
  }

  /**
   * Takes a call over that another instance has: its entry there goes, ours is put by {@link put} before. False where that one, or somebody else
   * for it, has told the call's end. Where Redis does not say so in time the call goes on as ours; `onLost` is called when it turns out to be none.
   * Never rejects.
   */
  async takeOver(callSid: string, from: string, onLost: () => void): Promise<boolean> {
    const { redis, instanceId } = this;
    const keys = [ledgerKey(from), ledgerTakenKey(callSid)] as const;
    const ask = async (): Promise<boolean> => {
      while (true) {
        try {
          return (await redis.eval(TAKE_OVER, 2, ...keys, callSid, instanceId, TAKEN_TTL_MS)) === 1;
        } catch (err) {
          // As while a replica takes the place of its master.
          this.logger.warn({ err, callSid, from }, 'whether a call that was taken over is ours is not known yet');
          if (redis.status === 'end') return true;
          await sleep(TAKE_AGAIN_MS, undefined, { ref: false });
        }
      }
    };
    const answer = ask();
    let isLate = false;
    void answer.then((isOurs) => {
      if (isOurs) return;
      this.remove(callSid);
      if (isLate) onLost();
    });
    return within(this.takeDeadlineMs, answer, () => new Error('Redis does not answer')).catch(() => {
      isLate = true;
      return true;
    });
  }

  /**
   * Waits until another instance has taken a call of ours over. False where none has in that time: its end is ours to tell. Never rejects.
   */
  async isTaken(callSid: string, waitMs: number): Promise<boolean> {
    const key = ledgerKey(this.instanceId);
    const giveUpAt = performance.now() + waitMs;
    try {
      while (performance.now() < giveUpAt) {
        if (this.redis.status !== 'ready' || (await this.redis.hexists(key, callSid)) === 0) return true;
        await new Promise((resolve) => setTimeout(resolve, TAKEN_LOOK_MS));
      }
      const claimed = await this.redis.eval(
        CLAIM,
        2,
        key,
        ledgerReportedKey(callSid),
        callSid,
        LEDGER_TTL_MS,
        this.instanceId,
      );
      return claimed !== 1;
    } catch (err) {
      this.logger.warn({ err, callSid }, 'whether a call was taken over is not known');
      return true;
    }
  }

  remove(callSid: string): void {
    this.#run('remove', this.redis.hdel(ledgerKey(this.instanceId), callSid));
  }

  /**
   * Whether another feature server has reported the call, taking this one for dead while it only stood still. False where Redis does not say: a status
   * told twice is better than none.
   */
  async isReported(callSid: string): Promise<boolean> {
    if (this.redis.status !== 'ready') return false;
    try {
      const late = (): Error => new Error('Redis does not answer');
      const by = await within(ASK_DEADLINE_MS, this.redis.get(ledgerReportedKey(callSid)), late);
      return by !== null && by !== this.instanceId;
    } catch (err) {
      this.logger.warn({ err, callSid }, 'whether the call was reported is not known');
      return false;
    }
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

/** So many hooks of one account are under way at once. */
const REPORTS_PER_ACCOUNT = 8;

/** KEYS: lock. ARGV: who held it. Another one may have it since it ran out. */
const UNLOCK = `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 0`;

/** Finds calls whose feature server died and sends the status hook that it could not send. */
export class OrphanSweep {
  readonly #suspects = new Set<string>();
  /** How long ago each suspect had had its last heartbeat, when it was looked at last. */
  readonly #silentMs = new Map<string, number>();
  readonly #timers: NodeJS.Timeout[];
  /** Looks and burials that are under way. A burial lasts as long as the slowest hook, and no look waits for it. */
  readonly #running = new Set<Promise<void>>();
  #closed = false;

  constructor(private readonly options: OrphanSweepOptions) {
    const every = (ms: number, findDead: () => Promise<string[]>): NodeJS.Timeout => {
      let isLooking = false;
      const look = async (): Promise<void> => {
        isLooking = true;
        try {
          for (const owner of await findDead()) this.#track(this.#bury(owner));
        } finally {
          isLooking = false;
        }
      };
      return setInterval(() => {
        // With Redis away there is nothing to learn, and a queued look would act on old news.
        if (!isLooking && !this.#closed && options.redis.status === 'ready') this.#track(look());
      }, ms).unref();
    };
    this.#timers = [
      every(options.intervalMs ?? 5_000, () => this.#findDead()),
      every(options.intervalMs ?? SUSPECTS_EVERY_MS, () => this.#findDeadSuspects()),
    ];
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const timer of this.#timers) clearInterval(timer);
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  #track(work: Promise<void>): void {
    const safe: Promise<void> = work
      .catch((err: unknown) => this.options.logger.warn({ err }, 'orphan sweep failed'))
      .finally(() => this.#running.delete(safe));
    this.#running.add(safe);
  }

  /** One look at all owners, and the reports of those who are dead: whom two looks in a row find without a heartbeat. */
  async sweep(): Promise<void> {
    await Promise.all((await this.#findDead()).map((owner) => this.#bury(owner)));
  }

  /**
   * Reports the calls of those whom an edge suspects and who have missed a heartbeat, without waiting until it runs out. Who has had another
   * heartbeat since is suspected no more; whom two looks find without any is dead, as where the only one there was has just been started anew.
   */
  async lookAtSuspects(): Promise<void> {
    await Promise.all((await this.#findDeadSuspects()).map((owner) => this.#bury(owner)));
  }

  async #findDead(): Promise<string[]> {
    const { redis, instanceId } = this.options;
    const dead: string[] = [];
    for (const owner of await redis.smembers(LEDGER_OWNERS)) {
      if (owner === instanceId) continue;
      if ((await redis.exists(featureServerKey(owner))) === 1) {
        this.#suspects.delete(owner);
      } else if (this.#suspects.has(owner)) {
        this.#suspects.delete(owner);
        dead.push(owner);
      } else {
        this.#suspects.add(owner);
      }
    }
    return dead;
  }

  async #findDeadSuspects(): Promise<string[]> {
    const { redis, instanceId } = this.options;
    const suspects = await redis.smembers(SUSPECTED_FEATURE_SERVERS);
    const dead: string[] = [];
    for (const known of this.#silentMs.keys()) if (!suspects.includes(known)) this.#silentMs.delete(known);
    for (const suspect of suspects) {
      const left = await redis.pttl(featureServerKey(suspect));
      const silentMs = HEARTBEAT_TTL_MS - left;
      const before = this.#silentMs.get(suspect) ?? 0;
      const isAlive = suspect === instanceId || silentMs < before;
      // The heartbeat of one that merely lost Redis may be missing for a moment: it is looked at twice.
      const isDead = !isAlive && (left > 0 ? silentMs > SUSPECT_SILENT_MS : before > HEARTBEAT_TTL_MS);
      this.#silentMs.set(suspect, silentMs);
      if (isDead) {
        await redis.del(featureServerKey(suspect));
        dead.push(suspect);
      }
      if (isAlive || isDead) await redis.srem(SUSPECTED_FEATURE_SERVERS, suspect);
    }
    return dead;
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
      const queues = new Map<string, LedgerEntry[]>();
      for (const [callSid, json] of entries) {
        const entry = this.#read(callSid, json);
        if (!entry) await redis.hdel(ledgerKey(owner), callSid);
        else if (!queues.get(entry.accountSid)?.push(entry)) queues.set(entry.accountSid, [entry]);
      }
      await Promise.all([...queues.values()].map((queue) => this.#reportAll(queue, owner, diedAt)));
      // What Redis did not give away is looked at again.
      if ((await redis.hlen(ledgerKey(owner))) === 0) await redis.srem(LEDGER_OWNERS, owner);
      await redis.srem(FEATURE_SERVERS, owner);
    } finally {
      await redis.eval(UNLOCK, 1, ledgerLockKey(owner), instanceId);
    }
  }

  #read(callSid: string, json: string): LedgerEntry | null {
    try {
      return { ...(JSON.parse(json) as LedgerEntry), callSid };
    } catch (err) {
      this.options.logger.error({ err, callSid }, 'ledger entry of an orphaned call cannot be read');
      return null;
    }
  }

  /** The calls of one account: a hook of its own that hangs keeps nobody else's waiting. */
  async #reportAll(queue: LedgerEntry[], owner: string, diedAt: number): Promise<void> {
    const worker = async (): Promise<void> => {
      for (let entry = queue.shift(); entry; entry = queue.shift()) await this.#reportOne(entry, owner, diedAt);
    };
    await Promise.all(Array.from({ length: REPORTS_PER_ACCOUNT }, worker));
  }

  async #reportOne(entry: LedgerEntry, owner: string, diedAt: number): Promise<void> {
    const { redis, logger, report, instanceId } = this.options;
    const { callSid } = entry;
    try {
      // The lock does not last as long as slow hooks do: whoever takes the entry reports it.
      const keys = [ledgerKey(owner), ledgerReportedKey(callSid)] as const;
      const claimed = await redis.eval(CLAIM, 2, ...keys, callSid, LEDGER_TTL_MS, instanceId);
      if (claimed === 1) await report(entry, diedAt);
    } catch (err) {
      logger.error({ err, callSid }, 'last call-status of an orphaned call could not be sent');
    }
  }
}
