import type { Alert } from '../events/types.js';
import type { Logger } from '../log/logger.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Redis } from '../redis/connection.js';
import { fraudBlocksKey, fraudKey } from '../redis/keys.js';
import { withinDeadline } from '../redis/within-deadline.js';
import { isEmergency } from './destinations.js';
import { type FraudBlock, type FraudLimit, readBlock } from './fraud-blocks.js';
import { CHECK_CALL } from './fraud-scripts.js';
import { findHighRisk } from './high-risk.js';
import { type CountedKind, LocalCounts, ratesOf } from './local-counts.js';
import type { FraudPolicy } from './policy.js';

/** What a call costs a minute, and how much of its number that is the price of. */
export interface CallPrice {
  rateMicros: number;
  prefixLength: number;
}

/** A call out, before any carrier is tried. */
export interface GuardedCall {
  /** Tells calls apart. */
  callSid: string;
  accountSid: string;
  serviceProviderSid: string;
  /** Digits, as {@link dialledDigits} leaves them. */
  number: string;
  /** What counts for the account. */
  policy: FraudPolicy;
  /** What the first carrier that would be tried takes by the service provider's word; null: not known. */
  price: CallPrice | null;
  /** What the call is reckoned with, maybe by a deck of the account itself: it can make a call expensive, and never cheap. */
  usedPrice?: CallPrice | null;
}

/** A text message out, before any carrier is tried. */
export interface GuardedMessage extends Pick<GuardedCall, 'accountSid' | 'serviceProviderSid' | 'number' | 'policy'> {
  /** Tells messages of the account apart. */
  messageSid: string;
}

/** Why a call or message is refused, in words that programs may look at. */
export type FraudReason = 'destination-denied' | FraudLimit;

/** The outcome of {@link FraudGuard.check}. */
export type FraudVerdict = { ok: true } | ({ ok: false } & FraudRefusal);

/** How a call is refused. */
export interface FraudRefusal {
  reason: FraudReason;
  /** For people. */
  detail: string;
  /** Seconds until the account may call again; null: this number never. */
  retryAfterSec: number | null;
  /** Null while the last alert is fresh. */
  alert: Omit<Alert, 'accountSid' | 'serviceProviderSid'> | null;
}

/** Keeps accounts from calling what they should not, and blocks those that call as thieves do. */
export interface FraudGuard {
  /** Judges a call and counts it over all processes. Never rejects, and answers within `deadlineMs`. */
  check(call: GuardedCall): Promise<FraudVerdict>;
  /** The same for a message. It has no price that is known, and no expensive prefix. */
  checkMessage(message: GuardedMessage): Promise<FraudVerdict>;
  close(): void;
}

/** One alert for refused destinations of an account in this time. */
const ALERT_QUIET_MS = 600_000;

/** A call or message, as it is counted. */
interface Asked extends Pick<GuardedCall, 'accountSid' | 'serviceProviderSid' | 'number' | 'policy'> {
  kind: CountedKind;
  /** Tells it apart from others of its kind. */
  member: string;
  /** Empty: it is not expensive. */
  prefix: string;
}

/** Makes the guard of one process. */
export function fraudGuard(options: {
  redis: Redis;
  logger: Logger;
  metrics: Metrics;
  /** Names the process in the counts. */
  owner: string;
  /** How long a call waits for Redis; then this process's own counts decide. */
  deadlineMs: number;
  /** Ms since the epoch, for this process's own counts. @defaultValue Date.now */
  now?: () => number;
}): FraudGuard {
  const { redis, logger, owner, deadlineMs, now = Date.now } = options;
  const checks = options.metrics.counter({
    name: 'ringwire_fraud_checks_total',
    help: 'Calls and messages out that the toll-fraud guard looked at, by what it said',
    labelNames: ['outcome'],
  });
  const unshared = options.metrics.counter({
    name: 'ringwire_fraud_checks_unshared_total',
    help: "Calls and messages out that were judged by one process's own counts, because Redis did not answer",
  });
  const local = new LocalCounts(now);
  let taken = 0;
  /** Whether an answer is overdue: until it is there nobody is asked and nobody waits. */
  let isHung = false;
  let isAlone = false;

  const alone = (err?: unknown): void => {
    unshared.inc();
    if (isAlone) return;
    isAlone = true;
    logger.warn({ err }, 'limits of the toll-fraud guard are counted by this process alone: redis does not answer');
  };
  const onReady = (): void => {
    isHung = false;
  };
  redis.on('ready', onReady);

  const ask = async (asked: Asked, isDenied: boolean): Promise<string[] | undefined> => {
    if (redis.status !== 'ready' || isHung) return undefined;
    const { serviceProviderSid, accountSid, number, prefix, member, kind } = asked;
    const { limits } = asked.policy;
    const [perMinute, perHour] = ratesOf(limits, kind);
    const answer = redis
      .eval(
        CHECK_CALL,
        5,
        ...([kind, 'prefixes', 'block', 'told'] as const).map((what) => fraudKey(serviceProviderSid, accountSid, what)),
        fraudBlocksKey(serviceProviderSid),
        member,
        accountSid,
        perMinute ?? -1,
        perHour ?? -1,
        limits.expensivePrefixesPerHour ?? -1,
        prefix,
        limits.blockMinutes * 60_000,
        isDenied ? '1' : '0',
        ALERT_QUIET_MS,
        number.slice(0, 64),
        kind,
      )
      .then(
        (result) => result as string[],
        (err: unknown) => {
          logger.debug({ err }, 'toll-fraud guard was not answered');
          return undefined;
        },
      )
      .finally(() => {
        isHung = false;
      });
    return withinDeadline(answer, deadlineMs, () => {
      isHung = true;
    });
  };
  const blocked = (policy: FraudPolicy, block: FraudBlock, isNews: boolean): FraudRefusal => {
    const { accountSid, why, until, number } = block;
    const words = {
      'calls-per-minute': `more than ${policy.limits.callsPerMinute} calls out in a minute`,
      'calls-per-hour': `more than ${policy.limits.callsPerHour} calls out in an hour`,
      'messages-per-minute': `more than ${policy.limits.messagesPerMinute} messages in a minute`,
      'messages-per-hour': `more than ${policy.limits.messagesPerHour} messages in an hour`,
      'expensive-prefixes': `more than ${policy.limits.expensivePrefixesPerHour} expensive prefixes called in an hour`,
    }[why];
    const end = new Date(until).toISOString();
    if (isNews) logger.warn({ accountSid, why, until: end, number }, 'account may not call out: possible toll fraud');
    return {
      reason: why,
      detail: `calls and messages out are blocked until ${end}: ${words}`,
      retryAfterSec: Math.max(1, Math.ceil((until - now()) / 1000)),
      alert: isNews
        ? {
            alertType: 'toll-fraud-block',
            message: `calls and messages out are blocked until ${end}: ${words}`,
            detail: `the last number called was ${number}`,
            targetSid: accountSid,
          }
        : null,
    };
  };
  const denied = ({ accountSid, number, kind }: Asked, why: string, isNews: boolean): FraudRefusal => {
    const detail = `${number} may not be ${kind === 'calls' ? 'called' : 'written to'}: ${why}`;
    const alert = isNews ? { alertType: 'toll-fraud-destination', message: detail, targetSid: accountSid } : null;
    return { reason: 'destination-denied', detail, retryAfterSec: null, alert };
  };

  const judge = async (asked: Asked): Promise<FraudRefusal | null> => {
    const { policy, accountSid } = asked;
    const destination = policy.verdict(asked.number);
    const isDenied = !destination.allowed;
    if (!isDenied && !policy.hasLimits) return null;
    const answer = await ask(asked, isDenied);
    if (answer === undefined) {
      alone();
      const found = local.check({ ...asked, limits: policy.limits, isDenied });
      if (found !== null) return blocked(policy, found.block, found.isNews);
      return destination.allowed ? null : denied(asked, destination.why, false);
    }
    isAlone = false;
    const [outcome, fact, news] = answer;
    const block = outcome === 'blocked' ? readBlock(accountSid, fact) : null;
    local.remember(accountSid, block);
    if (block !== null) return blocked(policy, block, news === '1');
    return destination.allowed ? null : denied(asked, destination.why, fact === '1');
  };
  const check = async (asked: Asked): Promise<FraudVerdict> => {
    if (isEmergency(asked.number)) return { ok: true };
    const refusal = await judge(asked);
    checks.inc({ outcome: refusal?.reason ?? 'allowed' });
    return refusal === null ? { ok: true } : { ok: false, ...refusal };
  };

  return {
    check: (call) => {
      const { accountSid, serviceProviderSid, number, policy } = call;
      const member = `${call.callSid}/${owner}/${++taken}`;
      const prefix = expensivePrefix(call);
      return check({ accountSid, serviceProviderSid, number, policy, kind: 'calls', member, prefix });
    },
    // One that is judged again, because the process that had it died, counts once.
    checkMessage: ({ messageSid, ...message }) =>
      check({ ...message, kind: 'messages', member: messageSid, prefix: '' }),
    close: () => void redis.off('ready', onReady),
  };
}

/**
 * The prefix under which an expensive call counts: that of its price, else of the list of high risk where the service provider says none; empty when it
 * is not expensive.
 */
function expensivePrefix({ number, price, usedPrice, policy }: GuardedCall): string {
  const least = policy.limits.expensiveRateMicros;
  if (least !== null) {
    const expensive = [price, usedPrice].find((known) => known && known.rateMicros >= least);
    if (expensive) return number.slice(0, expensive.prefixLength);
    if (price !== null) return '';
  }
  return findHighRisk(number)?.prefix ?? '';
}
