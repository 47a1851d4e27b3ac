import type { CallStarted } from '../events/types.js';
import type { Logger } from '../log/logger.js';
import type { Redis } from './connection.js';
import { activeCallsKey, callKey, dialogHolderKey } from './keys.js';
import { withinDeadline } from './within-deadline.js';

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
  /** @param dialogs - as {@link dialogs} */
  answered(callSid: string, answeredAt: number, dialogs?: readonly string[]): void;
  /** Names the call's dialogs with the outside (`dialogName`), instead of those that were named before. */
  dialogs(callSid: string, names: readonly string[]): void;
  remove(callSid: string): void;
  /** Live calls of an account over all owners; only this process's own while Redis is away. */
  count(accountSid: string): Promise<number>;
  /** Live calls of this process. */
  readonly size: number;
  /** Removes what is left of this process's calls and stops. */
  close(): Promise<void>;
}

/** Whose call a dialog with the outside belongs to, and which process has it. */
export interface DialogHolder {
  owner: string;
  callSid: string;
  accountSid: string | null;
  voipCarrierSid: string | null;
}

/** A question about a dialog that takes longer is answered as if there were none. */
const FIND_DEADLINE_MS = 1_000;

/** Finds who has a dialog, by its `dialogName`; null where nobody has it, or Redis does not answer. Never rejects. */
export async function findDialogHolder(
  redis: Pick<Redis, 'get' | 'status'>,
  name: string,
  logger: Logger,
): Promise<DialogHolder | null> {
  if (redis.status !== 'ready') return null;
  try {
    const late = (): void => logger.warn({ dialog: name }, 'redis did not say in time who has a dialog');
    const text = await withinDeadline(redis.get(dialogHolderKey(name)), FIND_DEADLINE_MS, late);
    return text ? (JSON.parse(text) as DialogHolder) : null;
  } catch (err) {
    logger.warn({ err, dialog: name }, 'redis did not say who has a dialog');
    return null;
  }
}

interface LiveCall {
  accountSid: string | null;
  dialogs: readonly string[];
  fields: Record<string, string | number>;
}

type EndedCall = Pick<LiveCall, 'accountSid' | 'dialogs'>;

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
  const ended = new Map<string, EndedCall>();
  type Pipeline = ReturnType<Redis['pipeline']>;

  const renew = (pipeline: Pipeline, callSid: string, call: LiveCall): void => {
    pipeline.hset(callKey(callSid), call.fields).pexpire(callKey(callSid), ENTRY_TTL_MS);
    if (call.dialogs.length > 0) {
      const { accountSid, fields } = call;
      const holder = { owner, callSid, accountSid, voipCarrierSid: fields.voipCarrierSid ?? null };
      const text = JSON.stringify(holder);
      for (const name of call.dialogs) pipeline.set(dialogHolderKey(name), text, 'PX', ENTRY_TTL_MS);
    }
    if (call.accountSid === null) return;
    const key = activeCallsKey(call.accountSid);
    // A crashed owner's members go with the set when nobody calls any more, or when another call is renewed.
    pipeline.zadd(key, Date.now() + ENTRY_TTL_MS, callSid).pexpire(key, ENTRY_TTL_MS);
  };
  const drop = (pipeline: Pipeline, callSid: string, { accountSid, dialogs }: EndedCall): void => {
    pipeline.del(callKey(callSid));
    for (const name of dialogs) pipeline.del(dialogHolderKey(name));
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
      for (const [callSid, call] of removed) drop(pipeline, callSid, call);
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
  /** What is named no more is removed at once, or expires where Redis is away. */
  const writeDialogs = (callSid: string, call: LiveCall, names: readonly string[]): void => {
    const gone = call.dialogs.filter((name) => !names.includes(name));
    call.dialogs = names;
    void run((pipeline) => {
      for (const name of gone) pipeline.del(dialogHolderKey(name));
      renew(pipeline, callSid, call);
    });
  };
  const ownCount = (accountSid: string): number =>
    [...live.values()].filter((call) => call.accountSid === accountSid).length;

  const onReady = (): void => void renewAll();
  redis.on('ready', onReady);
  const timer = setInterval(onReady, RENEW_MS);
  return {
    add(call) {
      const entry = { accountSid: call.accountSid, dialogs: [], fields: { ...hashFields(call), owner } };
      live.set(call.callSid, entry);
      void run((pipeline) => renew(pipeline, call.callSid, entry));
    },
    update: set,
    answered(callSid, answeredAt, dialogs = []) {
      const call = live.get(callSid);
      if (call === undefined) return;
      call.fields.answeredAt = answeredAt;
      writeDialogs(callSid, call, dialogs);
    },
    dialogs(callSid, names) {
      const call = live.get(callSid);
      if (call !== undefined) writeDialogs(callSid, call, names);
    },
    remove(callSid) {
      const call = live.get(callSid);
      if (call === undefined) return;
      live.delete(callSid);
      if (redis.status !== 'ready') ended.set(callSid, call);
      else void run((pipeline) => drop(pipeline, callSid, call));
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
        for (const [callSid, call] of [...ended, ...live]) drop(pipeline, callSid, call);
      });
      live.clear();
    },
  };
}
