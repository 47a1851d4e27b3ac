import { randomUUID } from 'node:crypto';
import type { Redis } from '../redis/connection.js';
import { messagePartsKey, openPartsKey } from '../redis/keys.js';
import type { Concatenation } from './user-data.js';

/** Parts are forgotten after this long, whatever happens to those that wait for them. */
const KEEP_MS = 3_600_000;
/** How long the sid of a message of parts is known after it was handed on: another process may be about to hand it on too. */
export const PARTS_SID_MS = 3_600_000;
/** Parts of a message that was handed on are known for this long: a carrier whose answer was lost sends them again. */
const KNOWN_MS = 300_000;
/** How long the parts that are missing are waited for; carriers send them within seconds, or try again for minutes. */
export const PARTS_WAIT_MS = 300_000;

/** Messages of one owner whose parts are not all there; beyond that no new one is begun, so that nobody fills Redis with parts. */
export const MAX_OPEN_PARTS = 1_000;
/** Characters of a text that comes in, whole. */
export const MAX_INBOUND_TEXT = 10_000;
/** Fields of a message beside its parts: sid, total, owner, chars. */
const OTHER_FIELDS = 4;

/** What is there of a long message. */
export interface CollectedParts {
  /** Sid of the whole message, made with its first part. */
  messageSid: string;
  /** Whose it is, as {@link addPart} was told. */
  owner: string;
  /** The numbers of those that are there. */
  come: readonly number[];
  /** In order; where a part is missing, an ellipsis. */
  text: string;
}

/** What became of a part. */
export type AddedPart =
  /** It is there, and others are missing. */
  | { kind: 'open'; messageSid: string }
  | { kind: 'complete'; parts: CollectedParts }
  /** The whole message was handed on before, with this part in it. */
  | { kind: 'known'; messageSid: string }
  /** Too many messages of the owner are open. */
  | { kind: 'full' }
  /** With it the text would be longer than {@link MAX_INBOUND_TEXT}. */
  | { kind: 'too long' };

/**
 * KEYS: parts, open messages of the owner. ARGV: part, text, sid, total, ttl, owner, most open messages, characters, most characters, other fields.
 * References come round again soon: another text under the key of a message that was handed on is another message. All fields are read only once
 * the message is complete.
 */
const ADD = `
if redis.call('HEXISTS', KEYS[1], 'done') == 1 then
  if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return { 'known', redis.call('HGET', KEYS[1], 'sid') } end
  redis.call('DEL', KEYS[1])
end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  if redis.call('EXISTS', KEYS[1]) == 0 then
    local time = redis.call('TIME')
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now)
    if redis.call('ZCARD', KEYS[2]) >= tonumber(ARGV[7]) then return { 'full' } end
    redis.call('ZADD', KEYS[2], now + ARGV[5], KEYS[1])
    redis.call('PEXPIRE', KEYS[2], ARGV[5])
    redis.call('HSET', KEYS[1], 'sid', ARGV[3], 'total', ARGV[4], 'owner', ARGV[6], 'chars', '0')
    redis.call('PEXPIRE', KEYS[1], ARGV[5])
  end
  if redis.call('HGET', KEYS[1], 'chars') + ARGV[8] > tonumber(ARGV[9]) then return { 'too long' } end
  redis.call('HINCRBY', KEYS[1], 'chars', ARGV[8])
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
end
if redis.call('HLEN', KEYS[1]) - ARGV[10] < tonumber(ARGV[4]) then return { 'open', redis.call('HGET', KEYS[1], 'sid') } end
return { 'complete', redis.call('HGETALL', KEYS[1]) }`;
/** KEYS: parts, open messages of the owner. ARGV: sid, ttl. */
const HAND_ON = `
if redis.call('HGET', KEYS[1], 'sid') ~= ARGV[1] then return 0 end
redis.call('ZREM', KEYS[2], KEYS[1])
redis.call('HSET', KEYS[1], 'done', '1')
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1`;

/** The key under which the parts of one message meet, whichever process gets them. */
export const partsKeyOf = (carrierSid: string, from: string, to: string, { reference, total }: Concatenation): string =>
  messagePartsKey(JSON.stringify([carrierSid, from, to, reference, total]));

/** The id by which who brought a part knows it. */
export const partIdOf = (messageSid: string, part: number): string => `${messageSid}.${part}`;

const collect = (fields: Record<string, string>): CollectedParts => {
  const numbers = Array.from({ length: Number(fields.total) }, (_, index) => index + 1);
  return {
    messageSid: fields.sid ?? '',
    owner: fields.owner ?? '',
    come: numbers.filter((part) => fields[part] !== undefined),
    text: numbers.map((part) => fields[part] ?? '…').join(''),
  };
};

/**
 * Adds a part; a part that is there already stays as it is. {@link forgetParts} is for when the message is safe.
 *
 * @param owner - of whom {@link MAX_OPEN_PARTS} messages may be open
 */
export async function addPart(
  redis: Redis,
  key: string,
  owner: string,
  { part, total }: Concatenation,
  text: string,
): Promise<AddedPart> {
  const [kind, found] = (await redis.eval(
    ADD,
    2,
    ...[key, openPartsKey(owner), part, text, randomUUID(), total, KEEP_MS, owner, MAX_OPEN_PARTS],
    ...[text.length, MAX_INBOUND_TEXT, OTHER_FIELDS],
  )) as [AddedPart['kind'], (string | string[])?];
  if (kind === 'full' || kind === 'too long') return { kind };
  if (kind !== 'complete') return { kind, messageSid: String(found) };
  const flat = found as string[];
  const fields: Record<string, string> = {};
  for (let i = 0; i + 1 < flat.length; i += 2) fields[flat[i]!] = flat[i + 1]!;
  return { kind, parts: collect(fields) };
}

/** What is there of a message; undefined when it has been handed on. */
export async function readParts(redis: Redis, key: string): Promise<CollectedParts | undefined> {
  const fields = await redis.hgetall(key);
  return fields.sid === undefined || fields.done !== undefined ? undefined : collect(fields);
}

/** Marks a message as handed on: its parts may come again for some minutes, and then are forgotten. */
export async function forgetParts(
  redis: Redis,
  key: string,
  { messageSid, owner }: Pick<CollectedParts, 'messageSid' | 'owner'>,
): Promise<void> {
  await redis.eval(HAND_ON, 2, key, openPartsKey(owner), messageSid, KNOWN_MS);
}
