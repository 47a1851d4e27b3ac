import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import {
  loadProvisioning,
  migrate,
  openDatabase,
  openRedis,
  openRouting,
  PROVISIONING_CHANGED,
} from '@ringwire/common';
import { silentLogger } from '@ringwire/common/testing/logger.js';
import { SEED, seedProvisioning } from '@ringwire/common/testing/provisioned.js';
import { startTestMariaDb, startTestRedis } from '@ringwire/common/testing/services.js';
import { makePrefixes, seeded } from './prefixes.js';

/** What importing and changing took. */
export interface ChangeTimes {
  importSeconds: number[];
  /** From the statement that changes the active version, to the first decision by the new prices. */
  applyMs: number[];
  /** CPU time of the process that decides, of each change. */
  applyCpuMs: number;
  /** Event loop of the process that decides, from before the first change to after the last: ms beyond 1 ms of resolution. */
  loopDelayP99Ms: number;
  loopDelayMaxMs: number;
  /** The same for as long with nothing to do. */
  idleDelayP99Ms: number;
  idleDelayMaxMs: number;
  /** Of this process, before the deck was loaded and with it. */
  rssBeforeMb: number;
  rssAfterMb: number;
}

const MB = 1024 * 1024;
const RATES = fileURLToPath(import.meta.resolve('@ringwire/common/rates/main.js'));

/** The same prefixes with other prices for each seed. None is kept: strings by the million would be what the collector stops for. */
async function* csv(count: number, seed: number): AsyncGenerator<string> {
  const prefixes = makePrefixes(count, seeded(1));
  const random = seeded(seed);
  yield 'prefix,rate,effective_from\n';
  for (let i = 0; i < prefixes.length; i += 5_000) {
    const rows = prefixes.slice(i, i + 5_000).map((prefix) => `${prefix},${(random() * 0.5).toFixed(4)},2025-01-01\n`);
    yield rows.join('');
  }
}

/** Imports all prefixes twice by the command, then changes between the two while a process decides by them. */
export async function measureChanges(
  prefixCount: number,
  changes: number,
  progress: (text: string) => void,
): Promise<ChangeTimes> {
  const logger = silentLogger();
  const dir = await mkdtemp(join(tmpdir(), 'ringwire-bench-'));
  const [mariaDb, redisServer] = await Promise.all([startTestMariaDb(), startTestRedis()]);
  const db = openDatabase(mariaDb, { logger });
  const redis = openRedis(redisServer, { logger, name: 'bench' });
  try {
    await migrate(db, { logger });
    await seedProvisioning(db);
    const env = {
      MYSQL_HOST: mariaDb.host,
      MYSQL_PORT: String(mariaDb.port),
      MYSQL_USER: mariaDb.user,
      MYSQL_PASSWORD: '',
      MYSQL_DATABASE: mariaDb.database,
      REDIS_HOST: redisServer.host,
      REDIS_PORT: String(redisServer.port),
    };
    const importSeconds: number[] = [];
    for (const version of [1, 2]) {
      const file = join(dir, `${version}.csv`);
      await pipeline(Readable.from(csv(prefixCount, version)), createWriteStream(file));
      progress(`importing ${prefixCount} rows`);
      const startedAt = performance.now();
      const args = ['import', file, '--account', 'one', '--carrier', 'carrier'];
      // A process of its own, as it is for people: its memory is not that of who decides.
      const child = spawn(process.execPath, [RATES, ...args], {
        stdio: ['ignore', 2, 2],
        env: { ...process.env, ...env },
      });
      const [status] = (await once(child, 'exit')) as [number | null];
      if (status !== 0) throw new Error('the import failed');
      importSeconds.push((performance.now() - startedAt) / 1000);
    }
    global.gc?.();
    const rssBeforeMb = process.memoryUsage.rss() / MB;
    const provisioning = await loadProvisioning({ db, redis, logger });
    const routing = await openRouting({ db, redis, provisioning, logger });
    const rssAfterMb = process.memoryUsage.rss() / MB;
    const versions = await db.query<{ version: number }>('SELECT version FROM rate_deck_versions ORDER BY version');
    const loaded = () =>
      routing.decks.book().decksOf(SEED.accountSid, SEED.serviceProviderSid).get(SEED.carrierSid)?.version;
    const delay = monitorEventLoopDelay({ resolution: 1 });
    const applyMs: number[] = [];
    progress(`${changes} changes of the active version`);
    delay.enable();
    const cpuBefore = process.cpuUsage();
    const changingSince = performance.now();
    for (let change = 0; change < changes; change++) {
      const version = Number(versions[change % 2]?.version);
      const startedAt = performance.now();
      await db.execute('UPDATE rate_decks SET active_version = ?', [version]);
      await redis.publish(PROVISIONING_CHANGED, 'rate_decks');
      while (loaded() !== version) await new Promise((resolve) => setTimeout(resolve, 1));
      applyMs.push(performance.now() - startedAt);
    }
    delay.disable();
    const cpu = process.cpuUsage(cpuBefore);
    const applyCpuMs = (cpu.user + cpu.system) / 1000 / changes;
    const [loopDelayP99Ms, loopDelayMaxMs] = [delay.percentile(99) / 1e6, delay.max / 1e6];
    delay.reset();
    delay.enable();
    await new Promise((resolve) => setTimeout(resolve, performance.now() - changingSince));
    delay.disable();
    const idle = { idleDelayP99Ms: delay.percentile(99) / 1e6, idleDelayMaxMs: delay.max / 1e6 };
    await routing.close();
    await provisioning.close();
    return { importSeconds, applyMs, applyCpuMs, loopDelayP99Ms, loopDelayMaxMs, ...idle, rssBeforeMb, rssAfterMb };
  } finally {
    redis.disconnect();
    await db.close();
    await Promise.all([mariaDb.stop(), redisServer.stop(), rm(dir, { recursive: true })]);
  }
}
