import { Redis } from 'ioredis';
import { reveal, type Secret } from '../config/secret.js';
import type { Logger } from '../log/logger.js';

export type { Redis } from 'ioredis';

/** Where Redis is. */
export interface RedisConfig {
  host: string;
  port: number;
  username?: string;
  password?: Secret | string;
}

/** Longest pause between two attempts to reach Redis. Larger delays recovery; smaller floods a server that is starting. */
const MAX_RETRY_DELAY_MS = 1_000;

/**
 * Opens a connection that reconnects for ever. Commands given while Redis is away wait until it is back, so nothing on the
 * path of a call may await one without a deadline of its own.
 */
export function openRedis(config: RedisConfig, { logger, name }: { logger: Logger; name: string }): Redis {
  const redis = new Redis({
    host: config.host,
    port: config.port,
    ...(config.username === undefined ? {} : { username: config.username }),
    ...(config.password === undefined ? {} : { password: reveal(config.password) }),
    connectionName: name,
    connectTimeout: 5_000,
    keepAlive: 10_000,
    maxRetriesPerRequest: null,
    retryStrategy: (attempt) => Math.min(50 * 2 ** Math.min(attempt, 10), MAX_RETRY_DELAY_MS),
    reconnectOnError: (err) => err.message.startsWith('READONLY'),
  });
  let isLost = false;
  redis.on('error', (err) => {
    if (!isLost) logger.warn({ err, connection: name }, 'redis connection failed');
    isLost = true;
  });
  redis.on('close', () => {
    isLost = true;
  });
  redis.on('ready', () => {
    if (isLost) logger.info({ connection: name }, 'redis connection restored');
    isLost = false;
  });
  return redis;
}

/** Ends a connection: waits for commands under way, but not for a Redis that is away. */
export async function closeRedis(redis: Redis): Promise<void> {
  if (redis.status === 'ready') {
    await Promise.race([
      redis.quit().catch(() => 'gone already'),
      new Promise((resolve) => setTimeout(resolve, 1_000).unref()),
    ]);
  }
  redis.disconnect();
}
