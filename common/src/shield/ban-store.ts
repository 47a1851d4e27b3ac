import type { Redis } from '../redis/connection.js';
import { BANS, BANS_CHANGED, banKey } from '../redis/keys.js';
import { parseIpNetwork } from '../sip/ip-address.js';

/** A source network from which nothing is taken. */
export interface Ban {
  /** As `parseIpNetwork` spells it. */
  network: string;
  /** For people. */
  reason: string;
  /** {@link OPERATOR}, or the instance id of the edge that saw it. */
  by: string;
  /** Ms since the epoch. */
  since: number;
  /** Ms since the epoch. */
  until: number;
}

/** {@link Ban.by} of bans that people make. */
export const OPERATOR = 'operator';

/** What the channel {@link BANS_CHANGED} carries, as JSON. */
export type BanChange = { banned: Ban } | { lifted: string };

/** Reads a ban from its JSON; null for what is none. */
export function readBan(text: string | null | undefined): Ban | null {
  try {
    const { network, reason, by, since, until } = JSON.parse(text ?? '') as Partial<Ban>;
    const isBan = typeof network === 'string' && parseIpNetwork(network)?.text === network;
    if (!isBan || typeof since !== 'number' || typeof until !== 'number') return null;
    return { network, reason: String(reason), by: String(by), since, until };
  } catch {
    return null;
  }
}

/** Writes a ban, with an expiry, and tells all edges. */
export async function putBan(redis: Redis, ban: Ban): Promise<void> {
  const change: BanChange = { banned: ban };
  await redis
    .multi()
    .set(banKey(ban.network), JSON.stringify(ban), 'PXAT', Math.ceil(ban.until))
    .sadd(BANS, ban.network)
    .publish(BANS_CHANGED, JSON.stringify(change))
    .exec();
}

/** Ends a ban and tells all edges. @returns whether there was one */
export async function liftBan(redis: Redis, network: string): Promise<boolean> {
  const change: BanChange = { lifted: network };
  const results = await redis
    .multi()
    .del(banKey(network))
    .srem(BANS, network)
    .publish(BANS_CHANGED, JSON.stringify(change))
    .exec();
  return results?.[0]?.[1] === 1;
}

/** The bans that hold, the newest first; what has expired leaves the set. */
export async function listBans(redis: Redis): Promise<Ban[]> {
  const networks = await redis.smembers(BANS);
  const pipeline = redis.pipeline();
  for (const network of networks) pipeline.get(banKey(network));
  const answers = (await pipeline.exec()) ?? [];
  const bans: Ban[] = [];
  const expired: string[] = [];
  for (const [i, network] of networks.entries()) {
    const [error, text] = answers[i] ?? [];
    if (error) throw error;
    const ban = readBan(text as string | null);
    if (ban) bans.push(ban);
    else expired.push(network);
  }
  if (expired.length > 0) await redis.srem(BANS, ...expired);
  return bans.sort((a, b) => b.since - a.since);
}
