import { randomUUID } from 'node:crypto';
import type { Redis } from './connection.js';

/** What became of {@link WorkQueue.put}. */
export type PutOutcome =
  | 'queued'
  /** An item of this id was put before (even if it is done): nothing was changed. */
  | 'known'
  /** The queue, or the owner's share of it, is full. */
  | 'full';

/** Says who has an item in hand: only the worker that took it last may change it. */
export interface ItemHold {
  id: string;
  token: string;
}

/** An item that was taken. */
export interface TakenItem<T> extends ItemHold {
  item: T;
}

/** How an item is put. */
export interface PutOptions {
  /** When it is due. @defaultValue 0: at once */
  delayMs?: number;
  /** How long its id is known after it is done; 0 where an id is made up and never comes again. @defaultValue that of the queue */
  rememberMs?: number;
  /** How many items it may go beyond the queue's capacity and the owner's share; for what cannot be asked to come again. @defaultValue 0 */
  beyond?: number;
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
  /** How long an id is known after its item is done, so that it is not put twice. @defaultValue three days */
  rememberMs?: number;
}

const REMEMBER_MS = 3 * 24 * 3_600_000;
const NOW = `local time = redis.call('TIME') local now = time[1] * 1000 + math.floor(time[2] / 1000) `;

/**
 * KEYS: due, items, owners, known. ARGV: id, json, delay, capacity, owner, owner's capacity, memory in ms, channel.
 * What is known of an id: how long it is to be remembered, and the owner. It has no end while the item waits, however long that is.
 */
const PUT = `${NOW}
if redis.call('EXISTS', KEYS[4]) == 1 then return 'known' end
if redis.call('HLEN', KEYS[2]) >= tonumber(ARGV[4]) then return 'full' end
if tonumber(redis.call('HGET', KEYS[3], ARGV[5]) or '0') >= tonumber(ARGV[6]) then return 'full' end
redis.call('SET', KEYS[4], ARGV[7] .. ' ' .. ARGV[5])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('HINCRBY', KEYS[3], ARGV[5], 1)
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
if ARGV[3] == '0' then redis.call('PUBLISH', ARGV[8], '') end
return 'queued'`;
/** KEYS: due, items, holders. ARGV: count, lease, token. */
const TAKE = `${NOW}
local taken = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])) do
  local json = redis.call('HGET', KEYS[2], id)
  if json then
    redis.call('ZADD', KEYS[1], now + ARGV[2], id)
    redis.call('HSET', KEYS[3], id, ARGV[3])
    taken[#taken + 1] = id
    taken[#taken + 1] = json
  else
    redis.call('ZREM', KEYS[1], id)
  end
end
return taken`;
/** KEYS: due, items, holders. ARGV: id, json, delay, token. */
const UPDATE = `${NOW}
if redis.call('HGET', KEYS[3], ARGV[1]) ~= ARGV[4] then return 0 end
if redis.call('HEXISTS', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
return 1`;
/** KEYS: due, items, owners, known, holders. ARGV: id, token; without one, whoever has it in hand. */
const DONE = `
if ARGV[2] ~= '' and redis.call('HGET', KEYS[5], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HDEL', KEYS[5], ARGV[1])
redis.call('ZREM', KEYS[1], ARGV[1])
if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then return 0 end
local memory, owner = string.match(redis.call('GET', KEYS[4]) or '', '^(%d+) (.*)$')
if memory then redis.call('PEXPIRE', KEYS[4], memory) end
if owner and redis.call('HINCRBY', KEYS[3], owner, -1) <= 0 then redis.call('HDEL', KEYS[3], owner) end
return 1`;

/**
 * Work that outlives the process that does it: items wait in Redis until they are due, are leased to one worker at a time, and stay until they
 * are done. A worker that dies leaves its items to others when the lease ends; one that only seemed dead can change them no more. An id is
 * put once, until `rememberMs` after it is done. Times are those of Redis' clock.
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

  /** Adds an item. Rejects while Redis is away. */
  async put(id: string, owner: string, item: T, options: PutOptions = {}): Promise<PutOutcome> {
    const { capacity, ownerCapacity } = this.#options;
    const { delayMs = 0, rememberMs = this.#options.rememberMs, beyond = 0 } = options;
    const keys = [this.#due, this.#items, this.#owners, this.#known(id)];
    const json = JSON.stringify(item);
    const outcome = await this.#redis.eval(
      PUT,
      4,
      ...keys,
      ...[id, json, delayMs, capacity + beyond, owner, ownerCapacity + beyond, rememberMs, this.channel],
    );
    return outcome as PutOutcome;
  }

  /** Takes up to `count` items that are due; others may take them after `leaseMs`. */
  async take(count: number, leaseMs: number): Promise<TakenItem<T>[]> {
    const token = randomUUID();
    const keys = [this.#due, this.#items, this.#holders];
    const flat = (await this.#redis.eval(TAKE, 3, ...keys, ...[count, leaseMs, token])) as string[];
    const taken: TakenItem<T>[] = [];
    for (let i = 0; i + 1 < flat.length; i += 2) {
      taken.push({ id: flat[i]!, token, item: JSON.parse(flat[i + 1]!) as T });
    }
    return taken;
  }

  /** Writes down how far an item is, and that it is due again after `delayMs`. False when it is done, or another has taken it since. */
  async update({ id, token }: ItemHold, item: T, delayMs: number): Promise<boolean> {
    const keys = [this.#due, this.#items, this.#holders];
    return (await this.#redis.eval(UPDATE, 3, ...keys, ...[id, JSON.stringify(item), delayMs, token])) === 1;
  }

  /** Removes an item that is in hand. False when it is done already, or another has taken it since: then it is the other's. */
  done({ id, token }: ItemHold): Promise<boolean> {
    return this.#remove(id, token);
  }

  /** Removes an item that is not needed any more, whoever has it in hand. False when there is none. */
  remove(id: string): Promise<boolean> {
    return this.#remove(id, '');
  }

  async #remove(id: string, token: string): Promise<boolean> {
    const keys = [this.#due, this.#items, this.#owners, this.#known(id), this.#holders];
    return (await this.#redis.eval(DONE, 5, ...keys, ...[id, token])) === 1;
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
  /** Tokens by id. */
  get #holders(): string {
    return `${this.#prefix}:holders`;
  }
  get #owners(): string {
    return `${this.#prefix}:owners`;
  }
  #known(id: string): string {
    return `${this.#prefix}:known:${id}`;
  }
}
