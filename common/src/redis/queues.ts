import type { Redis } from './connection.js';
import { queueAliveKey, queueCallsKey, queueChannel, queueKey, queuesKey } from './keys.js';

/** Somebody who waits is forgotten this long after his feature server last renewed him. */
export const QUEUE_TTL_MS = 10_000;
/** Who has no priority waits behind everybody who has one. */
export const DEFAULT_QUEUE_PRIORITY = 999;

/** Somebody who takes a caller out of a queue. */
export interface QueueClaim {
  id: string;
  /** Who takes: the call sid of the `dequeue`. */
  callSid: string;
  /** Instance id and SIP address (`ip:port`) of his feature server. */
  featureServer: string;
  sipAddress: string;
}

/** What is told on a queue's channel. */
export type QueueNews =
  /** There is somebody to be taken, or may be. */
  | { news: 'waiting' }
  /** Somebody is being taken, and is to come to him who takes. */
  | { news: 'claimed'; callSid: string; claim: QueueClaim }
  /** Somebody has left, whom nobody took where he is named. */
  | { news: 'left'; callSid?: string };

/** A place in a queue. */
export interface QueuePlace {
  /** Its name in the queue's order; with it a call keeps its place. */
  place: string;
  priority: number;
}

/** A queue as it stands. */
export interface QueueInfo {
  name: string;
  /** Call sids of those who wait, in order. */
  calls: string[];
}

/** Forgets those whose feature server is gone. KEYS: order, calls, alive, names. ARGV: 1 name, 2 channel. */
const PRELUDE = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function forget(sid)
  local place = redis.call('HGET', KEYS[2], 'o:' .. sid)
  if place then redis.call('ZREM', KEYS[1], place) end
  redis.call('HDEL', KEYS[2], 'o:' .. sid, 'c:' .. sid)
  redis.call('ZREM', KEYS[3], sid)
  return place
end
local function claimOf(sid)
  local claim = redis.call('HGET', KEYS[2], 'c:' .. sid)
  if not claim then return nil end
  local till, text = string.match(claim, '^(%d+) (.*)$')
  if tonumber(till) < now then
    redis.call('HDEL', KEYS[2], 'c:' .. sid)
    return nil
  end
  return text
end
local function tell(text) redis.call('PUBLISH', ARGV[2], text) end
local function tellLeft(sid) tell('{"news":"left","callSid":' .. cjson.encode(sid) .. '}') end
for _, sid in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', '(' .. now)) do
  forget(sid)
  tellLeft(sid)
end
`;
const EPILOGUE = `
local size = redis.call('ZCARD', KEYS[1])
if size == 0 then
  redis.call('DEL', KEYS[2])
  redis.call('SREM', KEYS[4], ARGV[1])
end
`;

/** ARGV: 3 call sid, 4 priority, 5 TTL in ms, 6 place to keep or empty. Answers place, size. */
const JOIN = `${PRELUDE}
local place = redis.call('HGET', KEYS[2], 'o:' .. ARGV[3])
if not place then
  place = ARGV[6]
  if place == '' then
    local number = redis.call('HINCRBY', KEYS[2], 'n', 1)
    place = string.format('%015d-%09d-%s', now, number, ARGV[3])
  end
  redis.call('ZADD', KEYS[1], ARGV[4], place)
  redis.call('HSET', KEYS[2], 'o:' .. ARGV[3], place)
end
redis.call('ZADD', KEYS[3], now + ARGV[5], ARGV[3])
redis.call('SADD', KEYS[4], ARGV[1])
tell('{"news":"waiting"}')
return {place, redis.call('ZCARD', KEYS[1])}`;

/** ARGV: 3 call sid, 4 priority, 5 TTL in ms, 6 place. Answers position, size, claim. */
const RENEW = `${PRELUDE}
if not redis.call('HGET', KEYS[2], 'o:' .. ARGV[3]) then
  redis.call('ZADD', KEYS[1], ARGV[4], ARGV[6])
  redis.call('HSET', KEYS[2], 'o:' .. ARGV[3], ARGV[6])
  redis.call('SADD', KEYS[4], ARGV[1])
  tell('{"news":"waiting"}')
end
redis.call('ZADD', KEYS[3], now + ARGV[5], ARGV[3])
return {redis.call('ZRANK', KEYS[1], ARGV[6]), redis.call('ZCARD', KEYS[1]), claimOf(ARGV[3]) or ''}`;

/** ARGV: 3 call sid. Answers whether it was there, and the size now. */
const LEAVE = `${PRELUDE}
local place = forget(ARGV[3])
if place then tellLeft(ARGV[3]) end
${EPILOGUE}
return {place and 1 or 0, size}`;

/** ARGV: 3 call sid that is wanted or empty, 4 claim as JSON, 5 its life in ms. Answers the call sid, or nothing. */
const TAKE = `${PRELUDE}
local from = 0
while true do
  local places = redis.call('ZRANGE', KEYS[1], from, from + 49)
  if #places == 0 then break end
  for _, place in ipairs(places) do
    local sid = string.match(place, '^%d+%-%d+%-(.*)$')
    if (ARGV[3] == '' or ARGV[3] == sid) and not claimOf(sid) then
      redis.call('HSET', KEYS[2], 'c:' .. sid, (now + ARGV[5]) .. ' ' .. ARGV[4])
      tell('{"news":"claimed","callSid":' .. cjson.encode(sid) .. ',"claim":' .. ARGV[4] .. '}')
      return sid
    end
  end
  from = from + 50
end
${EPILOGUE}
return false`;

/** ARGV: 3 call sid, 4 claim as JSON. Takes it out of the queue where the claim holds still; answers whether, and the size now. */
const CONFIRM = `${PRELUDE}
local isHeld = claimOf(ARGV[3]) == ARGV[4]
if isHeld then
  forget(ARGV[3])
  tell('{"news":"left"}')
end
${EPILOGUE}
return {isHeld and 1 or 0, size}`;

/** ARGV: 3 call sid, 4 claim as JSON. The one who took it does not come. */
const RELEASE = `${PRELUDE}
if claimOf(ARGV[3]) == ARGV[4] then
  redis.call('HDEL', KEYS[2], 'c:' .. ARGV[3])
  tell('{"news":"waiting"}')
end
return 1`;

/** ARGV: 3 call sid, 4 claim as JSON. Whether it stands. */
const HOLDS = `${PRELUDE}
local isHeld = claimOf(ARGV[3]) == ARGV[4]
${EPILOGUE}
return isHeld and 1 or 0`;

const LIST = `${PRELUDE}
${EPILOGUE}
return redis.call('ZRANGE', KEYS[1], 0, -1)`;

/** Redis is not there now: nothing was done, nor will be. */
export class QueueAwayError extends Error {
  readonly code = 'QUEUE_AWAY';
}

/**
 * One queue of an account. Every step is one script, so that who waits is given to one at a time, in order. What rejects is QueueAwayError, or what ioredis throws.
 */
export class Queue {
  constructor(
    private readonly redis: Redis,
    readonly accountSid: string,
    readonly name: string,
  ) {}

  get channel(): string {
    return queueChannel(this.accountSid, this.name);
  }

  /** @param place - one that the call had before */
  async join(callSid: string, priority: number, place = ''): Promise<QueuePlace & { size: number }> {
    const answer = await this.#run(JOIN, callSid, priority, QUEUE_TTL_MS, place);
    const [given, size] = answer as [string, number];
    return { place: given, priority, size };
  }

  /** Says that the call waits still; gives it its place back where that was forgotten. */
  async renew(
    callSid: string,
    { place, priority }: QueuePlace,
  ): Promise<{ position: number; size: number; claim: QueueClaim | undefined }> {
    const answer = await this.#run(RENEW, callSid, priority, QUEUE_TTL_MS, place);
    const [position, size, claim] = answer as [number | null, number, string];
    return { position: position ?? 0, size, claim: claim === '' ? undefined : (JSON.parse(claim) as QueueClaim) };
  }

  /** @returns whether it was there, and how many are left */
  async leave(callSid: string): Promise<{ wasThere: boolean; size: number }> {
    const [wasThere, size] = (await this.#run(LEAVE, callSid)) as [number, number];
    return { wasThere: wasThere === 1, size };
  }

  /** Keeps the next who waits for one who takes him, for so long. @returns his call sid */
  async take(claim: QueueClaim, lifeMs: number, callSid = ''): Promise<string | undefined> {
    return ((await this.#run(TAKE, callSid, textOf(claim), lifeMs)) as string | null) ?? undefined;
  }

  /** The one who is taken leaves the queue, unless somebody else has him by now. */
  async confirm(callSid: string, claim: QueueClaim): Promise<{ isOurs: boolean; size: number }> {
    const [isOurs, size] = (await this.#run(CONFIRM, callSid, textOf(claim))) as [number, number];
    return { isOurs: isOurs === 1, size };
  }

  /** Lets others take him. */
  async release(callSid: string, claim: QueueClaim): Promise<void> {
    await this.#run(RELEASE, callSid, textOf(claim));
  }

  /** Whether he who was taken is to come still: he has not been forgotten, which is told then, nor the claim released, run out or confirmed. */
  async holds(callSid: string, claim: QueueClaim): Promise<boolean> {
    return (await this.#run(HOLDS, callSid, textOf(claim))) === 1;
  }

  /** Those who wait, in order. */
  async list(): Promise<string[]> {
    const places = (await this.#run(LIST)) as string[];
    return places.map((place) => place.replace(/^\d+-\d+-/, ''));
  }

  async #run(script: string, ...args: (string | number)[]): Promise<unknown> {
    const { redis, accountSid, name } = this;
    // What waited for the connection would be done long after whoever asked for it has given up.
    if (redis.status !== 'ready') throw new QueueAwayError('Redis is not connected');
    const keys = [queueKey, queueCallsKey, queueAliveKey].map((key) => key(accountSid, name));
    return redis.eval(script, 4, ...keys, queuesKey(accountSid), name, this.channel, ...args);
  }
}

/** The same words each time: claims are compared as text. */
const textOf = ({ id, callSid, featureServer, sipAddress }: QueueClaim): string =>
  JSON.stringify({ id, callSid, featureServer, sipAddress });

/**
 * The queues of an account in which somebody waits, by name.
 *
 * @throws what ioredis throws
 */
export async function listQueues(redis: Redis, accountSid: string): Promise<QueueInfo[]> {
  const names = (await redis.smembers(queuesKey(accountSid))).sort();
  const queues = await Promise.all(
    names.map(async (name) => ({ name, calls: await new Queue(redis, accountSid, name).list() })),
  );
  return queues.filter(({ calls }) => calls.length > 0);
}
