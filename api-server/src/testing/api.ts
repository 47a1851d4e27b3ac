import { type Database, migrate, openDatabase, openRedis, type Redis, Secret } from '@ringwire/common';
import type { AllowPrivate } from '@ringwire/common/http/address-guard.js';
import type { DefaultStorage } from '@ringwire/common/recordings/account-storage.js';
import { silentLogger } from '@ringwire/common/testing/logger.js';
import { SEED, seedProvisioning } from '@ringwire/common/testing/provisioned.js';
import {
  startTestMariaDb,
  startTestRedis,
  type TestMariaDb,
  type TestServer,
} from '@ringwire/common/testing/services.js';
import { type ApiServer, startApiServer } from '../api-server.js';
import type { CaptureSource } from '../call-history/sip-captures.js';
import type { PublicAddress } from '../messages/signed-request.js';
import { apiClient } from './client.js';

/** An API server over its own MariaDB and Redis, with the rows of `SEED`. */
export interface TestApi {
  server: ApiServer;
  db: Database;
  redis: Redis;
  mariaDb: TestMariaDb;
  redisServer: TestServer;
  logger: ReturnType<typeof silentLogger>;
  admin: ReturnType<typeof apiClient>;
  serviceProvider: ReturnType<typeof apiClient>;
  account: ReturnType<typeof apiClient>;
  stranger: ReturnType<typeof apiClient>;
  stop(): Promise<void>;
}

/** Starts everything that a test of the API needs. */
export async function startTestApi({
  workers = true,
  sipCaptures = [],
  publicAddress,
  recordings,
  allowPrivateHooks,
}: {
  workers?: boolean;
  sipCaptures?: CaptureSource[];
  publicAddress?: PublicAddress;
  recordings?: DefaultStorage & { allowPrivate: AllowPrivate };
  allowPrivateHooks?: AllowPrivate;
} = {}): Promise<TestApi> {
  const logger = silentLogger();
  const [mariaDb, redisServer] = await Promise.all([startTestMariaDb(), startTestRedis()]);
  const db = openDatabase(mariaDb, { logger });
  const redis = openRedis(redisServer, { logger, name: 'test' });
  await migrate(db, { logger });
  await seedProvisioning(db);
  const server = await startApiServer({
    mysql: mariaDb,
    redis: redisServer,
    http: { host: '127.0.0.1', port: 0 },
    encryptionSecret: new Secret('key material'),
    instanceId: 'test',
    workers,
    // Addresses of examples (RFC 5737) are not on the public internet.
    allowPrivateSip: true,
    sipCaptures,
    ...(publicAddress && { publicAddress }),
    ...(recordings && { recordings }),
    ...(allowPrivateHooks && { allowPrivateHooks }),
    logger,
  });
  return {
    server,
    db,
    redis,
    mariaDb,
    redisServer,
    logger,
    admin: apiClient(server.url, SEED.adminToken),
    serviceProvider: apiClient(server.url, SEED.serviceProviderToken),
    account: apiClient(server.url, SEED.accountToken),
    stranger: apiClient(server.url, SEED.strangerToken),
    async stop() {
      await server.close();
      redis.disconnect();
      await db.close();
      await Promise.all([mariaDb.stop(), redisServer.stop()]);
    },
  };
}
