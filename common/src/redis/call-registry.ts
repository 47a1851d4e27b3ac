import type { CallStarted } from '../events/types.js';
import type { Logger } from '../log/logger.js';
import type { Redis } from './connection.js';
import { activeCallsKey, callKey } from './keys.js';

/** A live call's entries are gone this long after its owner last renewed them. */
const ENTRY_TTL_MS = 30_000;
const RENEW_MS = 10_000;
/** A count that takes longer is answered from this process's own calls. */
const COUNT_DEADLINE_MS = 250;

/**
 * The live calls of one owner, in Redis: `callKey` hashes and the counts per account. Nothing here waits for Redis or throws;
 * what could not be written while it was away is written when it is back.
 */
export interface CallRegistry {
  add(call: CallStarted): void;
  /** Adds fields to the call's hash (`featureServer`, `callStatus`…). */
  update(callSid: string, fields: Record<string, string | number>): void;
  answered(callSid: string, answeredAt: number): void;
  remove(callSid: string): void;
  /** Live calls of an account over all owners; only this process's own while Redis is away. */
  count(accountSid: string): Promise<number>;
  /** Live calls of this process. */
  readonly size: number;
  /** Removes what is left of this process's calls and stops. */
  close(): Promise<void>;
}

interface LiveCall {
  accountSid: string | null;
  fields: Record<string, string | number>;
}

/** The fields of a call's hash: nulls are left out, since Redis has none. */
const hashFields = (call: CallStarted): Record<string, string | number> =>
  Object.fromEntries(
    Object.entries(call).filter(
      (entry): entry is [string, string | number] => entry[1] !== null && entry[1] !== undefined,
    ),
  );

/** Makes the registry of one owner. */
export function callRegistry({ redis, owner, logger }: { redis: Redis; owner: string; logger: Logger }): CallRegistry {
  const live = new Map<string, LiveCall>();
  const ended = new Map<string, string | null>();
  type Pipeline = ReturnType<Redis['pipeline']>;

  const renew = (pipeline: Pipeline, callSid: string, call: LiveCall): void => {
    pipeline.hset(callKey(callSid), call.fields).pexpire(callKey(callSid), ENTRY_TTL_MS);
    if (call.accountSid === null) return;
    const key = activeCallsKey(call.accountSid);
    // A crashed owner's members go with the set when nobody calls any more, or when another call is renewed.
    pipeline.zadd(key, Date.now() + ENTRY_TTL_MS, callSid).pexpire(key, ENTRY_TTL_MS);
  };
  const drop = (pipeline: Pipeline, callSid: string, accountSid: string | null): void => {
    pipeline.del(callKey(callSid));
    if (accountSid !== null) pipeline.zrem(activeCallsKey(accountSid), callSid);
  };
  const run = async (fill: (pipeline: Pipeline) => void): Promise<void> => {
    // While Redis is away nothing is queued: the next renewal writes the state as it is then.
    if (redis.status !== 'ready') return;
    const pipeline = redis.pipeline();
    fill(pipeline);
    try {
      await pipeline.exec();
    } catch (err) {
      logger.warn({ err }, 'live calls were not written to redis');
    }
  };
  const renewAll = async (): Promise<void> => {
    if (redis.status !== 'ready') return;
    const removed = [...ended];
    ended.clear();
    await run((pipeline) => {
      for (const [callSid, accountSid] of removed) drop(pipeline, callSid, accountSid);
      for (const [callSid, call] of live) renew(pipeline, callSid, call);
      const accounts = new Set([...live.values()].map(({ accountSid }) => accountSid));
      for (const accountSid of accounts) {
        if (accountSid !== null) pipeline.zremrangebyscore(activeCallsKey(accountSid), '-inf', Date.now());
      }
    });
  };
  const set = (callSid: string, fields: Record<string, string | number>): void => {
    const call = live.get(callSid);
    if (call === undefined) return;
    Object.assign(call.fields, fields);
    void run((pipeline) => renew(pipeline, callSid, call));
  };
  const ownCount = (accountSid: string): number =>
    [...live.values()].filter((call) => call.accountSid === accountSid).length;

  const onReady = (): void => void renewAll();
  redis.on('ready', onReady);
  const timer = setInterval(onReady, RENEW_MS);
  return {
    add(call) {
      const entry = { accountSid: call.accountSid, fields: { ...hashFields(call), owner } };
      live.set(call.callSid, entry);
      void run((pipeline) => renew(pipeline, call.callSid, entry));
    },
    update: set,
    answered: (callSid, answeredAt) => set(callSid, { answeredAt }),
    remove(callSid) {
      const call = live.get(callSid);
      if (call === undefined) return;
      live.delete(callSid);
      if (redis.status !== 'ready') ended.set(callSid, call.accountSid);
      else void run((pipeline) => drop(pipeline, callSid, call.accountSid));
    },
    async count(accountSid) {
      if (redis.status !== 'ready') return ownCount(accountSid);
      let timer: NodeJS.Timeout | undefined;
      const deadline = new Promise<number>((resolve) => {
        timer = setTimeout(() => resolve(ownCount(accountSid)), COUNT_DEADLINE_MS);
      });
      const counted = redis.zcount(activeCallsKey(accountSid), Date.now(), '+inf').catch((err: unknown) => {
        logger.warn({ err }, 'live calls were not counted in redis');
        return ownCount(accountSid);
      });
      return Promise.race([counted, deadline]).finally(() => clearTimeout(timer));
    },
    get size() {
      return live.size;
    },
    async close() {
      clearInterval(timer);
      redis.off('ready', onReady);
      await run((pipeline) => {
        for (const [callSid, accountSid] of ended) drop(pipeline, callSid, accountSid);
        for (const [callSid, call] of live) drop(pipeline, callSid, call.accountSid);
      });
      live.clear();
    },
  };
}
