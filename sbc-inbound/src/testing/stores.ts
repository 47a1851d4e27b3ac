import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  closeRedis,
  type Database,
  EVENT_STREAM,
  type EventEnvelope,
  type EventType,
  migrate,
  openDatabase,
  openRedis,
  type Redis,
} from '@ringwire/common';
import { silentLogger } from '@ringwire/common/testing/logger.js';
import { seedProvisioning } from '@ringwire/common/testing/provisioned.js';
import { startTestMariaDb, startTestRedis, type TestServer } from '@ringwire/common/testing/services.js';
import { until } from '@ringwire/common/testing/until.js';
import { isPortFree, type RtpengineService, startRtpengine } from '@ringwire/services';

/** Where clean-up is registered: a tap test. */
export interface Teardown {
  teardown(fn: () => unknown): void;
}

/** Real MariaDB (migrated and seeded), Redis and rtpengine of one test file. */
export interface Stores {
  /** The environment of a process that uses them. */
  env: Record<string, string>;
  redis: Redis;
  redisServer: TestServer;
  rtpengine: RtpengineService;
  /** Everything that was told of a call, in order; all calls without an id. */
  events(sipCallId?: string): Promise<EventEnvelope[]>;
  /** Waits for an event of a call and returns it. */
  event<T extends EventType>(type: T, sipCallId: string): Promise<EventEnvelope<T>>;
}

/** Ranges of media ports, below those that the kernel gives away. */
const RANGES = { first: 20_000, ports: 200, count: 63 };

/** Media ports of the rtpengine of this process: different ones for files that run side by side, none that a media server has taken. */
async function mediaPorts(): Promise<{ first: number; last: number }> {
  for (let next = 0; next < RANGES.count; next++) {
    const first = RANGES.first + ((process.pid + next) % RANGES.count) * RANGES.ports;
    const last = first + RANGES.ports - 2;
    const samples = [first, first + 50, first + 100, first + 150, last];
    const free = await Promise.all(samples.map((port) => isPortFree(port, 'udp')));
    if (free.every(Boolean)) return { first, last };
  }
  throw new Error('no range of UDP ports is free');
}

/** Opens the database of {@link Stores.env}, to change what is provisioned; whoever opens it closes it. */
export function openSeededDatabase(env: Record<string, string>): Database {
  const { MYSQL_HOST: host = '', MYSQL_PORT: port, MYSQL_USER: user = '', MYSQL_DATABASE: database = '' } = env;
  return openDatabase({ host, port: Number(port), user, password: '', database }, { logger: silentLogger() });
}

/** Starts them; they go away with the test. */
export async function startStores(t: Teardown): Promise<Stores> {
  const logger = silentLogger();
  const dataDir = mkdtempSync(join(tmpdir(), 'ringwire-sbc-'));
  const [mysql, redisServer, rtpengine] = await Promise.all([
    startTestMariaDb(),
    startTestRedis(),
    startRtpengine({ dataDir, ports: await mediaPorts() }),
  ]);
  const { host, port, user, password, database } = mysql;
  const db = openDatabase({ host, port, user, password, database }, { logger });
  await migrate(db, { logger });
  await seedProvisioning(db);
  await db.close();
  const redis = openRedis({ host: '127.0.0.1', port: redisServer.port }, { logger, name: 'test' });
  t.teardown(async () => {
    await closeRedis(redis);
    await Promise.all([mysql.stop(), redisServer.stop(), rtpengine.stop()]);
    rmSync(dataDir, { recursive: true, force: true });
  });
  const events = async (sipCallId?: string): Promise<EventEnvelope[]> => {
    const entries = await redis.xrange(EVENT_STREAM, '-', '+');
    const all = entries.map(([, fields]) => JSON.parse(fields[1] ?? '') as EventEnvelope);
    return sipCallId === undefined ? all : all.filter((event) => event.sipCallId === sipCallId);
  };
  return {
    env: {
      MYSQL_HOST: host,
      MYSQL_PORT: `${port}`,
      MYSQL_USER: user,
      MYSQL_PASSWORD: password,
      MYSQL_DATABASE: database,
      REDIS_HOST: '127.0.0.1',
      REDIS_PORT: `${redisServer.port}`,
      ENCRYPTION_SECRET: 'a secret of tests',
      RTPENGINE_HOST: rtpengine.host,
      RTPENGINE_PORT: `${rtpengine.port}`,
      HTTP_PORT: '0',
      SIP_ALLOW_PRIVATE: 'true',
    },
    redis,
    redisServer,
    rtpengine,
    events,
    event: async (type, sipCallId) =>
      until(`event ${type}`, async () => {
        const found = (await events(sipCallId)).find((event) => event.type === type);
        return found as EventEnvelope<typeof type> | undefined;
      }),
  };
}
