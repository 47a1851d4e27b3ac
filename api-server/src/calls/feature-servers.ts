import {
  FEATURE_SERVERS,
  type FeatureServerInfo,
  featureServerKey,
  type Logger,
  type Redis,
  type Secret,
  signInternal,
  watchInstances,
} from '@ringwire/common';

/** The feature servers that Redis names, and how they are asked. */
export interface FeatureServers {
  /** All that are alive, as it is now: one that came up a moment ago counts, one that drains says so. While Redis is away the last list serves. */
  list(): Promise<FeatureServerInfo[]>;
  /** Sends a signed order. Rejects as `fetch` does: with nobody there, and when no answer comes in time. */
  post(server: FeatureServerInfo, path: string, order: object, deadlineMs: number): Promise<Response>;
  close(): void;
}

/** Builds {@link FeatureServers}. */
export function featureServers(options: { redis: Redis; logger: Logger; encryptionSecret: Secret }): FeatureServers {
  const { redis, logger, encryptionSecret } = options;
  const servers = watchInstances<FeatureServerInfo>({
    redis,
    setKey: FEATURE_SERVERS,
    keyOf: featureServerKey,
    logger,
  });
  return {
    async list() {
      if (redis.status === 'ready') await servers.refresh().catch(() => undefined);
      return servers.list();
    },
    post: (server, path, order, deadlineMs) =>
      fetch(`${server.httpUrl}${path}`, {
        method: 'POST',
        ...signInternal(encryptionSecret, path, order),
        signal: AbortSignal.timeout(deadlineMs),
      }),
    close: () => servers.close(),
  };
}
