import { randomUUID } from 'node:crypto';
import type { Redis } from '../redis/connection.js';
import { messagePartsKey } from '../redis/keys.js';
import type { Concatenation } from './user-data.js';

/** Parts are forgotten after this long, whatever happens to those that wait for them. */
const KEEP_MS = 3_600_000;
/** How long the sid of a message of parts is known after it was handed on: another process may be about to hand it on too. */
export const PARTS_SID_MS = 3_600_000;
/** Parts of a message that was handed on are known for this long: a carrier whose answer was lost sends them again. */
const KNOWN_MS = 300_000;
/** How long the parts that are missing are waited for; carriers send them within seconds, or try again for minutes. */
export const PARTS_WAIT_MS = 300_000;

/** What is there of a long message. */
export interface CollectedParts {
  /** Sid of the whole message, made with its first part. */
  messageSid: string;
  /** The first part that came. */
  isFirst: boolean;
  isComplete: boolean;
  /** The whole message was handed on before, with this part in it. */
  isHandedOn: boolean;
  /** In order; where a part is missing, an ellipsis. */
  text: string;
}

/**
 * KEYS: parts. ARGV: part, text, sid, total, ttl. References come round again soon: another text under the key of a message that was handed on
 * is another message.
 */
const ADD = `
if redis.call('HEXISTS', KEYS[1], 'done') == 1 then
  if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return { 0, redis.call('HGETALL', KEYS[1]) } end
  redis.call('DEL', KEYS[1])
end
local first = redis.call('HSETNX', KEYS[1], 'sid', ARGV[3])
redis.call('HSETNX', KEYS[1], 'total', ARGV[4])
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
if first == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
return { first, redis.call('HGETALL', KEYS[1]) }`;
/** KEYS: parts. ARGV: sid, ttl. */
const HAND_ON = `
if redis.call('HGET', KEYS[1], 'sid') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'done', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`;

/** The key under which the parts of one message meet, whichever process gets them. */
export const partsKeyOf = (carrierSid: string, from: string, to: string, { reference, total }: Concatenation): string =>
  messagePartsKey(JSON.stringify([carrierSid, from, to, reference, total]));

const collect = (fields: Record<string, string>, isFirst: boolean): CollectedParts => {
  const total = Number(fields.total);
  const parts = Array.from({ length: total }, (_, index) => fields[String(index + 1)]);
  const isComplete = parts.every((part) => part !== undefined);
  return {
    messageSid: fields.sid ?? '',
    isFirst,
    isComplete,
    isHandedOn: fields.done !== undefined,
    text: parts.map((part) => part ?? '…').join(''),
  };
};

/** Adds a part; a part that is there already stays as it is. {@link forgetParts} is for when the message is safe. */
export async function addPart(
  redis: Redis,
  key: string,
  { part, total }: Concatenation,
  text: string,
): Promise<CollectedParts> {
  const [first, flat] = (await redis.eval(ADD, 1, key, part, text, randomUUID(), total, KEEP_MS)) as [number, string[]];
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i]!] = flat[i + 1]!;
  return collect(fields, first === 1);
}

/** What is there of a message; undefined when it has been handed on. */
export async function readParts(redis: Redis, key: string): Promise<CollectedParts | undefined> {
  const fields = await redis.hgetall(key);
  return fields.sid === undefined || fields.done !== undefined ? undefined : collect(fields, false);
}

/** Marks a message as handed on: its parts may come again for some minutes, and then are forgotten. */
export async function forgetParts(redis: Redis, key: string, messageSid: string): Promise<void> {
  await redis.eval(HAND_ON, 1, key, messageSid, KNOWN_MS);
}
