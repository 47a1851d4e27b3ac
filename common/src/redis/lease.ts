import type { Logger } from '../log/logger.js';
import type { Redis } from './connection.js';

/** A duty that one process of the cluster has at a time. */
export interface Lease {
  /**
   * Whether this process may act now. False for a process that was stopped for so long that another one may have taken over, until Redis has
   * said so. While Redis is away whoever held the lease goes on: nobody else can take it.
   */
  readonly isHeld: boolean;
  /** Gives it back, so that another process takes it within a second, and does not ask for it any more. */
  release(): Promise<void>;
}

/** Takes or renews the lease unless another process holds it. Answers who does. KEYS: lease. ARGV: owner, expiry in ms. */
const TAKE = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return holder end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ARGV[1]`;
/** KEYS: lease. ARGV: owner. */
const GIVE_BACK = `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 0`;

/** How often a lease is asked for or renewed, as a share of its expiry: four renewals may fail before it is lost. */
const ASKS_PER_EXPIRY = 5;
const RELEASE_DEADLINE_MS = 1_000;

/**
 * Asks for a lease until it is released: takes it when nobody holds it or its holder has not renewed it for `expiryMs`, and renews it from then on.
 *
 * @param onTaken - called when this process becomes the holder
 * @param onLost - called when another one has become it, or `canHold` says no; not by {@link Lease.release}
 */
export function holdLease(options: {
  redis: Redis;
  key: string;
  owner: string;
  /** How long the lease outlives a holder that died. Smaller takes it from processes that were only busy. */
  expiryMs: number;
  logger: Logger;
  /** Whether this process can do its duty; while it says no, the lease is given back and left to others. @defaultValue always */
  canHold?: () => boolean;
  onTaken: () => void;
  onLost: () => void;
}): Lease {
  const { redis, key, owner, expiryMs, logger, canHold = () => true } = options;
  let isHolder = false;
  let safeUntil = 0;
  let released = false;
  let asking: Promise<void> | undefined;
  let isFailing = false;

  const giveBack = (): Promise<unknown> => redis.eval(GIVE_BACK, 1, key, owner);
  const ask = async (): Promise<void> => {
    if (!canHold()) {
      if (!isHolder) return;
      isHolder = false;
      logger.warn({ lease: key }, 'lease is left to others');
      options.onLost();
      await giveBack();
      return;
    }
    // The lease runs from the moment at which Redis does it, which is later than this one.
    const askedAt = performance.now();
    const holder = await redis.eval(TAKE, 1, key, owner, expiryMs);
    isFailing = false;
    if (holder === owner) {
      safeUntil = askedAt + expiryMs;
      if (isHolder || released) return;
      isHolder = true;
      logger.info({ lease: key }, 'lease was taken');
      options.onTaken();
    } else if (isHolder) {
      isHolder = false;
      logger.warn({ lease: key, holder }, 'lease was lost');
      if (!released) options.onLost();
    }
  };
  const tick = (): void => {
    if (redis.status !== 'ready') return;
    asking ??= ask()
      .catch((err: unknown) => {
        if (!isFailing) logger.warn({ err, lease: key }, 'lease was not asked for');
        isFailing = true;
      })
      .finally(() => {
        asking = undefined;
      });
  };
  redis.on('ready', tick);
  const timer = setInterval(tick, Math.max(20, expiryMs / ASKS_PER_EXPIRY));
  tick();
  return {
    get isHeld() {
      return isHolder && !released && canHold() && (performance.now() < safeUntil || redis.status !== 'ready');
    },
    async release() {
      if (released) return;
      released = true;
      clearInterval(timer);
      redis.off('ready', tick);
      if (redis.status !== 'ready') return;
      const givenBack = (async () => {
        await asking;
        await giveBack();
      })().catch((err: unknown) => logger.warn({ err, lease: key }, 'lease was not given back; it expires'));
      let late: NodeJS.Timeout | undefined;
      const deadline = new Promise<void>((resolve) => {
        late = setTimeout(resolve, RELEASE_DEADLINE_MS);
      });
      await Promise.race([givenBack, deadline]).finally(() => clearTimeout(late));
    },
  };
}
