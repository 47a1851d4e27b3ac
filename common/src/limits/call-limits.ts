import type { CallDirection } from '../events/types.js';
import type { Logger } from '../log/logger.js';
import type { Metrics } from '../metrics/metrics.js';
import type { LimitScope } from '../provisioning/rows.js';
import type { Redis } from '../redis/connection.js';
import { callPlacesKey, limitToldKey } from '../redis/keys.js';
import { withinDeadline } from '../redis/within-deadline.js';
import { RENEW_PLACES, TAKE_PLACES } from './place-scripts.js';

/** Whose limits a call counts against. */
export interface CountedCall {
  callSid: string;
  accountSid: string;
  serviceProviderSid: string;
  /** Null when no application is known yet. */
  applicationSid: string | null;
  /** The user who calls, or is called, where it is one. */
  user?: LimitedUser;
}

/** A user of an account, who may have a limit of his own. */
export interface LimitedUser {
  /** `alice@example.com`. */
  aor: string;
  /** Calls at the same time; null: any number. */
  limit: number | null;
}

/** What is counted. */
export type CountScope = LimitScope | 'user';

/** A limit that was reached. */
export interface LimitReached {
  scope: CountScope;
  /** Of the account, application or service provider; of a user the address of record. */
  sid: string;
  limit: number;
  /** Whether nobody was told of this limit during the last {@link ALERT_QUIET_MS}: then an alert is due. */
  isNews: boolean;
}

/** A call's place: it counts until it is released, or its owner is dead for the expiry. */
export interface CallPlace {
  /** Gives the place back; later calls of it do nothing. */
  release(): void;
  /**
   * The call goes on to another user, or to nobody who is counted (null): takes a place in his count and gives back that of the user before. Where there is
   * none everything stays as it is. Never rejects, as {@link CallLimits.take}.
   */
  forward(user: LimitedUser | null): Promise<LimitReached | null>;
}

/** The outcome of {@link CallLimits.take}. */
export type PlaceResult = { ok: true; place: CallPlace } | { ok: false; reached: LimitReached };

/** Counts the calls of accounts, applications and service providers over all processes, and says when there is no room. */
export interface CallLimits {
  /**
   * Takes a place in all of the call's counts, or in none. Never rejects, and answers within `deadlineMs`: while Redis is away
   * every call is let in, and counts again when Redis is back.
   */
  take(call: CountedCall): Promise<PlaceResult>;
  /** Calls of this process that hold a place. */
  readonly size: number;
  /** Gives back what is left and stops. */
  close(): Promise<void>;
}

/** One alert for a limit in this time, whatever the number of processes and refused calls. */
export const ALERT_QUIET_MS = 60_000;
/** How often the log says that calls were not counted. */
const LOG_EVERY_MS = 10_000;

interface CountedScope {
  scope: CountScope;
  sid: string;
}

/** The order in which limits are looked at: the first that is reached is the one that is told. */
const scopesOf = (call: CountedCall): CountedScope[] => [
  ...(call.user === undefined ? [] : [{ scope: 'user' as const, sid: call.user.aor }]),
  { scope: 'account', sid: call.accountSid },
  ...(call.applicationSid === null ? [] : [{ scope: 'application' as const, sid: call.applicationSid }]),
  { scope: 'service_provider', sid: call.serviceProviderSid },
];

/** Makes the limits of one process and direction: calls in and calls out are counted apart, as in jambonz. */
export function callLimits(options: {
  redis: Redis;
  direction: CallDirection;
  /** Names the process in the counts. */
  owner: string;
  /** How many calls at once; null where no limit is provisioned: the call is counted and never refused. */
  limitOf: (scope: LimitScope, sid: string) => number | null;
  /** How long a place outlives its owner. */
  expiryMs: number;
  /** How long a call waits for its place. Larger delays the first calls while Redis hangs, smaller lets too many in on a busy machine. */
  deadlineMs: number;
  logger: Logger;
  metrics: Metrics;
}): CallLimits {
  const { redis, direction, owner, limitOf, expiryMs, deadlineMs, logger } = options;
  const checks = options.metrics.counter({
    name: 'ringwire_call_limit_checks_total',
    help: 'Calls asked for a place: admitted, refused, or unchecked because Redis did not answer',
    labelNames: ['direction', 'outcome'],
  });
  /** Keys by member. */
  const held = new Map<string, string[]>();
  /** What could not be taken out of Redis while it was away; what is older than the expiry is gone by itself. */
  const released = new Map<string, { keys: string[]; at: number }>();
  let taken = 0;
  /** Whether an answer is overdue: until it is there nobody is asked and nobody waits, so that nothing piles up. */
  let isHung = false;
  let loggedAt = Number.NEGATIVE_INFINITY;

  const fault = (err: unknown): void => {
    const now = performance.now();
    if (now - loggedAt < LOG_EVERY_MS) return;
    loggedAt = now;
    logger.warn({ err, direction }, 'calls are not limited: redis does not answer');
  };
  const remove = async (members: Iterable<[string, string[]]>): Promise<void> => {
    const pipeline = redis.pipeline();
    for (const [member, keys] of members) for (const key of keys) pipeline.zrem(key, member);
    await pipeline.exec().catch(fault);
  };
  const keysOf = ({ serviceProviderSid }: CountedCall, scopes: readonly CountedScope[]): string[] =>
    scopes.map(({ scope, sid }) => callPlacesKey(serviceProviderSid, direction, scope, sid));
  const giveBack = (member: string, keys: string[]): void => {
    if (redis.status === 'ready') void remove([[member, keys]]);
    else released.set(member, { keys: [...(released.get(member)?.keys ?? []), ...keys], at: performance.now() });
  };
  const release = (member: string): void => {
    const keys = held.get(member);
    if (keys === undefined) return;
    held.delete(member);
    giveBack(member, keys);
  };
  const renew = async (): Promise<void> => {
    const now = performance.now();
    for (const [member, { at }] of released) if (now - at > expiryMs) released.delete(member);
    if (redis.status !== 'ready') return;
    const late = [...released].map(([member, { keys }]): [string, string[]] => [member, keys]);
    released.clear();
    if (late.length > 0) void remove(late);
    const members = new Map<string, string[]>();
    for (const [member, keys] of held) {
      for (const key of keys) members.set(key, [...(members.get(key) ?? []), member]);
    }
    await Promise.all(
      [...members].map(([key, list]) => redis.eval(RENEW_PLACES, 1, key, expiryMs, ...list).catch(fault)),
    );
  };
  const onReady = (): void => {
    isHung = false;
    void renew();
  };
  redis.on('ready', onReady);
  const timer = setInterval(() => {
    if (!isHung) void renew();
  }, expiryMs / 3);
  timer.unref();

  /** Asks Redis; undefined when it does not answer in time. */
  const ask = async (
    call: CountedCall,
    member: string,
    scopes: readonly CountedScope[],
  ): Promise<LimitReached | null | undefined> => {
    if (redis.status !== 'ready' || isHung) return undefined;
    const keys = keysOf(call, scopes);
    const limits = scopes.map(({ scope, sid }) =>
      scope === 'user' ? (call.user?.limit ?? null) : limitOf(scope, sid),
    );
    const told = scopes.map(({ scope, sid }) => limitToldKey(call.serviceProviderSid, scope, sid));
    const numbers = limits.map((limit) => limit ?? -1);
    const answer = redis
      .eval(TAKE_PLACES, 2 * keys.length, ...keys, ...told, member, expiryMs, ALERT_QUIET_MS, ...numbers)
      .then(
        (result) => result as number[],
        (err: unknown) => {
          fault(err);
          return undefined;
        },
      )
      .finally(() => {
        isHung = false;
      });
    // Without a limit there is nothing to wait for: the call is only counted.
    if (limits.every((limit) => limit === null)) return null;
    const result = await withinDeadline(answer, deadlineMs, () => {
      isHung = true;
    });
    if (result === undefined) return undefined;
    const [index = 0, isNews] = result;
    const at = scopes[index - 1];
    return at === undefined ? null : { ...at, limit: limits[index - 1] ?? 0, isNews: isNews === 1 };
  };

  /** Asks, and counts the answer. */
  const check = async (
    call: CountedCall,
    member: string,
    scopes: readonly CountedScope[],
  ): Promise<LimitReached | null> => {
    const reached = await ask(call, member, scopes);
    if (reached === undefined) fault(new Error('no answer'));
    checks.inc({ direction, outcome: reached ? 'refused' : reached === undefined ? 'unchecked' : 'admitted' });
    return reached ?? null;
  };
  const placeOf = (member: string, call: CountedCall): CallPlace => {
    let counted = call;
    const userOf = (one: CountedCall) => scopesOf(one).filter(({ scope }) => scope === 'user');
    return {
      release: () => release(member),
      async forward(user) {
        const { user: before, ...others } = counted;
        if (before?.aor === user?.aor) return null;
        const next: CountedCall = user === null ? others : { ...others, user };
        const reached = user === null ? null : await check(next, member, userOf(next));
        if (reached) return reached;
        const added = keysOf(next, userOf(next));
        const dropped = keysOf(counted, userOf(counted));
        const keys = held.get(member);
        if (keys === undefined) {
          // The call has ended meanwhile.
          giveBack(member, added);
          return null;
        }
        counted = next;
        held.set(member, [...added, ...keys.filter((key) => !dropped.includes(key))]);
        giveBack(member, dropped);
        return null;
      },
    };
  };

  return {
    async take(call) {
      const scopes = scopesOf(call);
      // A feature server may give the same call sid twice: each is a call.
      const member = `${call.callSid}/${owner}/${++taken}`;
      const reached = await check(call, member, scopes);
      if (reached) return { ok: false, reached };
      held.set(member, keysOf(call, scopes));
      return { ok: true, place: placeOf(member, call) };
    },
    get size() {
      return held.size;
    },
    async close() {
      clearInterval(timer);
      redis.off('ready', onReady);
      const left = [...held];
      held.clear();
      if (redis.status === 'ready' && left.length > 0) await remove(left);
    },
  };
}
