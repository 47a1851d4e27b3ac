import { randomBytes } from 'node:crypto';
import type { Logger } from '../../log/logger.js';
import type { Redis } from '../../redis/connection.js';
import { DIGEST_SECRET } from '../../redis/keys.js';

/** The secret of all processes' nonces. */
export interface SharedSecret {
  /** The one in use, then the one before it. */
  secrets(): readonly [Buffer, ...Buffer[]];
  /** Resolves when Redis has been asked for the first time. */
  readonly ready: Promise<void>;
  close(): void;
}

const SECRET_BYTES = 32;
/** How often the others' secret is looked for: after Redis has lost its data two processes may differ for so long. */
const READ_EVERY_MS = 15_000;
/** Kept alive by whoever reads it. */
const EXPIRY_MS = 7 * 24 * 3_600_000;

/**
 * A secret that the first process to ask makes and all others adopt. While Redis is away each process has its own, or the last
 * one; nonces of others are stale then, which a client's telephone answers by itself.
 */
export function sharedSecret({ redis, logger }: { redis: Redis; logger: Logger }): SharedSecret {
  let current = randomBytes(SECRET_BYTES);
  let previous: Buffer | undefined;
  const read = async (): Promise<void> => {
    if (redis.status !== 'ready') return;
    try {
      await redis.set(DIGEST_SECRET, current.toString('hex'), 'PX', EXPIRY_MS, 'NX');
      const text = await redis.getex(DIGEST_SECRET, 'PX', EXPIRY_MS);
      const shared = Buffer.from(text ?? '', 'hex');
      if (shared.length !== SECRET_BYTES || shared.equals(current)) return;
      previous = current;
      current = shared;
    } catch (err) {
      logger.warn({ err }, 'secret of nonces was not read from redis; the last one serves');
    }
  };
  const onReady = (): void => void read();
  redis.on('ready', onReady);
  const timer = setInterval(onReady, READ_EVERY_MS);
  timer.unref();
  return {
    secrets: () => (previous === undefined ? [current] : [current, previous]),
    ready: read(),
    close() {
      clearInterval(timer);
      redis.off('ready', onReady);
    },
  };
}
