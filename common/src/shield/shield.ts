import type { Logger } from '../log/logger.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Redis } from '../redis/connection.js';
import { parseIpNetwork } from '../sip/ip-address.js';
import { type BanList, banList } from './ban-list.js';
import { OFFENDER_RULES, type Offence, type OffenderRules, offenders } from './offenders.js';

/** Keeps those out who only harm. */
export interface Shield {
  /** Whether the source is banned; never for somebody we know. Reads memory only. */
  isBanned(address: string): boolean;
  /** Looks at an INVITE before anything else does: false when it is of a banned source, or one of a flood. */
  admits(address: string): boolean;
  /** An INVITE was refused for something that scanners do; bans the source when it was too often. */
  offended(address: string, what: string): void;
  /** An INVITE was let in. */
  succeeded(address: string): void;
  readonly bans: BanList;
  close(): void;
}

/** Who lies about the sources of datagrams can have any number of them banned: no more than these. */
const MAX_BANS = 50_000;

/** Makes the shield of an edge. */
export function shieldOf(options: {
  redis: Redis;
  logger: Logger;
  metrics: Metrics;
  instanceId: string;
  /** Whether somebody we know calls from there: such a source is never banned, since anybody can lie about a datagram's source. */
  isKnown: (address: string) => boolean;
  /** How long a source is banned that went too far; 0: never. */
  banMs: number;
  rules?: OffenderRules;
}): Shield {
  const { redis, logger, metrics, instanceId, isKnown, banMs, rules = OFFENDER_RULES } = options;
  const bans = banList({ redis, logger });
  const seen = offenders(rules);
  const dropped = metrics.counter({
    name: 'ringwire_shield_dropped_total',
    help: 'INVITEs of banned sources, which were looked at no further',
  });
  const made = metrics.counter({
    name: 'ringwire_shield_bans_total',
    help: 'Sources that this process banned, by what they did last',
    labelNames: ['reason'],
  });
  metrics.gauge({
    name: 'ringwire_shield_banned_sources',
    help: 'Banned networks',
    collect() {
      this.set(bans.size);
    },
  });
  const isBanned = (address: string): boolean => bans.find(address) !== undefined && !isKnown(address);
  const judge = (address: string, what: Offence): void => {
    if (!seen.offence(address, what) || banMs === 0) return;
    const network = parseIpNetwork(address)?.text;
    if (network === undefined || bans.size >= MAX_BANS) return;
    const since = Date.now();
    bans.add({ network, reason: REASONS[what], by: instanceId, since, until: since + banMs });
    made.inc({ reason: what });
    logger.info({ network, reason: what, banMs }, 'source was banned');
  };
  return {
    isBanned,
    admits(address) {
      if (isBanned(address)) {
        dropped.inc();
        return false;
      }
      if (isKnown(address) || seen.mayAsk(address)) return true;
      judge(address, 'flood');
      return banMs === 0;
    },
    offended(address, what) {
      if (isOffence(what) && !isKnown(address)) judge(address, what);
    },
    succeeded(address) {
      if (!isKnown(address)) seen.success(address);
    },
    bans,
    close: () => bans.close(),
  };
}

const REASONS: Record<Offence, string> = {
  scanner: 'names itself as an attack tool',
  malformed: 'sends malformed requests',
  'unknown-source': 'is nobody and goes on calling',
  device: 'calls as a device that it is not',
  'bad-credentials': 'guesses names and passwords',
  challenged: 'does not answer challenges',
  flood: 'floods',
};

const isOffence = (what: string): what is Offence => Object.hasOwn(REASONS, what);
