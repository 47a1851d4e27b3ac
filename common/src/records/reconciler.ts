import type { Database } from '../db/database.js';
import { createTimeline } from '../events/timeline.js';
import { type CallEnded, EVENT_STREAM, type EventSink } from '../events/types.js';
import type { Logger } from '../log/logger.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Redis } from '../redis/connection.js';
import { callKey, sbcKey } from '../redis/keys.js';
import {
  endCall,
  findOwnersOfUnfinishedCalls,
  findUnfinishedCalls,
  type UnfinishedCall,
} from './call-records-store.js';
import { RECORDS_GROUP } from './records-consumer.js';

/** Ends calls whose owner died. */
export interface Reconciler {
  /** Looks once, now. @returns how many calls it ended */
  reconcile(): Promise<number>;
  close(): Promise<void>;
}

const LOOK_EVERY_MS = 5_000;
/** An owner must be gone for this long: longer than it takes a restarted Redis to hear of the living again. */
const GONE_FOR_MS = 15_000;
/** Calls ended per look; the keys of a dead owner's other calls expire meanwhile, so none waits for ever. */
const BATCH_SIZE = 1_000;

/** A call that looks abandoned. */
interface Suspect {
  since: number;
  /** End of the event stream when the wait was over: the consumer must have passed it, lest an end is still on its way. */
  streamEnd?: string;
}

const isAfter = (a: string, b: string): boolean => {
  const [aMs = '0', aSeq = '0'] = a.split('-');
  const [bMs = '0', bSeq = '0'] = b.split('-');
  return BigInt(aMs) > BigInt(bMs) || (aMs === bMs && BigInt(aSeq) > BigInt(bSeq));
};

const fieldsOf = (flat: unknown): Map<string, unknown> => {
  const list = Array.isArray(flat) ? flat : [];
  return new Map(list.flatMap((key, i) => (i % 2 === 0 ? [[String(key), list[i + 1]]] : [])));
};

const streamEnd = async (redis: Redis): Promise<string> => {
  if ((await redis.exists(EVENT_STREAM)) === 0) return '0-0';
  return String(fieldsOf(await redis.xinfo('STREAM', EVENT_STREAM)).get('last-generated-id') ?? '0-0');
};

/** Whether the records consumer has confirmed everything up to `id`. */
const isRecordedUpTo = async (redis: Redis, id: string): Promise<boolean> => {
  if (id === '0-0') return true;
  const groups = (await redis.xinfo('GROUPS', EVENT_STREAM)) as unknown[];
  const group = groups.map(fieldsOf).find((fields) => fields.get('name') === RECORDS_GROUP);
  if (group === undefined || isAfter(id, String(group.get('last-delivered-id')))) return false;
  const pending = (await redis.xpending(EVENT_STREAM, RECORDS_GROUP, '-', id, 1)) as unknown[];
  return pending.length === 0;
};

const platformFailure = (call: UnfinishedCall, ownerSeenAt: number): CallEnded => {
  const { answeredAt, lastSeenAt, ...started } = call;
  const lastKnown = Math.max(call.attemptedAt, answeredAt ?? 0, lastSeenAt ?? 0, ownerSeenAt);
  const terminatedAt = Math.min(lastKnown, Date.now());
  return {
    ...started,
    answered: answeredAt !== null,
    answeredAt,
    terminatedAt,
    durationSec: answeredAt === null ? 0 : Math.max(0, Math.floor((terminatedAt - answeredAt) / 1000)),
    sipStatus: answeredAt === null ? 500 : 200,
    sipReason: answeredAt === null ? 'Server Internal Error' : 'OK',
    terminationReason: 'platform failure',
  };
};

/**
 * Ends the calls of dead owners: rows without an end whose owner is not alive in Redis and whose `callKey` is gone, both for over
 * 15 s, and whose end is not on its way in the stream. Each gets `platform failure`, the last time at which it or its owner was
 * seen, and a last timeline entry. Several may run: the row decides who ends a call.
 */
export function startReconciler({
  db,
  redis,
  sink,
  logger,
  metrics,
  lookEveryMs = LOOK_EVERY_MS,
  goneForMs = GONE_FOR_MS,
}: {
  db: Database;
  redis: Redis;
  sink: EventSink;
  logger: Logger;
  metrics?: Metrics;
  lookEveryMs?: number;
  goneForMs?: number;
}): Reconciler {
  const suspects = new Map<string, Suspect>();
  const ownersSeenAt = new Map<string, number>();
  const reconciled = metrics?.counter({
    name: 'ringwire_calls_reconciled_total',
    help: 'Calls ended because their owner died',
  });

  const end = async (call: UnfinishedCall): Promise<boolean> => {
    const ended = platformFailure(call, ownersSeenAt.get(call.owner) ?? 0);
    if (!(await endCall(db, ended))) return false;
    reconciled?.inc();
    logger.warn({ callSid: call.callSid, owner: call.owner }, 'call ended: its owner died');
    const about = {
      callSid: call.callSid,
      sipCallId: call.sipCallId,
      ...(call.accountSid ? { accountSid: call.accountSid } : {}),
    };
    sink.emit('call.ended', ended, about);
    createTimeline(sink, about).error('call', `ended by the platform: ${call.owner}, which held the call, died`, {
      final: true,
      terminationReason: ended.terminationReason,
      durationSec: ended.durationSec,
    });
    return true;
  };

  const findDeadOwners = async (): Promise<string[]> => {
    const owners = await findOwnersOfUnfinishedCalls(db);
    const living = owners.length === 0 ? [] : await redis.mget(owners.map(sbcKey));
    const now = Date.now();
    for (const owner of ownersSeenAt.keys()) if (!owners.includes(owner)) ownersSeenAt.delete(owner);
    return owners.filter((owner, i) => {
      const isAlive = living[i] !== null;
      if (isAlive) ownersSeenAt.set(owner, now);
      return !isAlive;
    });
  };

  /** Calls of dead owners that nobody else holds. */
  const findAbandoned = async (): Promise<UnfinishedCall[]> => {
    const calls = await findUnfinishedCalls(db, await findDeadOwners(), BATCH_SIZE);
    if (calls.length === 0) return [];
    const pipeline = redis.pipeline();
    for (const call of calls) pipeline.exists(callKey(call.callSid));
    const held = (await pipeline.exec()) ?? [];
    return calls.filter((_, i) => held[i]?.[0] === null && held[i]?.[1] === 0);
  };

  const look = async (): Promise<number> => {
    const now = Date.now();
    const abandoned = await findAbandoned();
    const sids = new Set(abandoned.map((call) => call.callSid));
    for (const sid of suspects.keys()) if (!sids.has(sid)) suspects.delete(sid);
    let ended = 0;
    for (const call of abandoned) {
      const suspect = suspects.get(call.callSid) ?? { since: now };
      suspects.set(call.callSid, suspect);
      if (now - suspect.since < goneForMs) continue;
      suspect.streamEnd ??= await streamEnd(redis);
      if (!(await isRecordedUpTo(redis, suspect.streamEnd))) continue;
      if (await end(call)) ended += 1;
      suspects.delete(call.callSid);
    }
    return ended;
  };

  let closed = false;
  let looking: Promise<number> | undefined;
  const reconcile = (): Promise<number> => {
    looking ??= look().finally(() => {
      looking = undefined;
    });
    return looking;
  };
  const timer = setInterval(() => {
    if (redis.status !== 'ready') return;
    reconcile().catch((err: unknown) => {
      if (!closed) logger.warn({ err }, 'calls of dead owners were not looked for');
    });
  }, lookEveryMs);
  return {
    reconcile,
    async close() {
      closed = true;
      clearInterval(timer);
      if (redis.status === 'ready') await looking?.catch(() => 0);
    },
  };
}
