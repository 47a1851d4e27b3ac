import { randomUUID } from 'node:crypto';
import {
  activeCallsKey,
  type FeatureServerInfo,
  HttpError,
  hiddenCallKey,
  type LiveCallEntry,
  type Logger,
  ledgerKey,
  type Redis,
  UPDATE_CALL_PATH,
} from '@ringwire/common';
import type { FeatureServers } from './feature-servers.js';

/** A live call, and the feature server that holds it. */
export interface FoundCall {
  entry: LiveCallEntry;
  server: FeatureServerInfo;
}

/** What a feature server made of an update: 202 without a body, or 200 with one. */
export interface UpdateReply {
  status: number;
  body?: unknown;
}

/** The calls that feature servers hold now, as Redis has them. */
export interface LiveCalls {
  /** A call of an account by its sid, also a leg that another call has called; undefined without one. @throws HttpError 503 while Redis is away */
  find(accountSid: string, callSid: string): Promise<FoundCall | undefined>;
  /** All of an account. @throws HttpError 503 while Redis is away */
  list(accountSid: string): Promise<FoundCall[]>;
  /** Has something done to a call. @throws HttpError 400, 422 as the feature server says; 502 when it does not answer */
  update(call: FoundCall, body: unknown): Promise<UpdateReply>;
  /** Takes a call out of the list until its next status; it goes on. */
  forget(call: FoundCall): Promise<void>;
}

/** `sip_request` waits for the far end's answer, at most as long as SIP lets it take (RFC 3261 §17.1.2.2). */
const UPDATE_DEADLINE_MS = 35_000;

/** No call has one status for longer. */
const HIDDEN_MS = 24 * 60 * 60_000;

/** Builds {@link LiveCalls} over the ledgers of the feature servers that Redis names. */
export function liveCalls(options: { redis: Redis; servers: FeatureServers; logger: Logger }): LiveCalls {
  const { redis, servers, logger } = options;
  const alive = async (): Promise<FeatureServerInfo[]> => {
    if (redis.status !== 'ready') throw new HttpError(503, 'live calls are not known: redis is away');
    return servers.list();
  };
  /** Without those that were taken out of the list since their last status. */
  const shownOf = async (calls: FoundCall[]): Promise<FoundCall[]> => {
    if (calls.length === 0) return [];
    const hidden = await redis.mget(...calls.map(({ entry }) => hiddenCallKey(entry.callSid)));
    return calls.filter(({ entry }, index) => hidden[index] !== statusOf(entry));
  };
  /** The entries of calls, by whoever holds them. */
  const look = async (callSids: readonly string[], accountSid: string): Promise<FoundCall[]> => {
    if (callSids.length === 0) return [];
    const looks = (await alive()).map(async (server) => {
      const entries = await redis.hmget(ledgerKey(server.instanceId), ...callSids);
      return entries.flatMap((json) => {
        const entry = json === null ? undefined : read(json);
        return entry?.accountSid === accountSid ? [{ entry, server }] : [];
      });
    });
    return shownOf((await Promise.all(looks)).flat());
  };
  return {
    find: async (accountSid, callSid) => (await look([callSid], accountSid))[0],
    async list(accountSid) {
      if (redis.status !== 'ready') throw new HttpError(503, 'live calls are not known: redis is away');
      return look(await redis.zrangebyscore(activeCallsKey(accountSid), Date.now(), '+inf'), accountSid);
    },
    async update({ entry, server }, body) {
      const { callSid, accountSid } = entry;
      const order = { orderId: randomUUID(), callSid, accountSid, body };
      let response: Response;
      try {
        response = await servers.post(server, UPDATE_CALL_PATH, order, UPDATE_DEADLINE_MS);
      } catch (err) {
        logger.warn({ err, callSid, featureServer: server.instanceId }, 'a feature server does not answer an update');
        throw new HttpError(502, 'the feature server that holds the call does not answer');
      }
      const answer = (await response.json().catch(() => undefined)) as { msg?: string } | undefined;
      if (response.ok) return { status: response.status, ...(answer && { body: answer }) };
      const isTold = [400, 422, 429].includes(response.status);
      const retryAfter = response.headers.get('retry-after');
      throw new HttpError(
        isTold ? response.status : 502,
        answer?.msg ?? `feature server answered ${response.status}`,
        retryAfter === null ? {} : { retryAfter },
      );
    },
    async forget({ entry }) {
      await redis.set(hiddenCallKey(entry.callSid), statusOf(entry), 'PX', HIDDEN_MS);
    },
  };
}

const statusOf = ({ payload }: LiveCallEntry): string => String(payload.callStatus);

function read(json: string): LiveCallEntry | undefined {
  try {
    return JSON.parse(json) as LiveCallEntry;
  } catch {
    // Written by something that is not one of us.
    return undefined;
  }
}
