import type { Logger } from '../log/logger.js';
import type { Redis } from './connection.js';
import { conferenceChannel, conferenceKey, conferencesKey, conferenceWaitersKey, featureServerKey } from './keys.js';
import { withinDeadline } from './within-deadline.js';

/** A conference outlives the last sign of its feature server by this. */
const TTL_MS = 15_000;
const RENEW_MS = 5_000;
/** A caller who wants to join waits no longer for Redis. */
const ASK_DEADLINE_MS = 2_000;

/** The feature server that has a conference. */
export interface ConferenceHost {
  /** Its instance id. */
  featureServer: string;
  /** `ip:port` of its SIP server. */
  sipAddress: string;
  /** When the conference was started, ms since the epoch. */
  startedAt: number;
}

/** What others see of a member. */
export interface ConferenceMemberInfo {
  callSid: string;
  /** Its name on the media server. */
  memberId: number;
  memberTag?: string;
  /** The tag of those whom it speaks to, where it does not speak to all. */
  speakOnlyTo?: string;
  isModerator: boolean;
  isMuted: boolean;
  isOnHold: boolean;
  /** Ms since the epoch. */
  joinedAt: number;
}

/** A conference that goes on, or that calls wait for (`host` is missing then). */
export interface ConferenceInfo {
  name: string;
  host?: ConferenceHost;
  members: ConferenceMemberInfo[];
  /** Call sids of those who wait for its start. */
  waiting: string[];
}

/** The names of an account, each with when it is forgotten by Redis' own clock, without those that are. */
const NAMES = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
local function list(name, ttl)
  redis.call('ZADD', KEYS[2], now + ttl, name)
  redis.call('PEXPIRE', KEYS[2], ttl * 2)
end`;
/** Takes a conference unless somebody else has it. KEYS: conference, names. ARGV: feature server, SIP address, ms, TTL in ms, name, who is dead, channel. */
const CLAIM = `${NAMES}
local holder = redis.call('HGET', KEYS[1], 'featureServer')
if holder and holder == ARGV[6] then
  redis.call('DEL', KEYS[1])
  holder = false
end
if not holder then
  redis.call('HSET', KEYS[1], 'featureServer', ARGV[1], 'sipAddress', ARGV[2], 'startedAt', ARGV[3])
  redis.call('PUBLISH', ARGV[7], 'started')
end
if not holder or holder == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
  list(ARGV[5], ARGV[4])
end
return redis.call('HMGET', KEYS[1], 'featureServer', 'sipAddress', 'startedAt')`;
/** Forgets a conference where it is ours. KEYS: conference, names, waiters. ARGV: feature server, name. */
const RELEASE = `
if redis.call('HGET', KEYS[1], 'featureServer') ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if redis.call('EXISTS', KEYS[3]) == 0 then redis.call('ZREM', KEYS[2], ARGV[2]) end
return 1`;
/** Somebody waits still. KEYS: waiters, names. ARGV: who (see {@link waiterOf}), name, TTL in ms. */
const WAIT = `${NAMES}
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
list(ARGV[2], ARGV[3])
return 1`;
/** Somebody waits no more. KEYS: waiters, names, conference. ARGV: who, name. */
const UNWAIT = `
redis.call('ZREM', KEYS[1], ARGV[1])
if redis.call('EXISTS', KEYS[1], KEYS[3]) == 0 then redis.call('ZREM', KEYS[2], ARGV[2]) end
return 1`;

/** What {@link conferenceDirectory} needs. */
export interface ConferenceDirectoryOptions {
  redis: Redis;
  logger: Logger;
  featureServer: string;
  sipAddress(): string;
}

/** One feature server's view of who has which conference. Nothing here rejects; what Redis does not say is not known. */
export interface ConferenceDirectory {
  /** Who has it; undefined where nobody has, or Redis does not say. */
  find(accountSid: string, name: string): Promise<ConferenceHost | undefined>;
  /** Starts it here unless another one has it. @returns who has it then; ourselves also where Redis does not say */
  claim(accountSid: string, name: string): Promise<ConferenceHost>;
  /** Ours has ended. */
  release(accountSid: string, name: string): void;
  putMember(accountSid: string, name: string, member: ConferenceMemberInfo): void;
  removeMember(accountSid: string, name: string, callSid: string): void;
  /** Lists a call as one that waits for the start until the returned function is called. */
  wait(accountSid: string, name: string, callSid: string): () => void;
  close(): Promise<void>;
}

interface Held {
  accountSid: string;
  name: string;
  startedAt: number;
  members: Map<string, ConferenceMemberInfo>;
}

/** Keeps the conferences of one feature server in Redis. */
export function conferenceDirectory(options: ConferenceDirectoryOptions): ConferenceDirectory {
  const { redis, logger, featureServer } = options;
  const held = new Map<string, Held>();
  const waiting = new Set<{ accountSid: string; name: string; callSid: string }>();
  const idOf = (accountSid: string, name: string): string => `${accountSid} ${name}`;

  const write = (what: string, work: () => Promise<unknown>): void => {
    // While Redis is away nothing is queued: the next renewal writes the state as it is then.
    if (redis.status !== 'ready') return;
    work().catch((err: unknown) => logger.warn({ err, what }, 'conferences were not written to redis'));
  };
  const claimNow = async (
    accountSid: string,
    name: string,
    startedAt: number,
    dead: string,
  ): Promise<ConferenceHost> => {
    const keys = [conferenceKey(accountSid, name), conferencesKey(accountSid)];
    const about = [featureServer, options.sipAddress(), startedAt, TTL_MS, name, dead];
    const answer = await redis.eval(CLAIM, 2, ...keys, ...about, conferenceChannel(accountSid, name));
    const [holder = '', sipAddress = '', started = ''] = answer as (string | null)[];
    return { featureServer: String(holder), sipAddress: String(sipAddress), startedAt: Number(started) };
  };
  const asked = async <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
    if (redis.status !== 'ready') return undefined;
    const late = (): void => logger.warn({ what }, 'redis did not say in time who has a conference');
    try {
      return await withinDeadline(work(), ASK_DEADLINE_MS, late);
    } catch (err) {
      logger.warn({ err, what }, 'redis did not say who has a conference');
      return undefined;
    }
  };
  const isAlive = async (instanceId: string): Promise<boolean> =>
    instanceId === featureServer || (await redis.exists(featureServerKey(instanceId))) === 1;
  const memberFields = ({ members }: Held): Record<string, string> =>
    Object.fromEntries([...members].map(([callSid, member]) => [`m:${callSid}`, JSON.stringify(member)]));

  const renew = async (one: Held): Promise<void> => {
    const { accountSid, name } = one;
    const holder = await claimNow(accountSid, name, one.startedAt, '');
    // Taken over while we were silent: ours goes on without being found.
    if (holder.featureServer !== featureServer) return;
    const fields = memberFields(one);
    if (Object.keys(fields).length > 0) await redis.hset(conferenceKey(accountSid, name), fields);
  };
  const putWaiter = (one: { accountSid: string; name: string; callSid: string }): void => {
    const { accountSid, name, callSid } = one;
    const keys = [conferenceWaitersKey(accountSid, name), conferencesKey(accountSid)];
    write('wait', () => redis.eval(WAIT, 2, ...keys, waiterOf(callSid, featureServer), name, TTL_MS));
  };
  const renewAll = (): void => {
    for (const one of held.values()) write('renew', () => renew(one));
    for (const one of waiting) putWaiter(one);
  };
  redis.on('ready', renewAll);
  const timer = setInterval(renewAll, RENEW_MS);
  timer.unref();

  return {
    find(accountSid, name) {
      return asked('find', async () => {
        const found = await redis.hmget(conferenceKey(accountSid, name), 'featureServer', 'sipAddress', 'startedAt');
        const [holder, sipAddress, startedAt] = found;
        if (!holder || !(await isAlive(holder))) return undefined;
        return { featureServer: holder, sipAddress: sipAddress ?? '', startedAt: Number(startedAt) };
      });
    },
    async claim(accountSid, name) {
      const startedAt = Date.now();
      const ours = { featureServer, sipAddress: options.sipAddress(), startedAt };
      const holder =
        (await asked('claim', async () => {
          const found = await claimNow(accountSid, name, startedAt, '');
          return (await isAlive(found.featureServer))
            ? found
            : claimNow(accountSid, name, startedAt, found.featureServer);
        })) ?? ours;
      if (holder.featureServer === featureServer) {
        const { startedAt: started } = holder;
        held.set(idOf(accountSid, name), { accountSid, name, startedAt: started, members: new Map() });
      }
      return holder;
    },
    release(accountSid, name) {
      held.delete(idOf(accountSid, name));
      const keys = [
        conferenceKey(accountSid, name),
        conferencesKey(accountSid),
        conferenceWaitersKey(accountSid, name),
      ];
      write('release', () => redis.eval(RELEASE, 3, ...keys, featureServer, name));
    },
    putMember(accountSid, name, member) {
      held.get(idOf(accountSid, name))?.members.set(member.callSid, member);
      write('member', () => redis.hset(conferenceKey(accountSid, name), `m:${member.callSid}`, JSON.stringify(member)));
    },
    removeMember(accountSid, name, callSid) {
      held.get(idOf(accountSid, name))?.members.delete(callSid);
      write('member', () => redis.hdel(conferenceKey(accountSid, name), `m:${callSid}`));
    },
    wait(accountSid, name, callSid) {
      const one = { accountSid, name, callSid };
      waiting.add(one);
      putWaiter(one);
      return () => {
        waiting.delete(one);
        const keys = [conferenceWaitersKey(accountSid, name), conferencesKey(accountSid)];
        const who = waiterOf(callSid, featureServer);
        write('wait', () => redis.eval(UNWAIT, 3, ...keys, conferenceKey(accountSid, name), who, name));
      };
    },
    async close() {
      clearInterval(timer);
      redis.off('ready', renewAll);
      if (redis.status !== 'ready') return;
      const left = [...held.values()].map(({ accountSid, name }) => {
        const keys = [conferenceKey(accountSid, name), conferencesKey(accountSid)];
        return redis.eval(RELEASE, 3, ...keys, conferenceWaitersKey(accountSid, name), featureServer, name);
      });
      await Promise.allSettled(left);
    },
  };
}

/** Who waits, as it stands in Redis: his call, and the feature server that it is at. */
const waiterOf = (callSid: string, featureServer: string): string => `${callSid} ${featureServer}`;

/**
 * The conferences of an account, by name: those that go on, and those that somebody waits for. What was at a feature server that is not alive is over.
 *
 * @throws what ioredis throws
 */
export async function listConferences(redis: Redis, accountSid: string): Promise<ConferenceInfo[]> {
  const [seconds, micros] = await redis.time();
  const now = Number(seconds) * 1000 + Math.floor(Number(micros) / 1000);
  const names = await redis.zrangebyscore(conferencesKey(accountSid), now, '+inf');
  const alive = new Map<string, Promise<boolean>>();
  const isAlive = (featureServer: string): Promise<boolean> => {
    const asked =
      alive.get(featureServer) ?? redis.exists(featureServerKey(featureServer)).then((count) => count === 1);
    alive.set(featureServer, asked);
    return asked;
  };
  const found = await Promise.all(names.map((name) => readConference(redis, accountSid, name, now, isAlive)));
  return found
    .filter(({ host, waiting }) => host !== undefined || waiting.length > 0)
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

async function readConference(
  redis: Redis,
  accountSid: string,
  name: string,
  now: number,
  isAlive: (featureServer: string) => Promise<boolean>,
): Promise<ConferenceInfo> {
  const [fields, waiters] = await Promise.all([
    redis.hgetall(conferenceKey(accountSid, name)),
    redis.zrangebyscore(conferenceWaitersKey(accountSid, name), now, '+inf'),
  ]);
  const waiting: string[] = [];
  for (const waiter of waiters) {
    const [callSid = '', at = ''] = waiter.split(' ');
    if (await isAlive(at)) waiting.push(callSid);
  }
  const { featureServer, sipAddress = '', startedAt } = fields;
  if (featureServer === undefined || !(await isAlive(featureServer))) return { name, members: [], waiting };
  const members = Object.entries(fields)
    .filter(([field]) => field.startsWith('m:'))
    .map(([, json]) => JSON.parse(json) as ConferenceMemberInfo)
    .sort((one, other) => one.joinedAt - other.joinedAt);
  return { name, host: { featureServer, sipAddress, startedAt: Number(startedAt) }, members, waiting };
}
