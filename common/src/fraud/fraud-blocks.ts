import type { Redis } from '../redis/connection.js';
import { fraudBlocksKey, fraudKey } from '../redis/keys.js';

/** A limit of the toll-fraud guard. */
export type FraudLimit = `${'calls' | 'messages'}-per-${'minute' | 'hour'}` | 'expensive-prefixes';

/** An account that may not call out, since it went beyond a limit. */
export interface FraudBlock {
  accountSid: string;
  why: FraudLimit;
  /** Ms since the epoch. */
  since: number;
  /** Ms since the epoch. */
  until: number;
  /** What was called when the limit was reached. */
  number: string;
}

const BLOCK = /^((?:calls|messages)-per-(?:minute|hour)|expensive-prefixes) (\d{1,15}) (\d{1,15}) (\S{0,64})$/;

/** Reads a block as it stands in Redis: why, since, until, number. Null when it is none. */
export function readBlock(accountSid: string, text: string | null | undefined): FraudBlock | null {
  const match = BLOCK.exec(text ?? '');
  if (match === null) return null;
  const [, why, since, until, number = ''] = match;
  return { accountSid, why: why as FraudLimit, since: Number(since), until: Number(until), number };
}

/** The block of one account; null when it has none. */
export async function findFraudBlock(
  redis: Redis,
  serviceProviderSid: string,
  accountSid: string,
): Promise<FraudBlock | null> {
  return readBlock(accountSid, await redis.get(fraudKey(serviceProviderSid, accountSid, 'block')));
}

/** The blocked accounts of a service provider; those whose time is over leave the set. */
export async function listFraudBlocks(redis: Redis, serviceProviderSid: string): Promise<FraudBlock[]> {
  const accounts = await redis.smembers(fraudBlocksKey(serviceProviderSid));
  const found = await Promise.all(accounts.map((sid) => findFraudBlock(redis, serviceProviderSid, sid)));
  const gone = accounts.filter((_, index) => found[index] === null);
  if (gone.length > 0) await redis.srem(fraudBlocksKey(serviceProviderSid), ...gone);
  return found.filter((block) => block !== null).sort((a, b) => b.since - a.since);
}

/** Ends a block, and begins the counts anew, so that the next call does not bring it back. @returns whether there was one */
export async function liftFraudBlock(redis: Redis, serviceProviderSid: string, accountSid: string): Promise<boolean> {
  const key = (what: 'calls' | 'messages' | 'prefixes' | 'block' | 'told') =>
    fraudKey(serviceProviderSid, accountSid, what);
  const results = await redis
    .multi()
    .del(key('block'))
    .del(key('calls'), key('messages'), key('prefixes'), key('told'))
    .srem(fraudBlocksKey(serviceProviderSid), accountSid)
    .exec();
  return results?.[0]?.[1] === 1;
}
