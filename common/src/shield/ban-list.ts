import type { Logger } from '../log/logger.js';
import type { Redis } from '../redis/connection.js';
import { BANS_CHANGED } from '../redis/keys.js';
import { networkOf, parseIp, parseIpNetwork } from '../sip/ip-address.js';
import { type Ban, type BanChange, listBans, putBan, readBan } from './ban-store.js';

/** The bans of all edges, in memory: asking costs no more than a look into a few maps. */
export interface BanList {
  /** The ban that an address is under. */
  find(address: string): Ban | undefined;
  /** Bans at once here, and as soon as Redis has it everywhere. */
  add(ban: Ban): void;
  /** Bans known here. */
  readonly size: number;
  /** Reads all of them from Redis. */
  refresh(): Promise<void>;
  close(): void;
}

/** What no message told of is seen after this long. */
const REFRESH_MS = 10_000;

/** Keeps a copy of the bans in Redis; while it is away the copy serves, and bans of its own go there when it is back. */
export function banList({ redis, logger }: { redis: Redis; logger: Logger }): BanList {
  /** By family and prefix length, then by network. */
  const tables = new Map<string, { family: 4 | 6; bits: number; networks: Map<bigint, Ban> }>();
  /** What changed while all bans are being read: the list may be older. */
  let meanwhile: (() => void)[] | undefined;
  /** Bans that Redis does not have yet. */
  let unwritten = new Map<string, Ban>();

  const put = (ban: Ban): void => {
    const network = parseIpNetwork(ban.network);
    if (!network) return;
    const { family, bits } = network;
    const name = `${family}/${bits}`;
    let table = tables.get(name);
    if (!table) {
      table = { family, bits, networks: new Map() };
      tables.set(name, table);
    }
    table.networks.set(networkOf(network, bits), ban);
  };
  const remove = (text: string): void => {
    const network = parseIpNetwork(text);
    if (!network) return;
    unwritten.delete(network.text);
    const name = `${network.family}/${network.bits}`;
    const table = tables.get(name);
    table?.networks.delete(networkOf(network, network.bits));
    if (table?.networks.size === 0) tables.delete(name);
  };
  const write = (ban: Ban): void => {
    putBan(redis, ban).then(
      () => unwritten.delete(ban.network),
      (err: unknown) => logger.warn({ err, network: ban.network }, 'ban was not written to redis yet'),
    );
  };
  const refresh = async (): Promise<void> => {
    if (redis.status !== 'ready' || meanwhile) return;
    meanwhile = [];
    try {
      const bans = await listBans(redis);
      tables.clear();
      for (const ban of bans) put(ban);
      for (const change of meanwhile) change();
      const now = Date.now();
      unwritten = new Map([...unwritten].filter(([, ban]) => ban.until > now));
      for (const ban of unwritten.values()) {
        put(ban);
        write(ban);
      }
    } catch (err) {
      logger.warn({ err }, 'bans were not read from redis; the last ones serve');
    } finally {
      meanwhile = undefined;
    }
  };
  const apply = (change: () => void): void => {
    change();
    meanwhile?.push(change);
  };
  const hear = (text: string): void => {
    let change: Partial<BanChange & { banned: Ban; lifted: string }>;
    try {
      change = JSON.parse(text) as typeof change;
    } catch {
      return;
    }
    const ban = change.banned ? readBan(JSON.stringify(change.banned)) : null;
    const { lifted } = change;
    if (ban) apply(() => put(ban));
    else if (typeof lifted === 'string') apply(() => remove(lifted));
  };

  const subscriber = redis.duplicate();
  subscriber.on('error', (err) => logger.debug({ err }, 'bans subscription connection failed'));
  subscriber.on('message', (_channel, text) => hear(text));
  subscriber.subscribe(BANS_CHANGED).catch((err: unknown) => logger.debug({ err }, 'bans are not subscribed to'));
  const onReady = (): void => void refresh();
  redis.on('ready', onReady);
  // Messages were missed while the subscription was away.
  subscriber.on('ready', onReady);
  const timer = setInterval(onReady, REFRESH_MS);
  timer.unref();
  return {
    find(address) {
      if (tables.size === 0) return undefined;
      const ip = parseIp(address);
      if (!ip) return undefined;
      for (const { family, bits, networks } of tables.values()) {
        if (family !== ip.family) continue;
        const ban = networks.get(networkOf(ip, bits));
        if (ban && ban.until > Date.now()) return ban;
      }
      return undefined;
    },
    add(ban) {
      apply(() => put(ban));
      unwritten.set(ban.network, ban);
      if (redis.status === 'ready') write(ban);
    },
    get size() {
      return [...tables.values()].reduce((sum, { networks }) => sum + networks.size, 0);
    },
    refresh,
    close() {
      clearInterval(timer);
      redis.off('ready', onReady);
      subscriber.disconnect();
    },
  };
}
