import type { Logger } from '../log/logger.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Redis } from '../redis/connection.js';
import { type BanList, banList } from './ban-list.js';
import { OPERATOR } from './ban-store.js';
import { knownSources } from './known-sources.js';
import { OFFENDER_RULES, type Offence, type OffenderRules, offenders } from './offenders.js';
import { isPrivate, sourceNetwork } from './source-network.js';

/** Keeps those out who only harm. */
export interface Shield {
  /** Whether the source is banned; somebody we know only where the operator names the very address, ourselves never. Reads memory only. */
  isBanned(address: string): boolean;
  /**
   * Looks at an INVITE before anything else does: false when it is of a banned source, or one too many.
   *
   * @param isHeard - whether it is proven that the source hears us, as over TCP; else a flood is refused and nobody banned for it
   */
  admits(address: string, isHeard?: boolean): boolean;
  /**
   * An INVITE was refused for something that scanners do; bans the source when it was too often.
   *
   * @param isHeard - whether the sender has proven that it hears us (TCP, or a nonce of ours came back); else the source is slowed down at most, since
   * anybody can write any address into a datagram
   */
  offended(address: string, what: string, isHeard?: boolean): void;
  /** An INVITE was let in, or a user or trunk has proven who it is: from now on the source is known at all edges, and is never banned. */
  succeeded(address: string): void;
  readonly bans: BanList;
  close(): void;
}

/** Bans in memory and Redis: no more than these. */
const MAX_BANS = 50_000;
/** Bans that one process makes in a minute. More is an attack that costs more to list than to refuse. */
const BANS_PER_MINUTE = 120;
const MINUTE_MS = 60_000;

/** Makes the shield of an edge. */
export function shieldOf(options: {
  redis: Redis;
  logger: Logger;
  metrics: Metrics;
  instanceId: string;
  /**
   * Whether somebody we know calls from there: such a source is never banned, nor slowed down.
   *
   * @param isHeard - whether it is proven that the source hears us
   */
  isKnown: (address: string, isHeard: boolean) => boolean;
  /** Whether it is one of ourselves, whom not even the operator bans: a slip of the finger would end all calls. */
  isOurs: (address: string) => boolean;
  /** How long a source is banned that went too far; 0: never. */
  banMs: number;
  rules?: OffenderRules;
  /** Whether addresses of private networks are never banned: all the world may come through a NAT or load balancer of ours. @defaultValue isPrivate */
  isPrivate?: (address: string) => boolean;
}): Shield {
  const { redis, logger, metrics, instanceId, isKnown, isOurs, banMs, rules = OFFENDER_RULES } = options;
  const bans = banList({ redis, logger });
  const seen = offenders(rules);
  const known = knownSources({ redis, logger });
  const dropped = metrics.counter({
    name: 'ringwire_shield_dropped_total',
    help: 'INVITEs of banned sources, which were looked at no further',
  });
  const slowed = metrics.counter({
    name: 'ringwire_shield_slowed_total',
    help: 'INVITEs of sources that asked too often, which were looked at no further',
  });
  const made = metrics.counter({
    name: 'ringwire_shield_bans_total',
    help: 'Sources that this process banned, by what they did last',
    labelNames: ['reason'],
  });
  const withheld = metrics.counter({
    name: 'ringwire_shield_bans_withheld_total',
    help: 'Sources that went too far and were only slowed down, by why',
    labelNames: ['why'],
  });
  metrics.gauge({
    name: 'ringwire_shield_banned_sources',
    help: 'Banned networks',
    collect() {
      this.set(bans.size);
    },
  });
  let budget = BANS_PER_MINUTE;
  let budgetAt = performance.now();
  const mayBan = (): boolean => {
    const now = performance.now();
    budget = Math.min(BANS_PER_MINUTE, budget + ((now - budgetAt) * BANS_PER_MINUTE) / MINUTE_MS);
    budgetAt = now;
    if (bans.size >= MAX_BANS || budget < 1) return false;
    budget -= 1;
    return true;
  };
  const isBanned = (address: string): boolean => {
    const ban = bans.find(address);
    if (ban === undefined) return false;
    // A network may hold a carrier's gateway by a slip of the finger; an address by itself is meant.
    const isMeant = ban.by === OPERATOR && !ban.network.includes('/');
    return isMeant ? !isOurs(address) : !isKnown(address, true);
  };
  const ban = async (address: string, network: string, what: Offence): Promise<void> => {
    const why = (options.isPrivate ?? isPrivate)(address)
      ? 'private'
      : (await known.has(address, network))
        ? 'known'
        : mayBan()
          ? null
          : 'budget';
    if (why !== null) {
      withheld.inc({ why });
      return;
    }
    const since = Date.now();
    bans.add({ network, reason: REASONS[what], by: instanceId, since, until: since + banMs });
    made.inc({ reason: what });
    logger.info({ network, reason: what, banMs }, 'source was banned');
  };
  const judge = (address: string, what: Offence, isHeard: boolean): void => {
    const network = sourceNetwork(address);
    if (network === null || !seen.offence(network, what, isHeard) || banMs === 0) return;
    ban(address, network, what).catch((err: unknown) => logger.warn({ err, network }, 'source was not banned'));
  };
  return {
    isBanned,
    admits(address, isHeard = false) {
      if (isBanned(address)) {
        dropped.inc();
        return false;
      }
      if (isKnown(address, isHeard)) return true;
      const network = sourceNetwork(address);
      if (network === null || seen.mayAsk(network)) return true;
      judge(address, 'flood', isHeard);
      if (banMs === 0) return true;
      slowed.inc();
      return false;
    },
    offended(address, what, isHeard = false) {
      if (isOffence(what) && !isKnown(address, isHeard)) judge(address, what, isHeard);
    },
    succeeded(address) {
      const network = sourceNetwork(address);
      if (network === null || isKnown(address, true)) return;
      seen.success(network);
      known.remember(network);
    },
    bans,
    close() {
      bans.close();
    },
  };
}

const REASONS: Record<Offence, string> = {
  scanner: 'names itself as an attack tool',
  malformed: 'sends malformed requests',
  'unknown-source': 'is nobody and goes on calling',
  'unknown-user': 'guesses names',
  'unknown-number': 'guesses numbers',
  device: 'calls as a device that it is not',
  'bad-credentials': 'guesses names and passwords',
  challenged: 'does not answer challenges',
  flood: 'floods',
};

const isOffence = (what: string): what is Offence => Object.hasOwn(REASONS, what);
