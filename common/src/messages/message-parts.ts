import { randomUUID } from 'node:crypto';
import type { Redis } from '../redis/connection.js';
import { messagePartsKey } from '../redis/keys.js';
import type { Concatenation } from './user-data.js';

/** Parts are forgotten after this long, whatever happens to those that wait for them. */
const KEEP_MS = 3_600_000;
/** How long the parts that are missing are waited for; carriers send them within seconds, or try again for minutes. */
export const PARTS_WAIT_MS = 300_000;

/** What is there of a long message. */
export interface CollectedParts {
  /** Sid of the whole message, made with its first part. */
  messageSid: string;
  /** The first part that came. */
  isFirst: boolean;
  isComplete: boolean;
  /** In order; where a part is missing, an ellipsis. */
  text: string;
}

/** KEYS: parts. ARGV: part, text, sid, total, ttl. */
const ADD = `
local first = redis.call('HSETNX', KEYS[1], 'sid', ARGV[3])
redis.call('HSETNX', KEYS[1], 'total', ARGV[4])
redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
if first == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
return { first, redis.call('HGETALL', KEYS[1]) }`;

/** The key under which the parts of one message meet, whichever process gets them. */
export const partsKeyOf = (carrierSid: string, from: string, to: string, { reference, total }: Concatenation): string =>
  messagePartsKey(JSON.stringify([carrierSid, from, to, reference, total]));

const collect = (fields: Record<string, string>, isFirst: boolean): CollectedParts => {
  const total = Number(fields.total);
  const parts = Array.from({ length: total }, (_, index) => fields[String(index + 1)]);
  const isComplete = parts.every((part) => part !== undefined);
  return { messageSid: fields.sid ?? '', isFirst, isComplete, text: parts.map((part) => part ?? '…').join('') };
};

/** Adds a part; a part that is there already stays as it is. Parts are removed with {@link forgetParts} once the message is safe. */
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

/** What is there of a message; undefined when it has been completed. */
export async function readParts(redis: Redis, key: string): Promise<CollectedParts | undefined> {
  const fields = await redis.hgetall(key);
  return fields.sid === undefined ? undefined : collect(fields, false);
}

/** Removes the parts of a message that was handed on. */
export async function forgetParts(redis: Redis, key: string): Promise<void> {
  await redis.del(key);
}
