import { randomUUID } from 'node:crypto';
import { nowMs } from '../events/clock.js';
import type { Logger } from '../log/logger.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Redis } from '../redis/connection.js';
import { gatewayHealthKey } from '../redis/keys.js';
import {
  admits,
  CIRCUIT_RULES,
  type Circuit,
  type CircuitEvent,
  type CircuitRules,
  HEALTHY,
  stepCircuit,
} from '../routing/circuit.js';
import type { Admission, HealthView } from '../routing/ranked-routes.js';
import { type GatewayCounts, type GatewayQuality, gatewayQuality, NO_COUNTS } from '../routing/score.js';
import type { GatewayAttempt } from '../routing/types.js';
import { CircuitExchange, type CircuitReports } from './circuit-reports.js';
import { addCounts, BUCKET_MS, bucketAt, type CountsByGateway, HealthWindow, WINDOW_MS } from './health-window.js';

/** What is known of a gateway, for people. */
export interface GatewayCondition {
  state: Circuit['state'];
  /** Why it is not closed; empty when it is. */
  why: string;
  counts: GatewayCounts;
  quality: GatewayQuality;
}

/** How gateways do, as all processes see it; kept in memory, so that the path of a call asks nobody. */
export interface GatewayHealth extends HealthView {
  attempted(attempt: GatewayAttempt): void;
  /** Told of each OPTIONS once it was answered or given up. */
  pinged(sipGatewaySid: string, failed: boolean): void;
  /** For looking only: nobody's turn is used up by asking, and what other processes have taken out is out here too. */
  readonly preview: HealthView;
  /** As {@link preview} sees it. */
  condition(sipGatewaySid: string): GatewayCondition;
  /** Tells Redis what was counted and reads what others did; happens by itself every few seconds. Never rejects. */
  exchange(): Promise<void>;
  close(): Promise<void>;
}

/** How often counts are exchanged. Larger and a failing gateway is seen later by other processes. */
const EXCHANGE_MS = 3_000;
/** Reports of gateways that are out count for so many exchanges after the last. */
const REPORTS_COUNT_FOR = 4;
/** Other processes tell of a bucket until this long after its end; later it is read no more. */
const SETTLED_AFTER_MS = 15_000;
const CLOSE_DEADLINE_MS = 1_000;
const KEY_TTL_MS = WINDOW_MS + 60_000;

/** Names of counts in Redis: short, since there is one for each gateway and bucket. */
const FIELDS: Readonly<Record<keyof GatewayCounts, string>> = {
  attempts: 'a',
  failures: 'f',
  answered: 's',
  postDialDelayMs: 'd',
  postDialDelays: 'n',
  pings: 'p',
  pingFailures: 'x',
};
const COUNT_OF = new Map(Object.entries(FIELDS).map(([name, field]) => [field, name as keyof GatewayCounts]));
const IN: Admission = Object.freeze({ verdict: 'in', why: '' });

/** Reads a bucket's hash; what was not written by one of us is left out. */
function parseBucket(hash: Record<string, string>): CountsByGateway {
  const counts: CountsByGateway = new Map();
  for (const [field, text] of Object.entries(hash)) {
    const colon = field.lastIndexOf(':');
    const name = COUNT_OF.get(field.slice(colon + 1));
    const value = Number(text);
    if (colon > 0 && name !== undefined && Number.isSafeInteger(value)) {
      addCounts(counts, field.slice(0, colon), { [name]: value });
    }
  }
  return counts;
}

/**
 * Refusals that tell of the gateway: that it cannot work, or does not know us. What is told of one number or one call (404, 480, 484,
 * 488, …) may be a reason to try another gateway, but says nothing of this one: who dials wrong numbers must not take a carrier away
 * from everybody.
 */
const SICK_STATUSES = new Set([401, 407, 408, 500, 502, 503, 504]);

/** Whether an attempt tells that its gateway is not well. */
const isSickness = ({ outcome, status, isGatewayFailure }: GatewayAttempt): boolean =>
  isGatewayFailure && (outcome !== 'refused' || SICK_STATUSES.has(status));

/** What an attempt says of its gateway. */
function countsOf({ outcome, postDialDelayMs }: GatewayAttempt, failed: boolean): Partial<GatewayCounts> {
  const delay = postDialDelayMs === null ? {} : { postDialDelayMs: Math.round(postDialDelayMs), postDialDelays: 1 };
  return { attempts: 1, failures: Number(failed), answered: Number(outcome === 'answered'), ...delay };
}

/** Options of {@link openGatewayHealth}. */
export interface GatewayHealthOptions {
  redis: Redis;
  logger: Logger;
  metrics?: Metrics;
  rules?: CircuitRules;
  exchangeMs?: number;
  /** Ms since the epoch. */
  now?: () => number;
}

/**
 * Counts attempts and OPTIONS in Redis, in buckets of ten seconds that expire, reads them every few seconds, and takes gateways out
 * that fail. While Redis is away this process judges by its own calls alone.
 */
export function openGatewayHealth(options: GatewayHealthOptions): GatewayHealth {
  const { redis, logger, rules = CIRCUIT_RULES, exchangeMs = EXCHANGE_MS, now = nowMs } = options;
  /** Not told yet. */
  const own = new HealthWindow();
  /** As all processes told it. */
  const shared = new HealthWindow();
  /** Gateways that something is remembered of; {@link judge} forgets the others. */
  const circuits = new Map<string, Circuit>();
  /** The number that a gateway refused last; forgotten with the next attempt that goes otherwise, or with its circuit. */
  const lastRefused = new Map<string, string>();
  const scores = new Map<string, number>();
  const reports = new CircuitExchange(redis, randomUUID(), exchangeMs * REPORTS_COUNT_FOR);
  /** Gateways that some process has taken out. */
  let reported: CircuitReports = new Map();
  let isStale = false;
  let running: Promise<void> | undefined;

  const step = (sid: string, event: CircuitEvent): Circuit => {
    const before = circuits.get(sid) ?? HEALTHY;
    const after = stepCircuit(before, event, rules);
    if (after === before) return after;
    circuits.set(sid, after);
    if (after.state === 'open' && before.state !== 'open') {
      logger.warn({ sipGatewaySid: sid, why: after.why, outUntilMs: after.outUntilMs }, 'gateway was taken out');
    } else if (after.state === 'closed' && before.state !== 'closed') {
      logger.info({ sipGatewaySid: sid }, 'gateway is in again');
    }
    return after;
  };
  const countsSince = (sid: string, fromMs: number): GatewayCounts => {
    const sum = { ...NO_COUNTS };
    shared.sumInto(sum, sid, fromMs);
    own.sumInto(sum, sid, fromMs);
    return sum;
  };
  const judge = (): void => {
    const atMs = now();
    shared.forget(atMs);
    own.forget(atMs);
    const counted = new Set([...shared.gateways(), ...own.gateways()]);
    scores.clear();
    for (const sid of counted) {
      const { attempts, failures } = countsSince(sid, circuits.get(sid)?.countsFromMs ?? 0);
      step(sid, { type: 'window', attempts, failures, atMs });
      scores.set(sid, gatewayQuality(countsSince(sid, 0)).score);
    }
    for (const [sid, circuit] of circuits) {
      const { state } = step(sid, { type: 'tick', atMs });
      // What it did is out of the window: nothing is left to remember, unless it is out.
      const isForgotten = state === 'half-open' && atMs > circuit.outUntilMs + WINDOW_MS;
      if (counted.has(sid) || (state !== 'closed' && !isForgotten)) continue;
      circuits.delete(sid);
      lastRefused.delete(sid);
    }
  };

  const tellAndRead = async (): Promise<void> => {
    if (redis.status !== 'ready') return;
    const pipeline = redis.pipeline();
    for (const [bucket, byGateway] of own.drain()) {
      const key = gatewayHealthKey(bucket);
      for (const [sid, counts] of byGateway) {
        for (const name of Object.keys(FIELDS) as (keyof GatewayCounts)[]) {
          if (counts[name] !== 0) pipeline.hincrby(key, `${sid}:${FIELDS[name]}`, counts[name]);
        }
      }
      pipeline.pexpire(key, KEY_TTL_MS);
    }
    const atMs = now();
    const wanted: number[] = [];
    for (let bucket = bucketAt(atMs - WINDOW_MS) + 1; bucket <= bucketAt(atMs); bucket++) {
      const isSettled = (bucket + 1) * BUCKET_MS + SETTLED_AFTER_MS < atMs;
      if (!isSettled || !shared.has(bucket)) wanted.push(bucket);
    }
    const written = pipeline.length;
    for (const bucket of wanted) pipeline.hgetall(gatewayHealthKey(bucket));
    const results = (await pipeline.exec()) ?? [];
    for (const [index, bucket] of wanted.entries()) {
      const [err, hash] = results[written + index] ?? [new Error('no answer')];
      if (err) throw err;
      shared.set(bucket, parseBucket(hash as Record<string, string>));
    }
    reported = await reports.exchange(circuits, atMs);
  };
  const exchange = (): Promise<void> => {
    running ??= tellAndRead()
      .then(
        () => {
          isStale = false;
        },
        (err: unknown) => {
          if (!isStale) logger.warn({ err }, 'health of gateways was not exchanged; own calls are judged by');
          isStale = true;
        },
      )
      .finally(() => {
        judge();
        running = undefined;
      });
    return running;
  };
  const timer = setInterval(() => void exchange(), exchangeMs);
  timer.unref();

  const score = (sid: string): number => scores.get(sid) ?? 1;
  const admission = (circuit: Circuit): Admission =>
    admits(circuit, rules) ? { verdict: 'probe', why: circuit.why } : { verdict: 'out', why: circuit.why };
  /** The gateway's circuit here, else what others say of it. */
  const seen = (sid: string): Circuit => {
    const circuit = circuits.get(sid) ?? HEALTHY;
    const report = circuit.state === 'closed' ? reported.get(sid) : undefined;
    return report ? { ...HEALTHY, ...report } : circuit;
  };
  const asked = (atMs: number): CircuitEvent => ({ type: 'asked', atMs });
  const health: GatewayHealth = {
    score,
    admit(sid, atMs) {
      const circuit = circuits.get(sid);
      if (circuit === undefined || circuit.state === 'closed') return IN;
      return admission(step(sid, asked(atMs)));
    },
    takeTrial(sid) {
      const circuit = circuits.get(sid) ?? HEALTHY;
      if (circuit.state === 'closed') return true;
      if (!admits(circuit, rules)) return false;
      step(sid, { type: 'trial' });
      return true;
    },
    preview: {
      score,
      admit(sid, atMs) {
        const circuit = seen(sid);
        if (circuit.state === 'closed') return IN;
        return admission(stepCircuit(circuit, asked(atMs), rules));
      },
    },
    attempted(attempt) {
      const { outcome, called, postDialDelayMs } = attempt;
      // The caller gave up before anything was heard: nobody knows what would have come.
      if (outcome === 'abandoned' && postDialDelayMs === null) return;
      const sid = attempt.gateway.sipGatewaySid;
      const failed = isSickness(attempt);
      // Somebody who redials a number that a gateway cannot serve tells no more with each call.
      if (failed && outcome === 'refused' && lastRefused.get(sid) === called) return;
      if (failed && outcome === 'refused') lastRefused.set(sid, called);
      else lastRefused.delete(sid);
      own.add(bucketAt(now()), sid, countsOf(attempt, failed));
      // It rang, and nobody knows what would have come of it: no reason to let a gateway in again that was taken out.
      if (outcome === 'abandoned') return;
      step(sid, { type: 'attempt', failed, startedAtMs: attempt.startedAtMs, atMs: now() });
    },
    pinged(sid, failed) {
      own.add(bucketAt(now()), sid, { pings: 1, pingFailures: Number(failed) });
      step(sid, { type: 'ping', failed, atMs: now() });
    },
    condition(sid) {
      const counts = countsSince(sid, 0);
      const { state, why } = seen(sid);
      return { state, why, counts, quality: gatewayQuality(counts) };
    },
    exchange,
    async close() {
      clearInterval(timer);
      // A Redis that hangs must not keep the process; what it would miss are counts of seconds.
      await Promise.race([exchange(), new Promise((resolve) => setTimeout(resolve, CLOSE_DEADLINE_MS).unref())]);
    },
  };
  options.metrics?.number({
    name: 'ringwire_gateways_out',
    help: 'Gateways that get no calls, or one of n, because they failed',
    read: () => [...circuits.values()].filter(({ state }) => state !== 'closed').length,
  });
  return health;
}
