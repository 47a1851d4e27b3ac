import type { Redis } from './connection.js';

/** What became of {@link WorkQueue.put}. */
export type PutOutcome =
  | 'queued'
  /** An item of this id was put before (even if it is done): nothing was changed. */
  | 'known'
  /** The queue, or the owner's share of it, is full. */
  | 'full';

/** An item that was taken. */
export interface TakenItem<T> {
  id: string;
  item: T;
}

/** Limits of a queue. */
export interface WorkQueueOptions {
  redis: Redis;
  /** Names the keys; queues of one name are one queue. */
  name: string;
  /** Items at most. Larger costs Redis memory, smaller refuses earlier. @defaultValue 200,000 */
  capacity?: number;
  /** Items of one owner at most, so that nobody fills the queue for all. @defaultValue 50,000 */
  ownerCapacity?: number;
  /** How long an id is remembered, so that it is not taken twice. @defaultValue three days */
  rememberMs?: number;
}

const REMEMBER_MS = 3 * 24 * 3_600_000;
const NOW = `local time = redis.call('TIME') local now = time[1] * 1000 + math.floor(time[2] / 1000) `;

/** KEYS: due, items, owners, known. ARGV: id, json, delay, capacity, owner, owner's capacity, memory in ms, channel. */
const PUT = `${NOW}
if redis.call('EXISTS', KEYS[4]) == 1 then return 'known' end
if redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[4]) then return 'full' end
if tonumber(redis.call('HGET', KEYS[3], ARGV[5]) or '0') >= tonumber(ARGV[6]) then return 'full' end
redis.call('SET', KEYS[4], ARGV[5], 'PX', ARGV[7])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('HINCRBY', KEYS[3], ARGV[5], 1)
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
if ARGV[3] == '0' then redis.call('PUBLISH', ARGV[8], '') end
return 'queued'`;
/** KEYS: due, items. ARGV: count, lease. */
const TAKE = `${NOW}
local taken = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])) do
  local json = redis.call('HGET', KEYS[2], id)
  if json then
    redis.call('ZADD', KEYS[1], now + ARGV[2], id)
    taken[#taken + 1] = id
    taken[#taken + 1] = json
  else
    redis.call('ZREM', KEYS[1], id)
  end
end
return taken`;
/** KEYS: due, items. ARGV: id, json, delay. */
const UPDATE = `${NOW}
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
return 1`;
/** KEYS: due, items, owners, known. ARGV: id. */
const DONE = `
redis.call('ZREM', KEYS[1], ARGV[1])
if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then return 0 end
local owner = redis.call('GET', KEYS[4])
if owner and redis.call('HINCRBY', KEYS[3], owner, -1) <= 0 then redis.call('HDEL', KEYS[3], owner) end
return 1`;

/**
 * Work that outlives the process that does it: items wait in Redis until they are due, are leased to one worker at a time, and stay until they
 * are done. A worker that dies leaves its items to others when the lease ends. An id is taken once within `rememberMs`. Times are those of
 * Redis' clock.
 */
export class WorkQueue<T> {
  readonly #redis: Redis;
  readonly #options: Required<WorkQueueOptions>;
  readonly #prefix: string;

  constructor(options: WorkQueueOptions) {
    this.#redis = options.redis;
    this.#options = { capacity: 200_000, ownerCapacity: 50_000, rememberMs: REMEMBER_MS, ...options };
    // One hash slot: the scripts touch all of them.
    this.#prefix = `ringwire:{queue:${options.name}}`;
  }

  /** Pub/sub channel on which new items are told of. */
  get channel(): string {
    return `${this.#prefix}:put`;
  }

  /** Adds an item that is due after `delayMs`. Rejects while Redis is away. */
  async put(id: string, owner: string, item: T, delayMs = 0): Promise<PutOutcome> {
    const { capacity, ownerCapacity, rememberMs } = this.#options;
    const keys = [this.#due, this.#items, this.#owners, this.#known(id)];
    const json = JSON.stringify(item);
    const outcome = await this.#redis.eval(
      PUT,
      4,
      ...keys,
      ...[id, json, delayMs, capacity, owner, ownerCapacity, rememberMs, this.channel],
    );
    return outcome as PutOutcome;
  }

  /** Takes up to `count` items that are due; others may take them after `leaseMs`. */
  async take(count: number, leaseMs: number): Promise<TakenItem<T>[]> {
    const flat = (await this.#redis.eval(TAKE, 2, this.#due, this.#items, count, leaseMs)) as string[];
    const taken: TakenItem<T>[] = [];
    for (let i = 0; i + 1 < flat.length; i += 2) taken.push({ id: flat[i]!, item: JSON.parse(flat[i + 1]!) as T });
    return taken;
  }

  /** Writes down how far an item is, and that it is due again after `delayMs`. False when it is done or gone. */
  async update(id: string, item: T, delayMs: number): Promise<boolean> {
    return (await this.#redis.eval(UPDATE, 2, this.#due, this.#items, id, JSON.stringify(item), delayMs)) === 1;
  }

  /** Removes an item. */
  async done(id: string): Promise<void> {
    await this.#redis.eval(DONE, 4, this.#due, this.#items, this.#owners, this.#known(id), id);
  }

  /** Items that wait or are being worked on. */
  size(): Promise<number> {
    return this.#redis.hlen(this.#items);
  }

  get #due(): string {
    return `${this.#prefix}:due`;
  }
  get #items(): string {
    return `${this.#prefix}:items`;
  }
  get #owners(): string {
    return `${this.#prefix}:owners`;
  }
  #known(id: string): string {
    return `${this.#prefix}:known:${id}`;
  }
}
