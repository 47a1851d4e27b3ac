import { once } from 'node:events';
import { createReadStream, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readConfig } from '../config/read-config.js';
import { mysqlConfig, mysqlVars, redisConfig, redisVars } from '../config/variables.js';
import { type Database, type MysqlConfig, openDatabase } from '../db/database.js';
import { migrate } from '../db/migrate.js';
import { RingwireError } from '../errors.js';
import { createLogger } from '../log/logger.js';
import { closeRedis, openRedis, type Redis, type RedisConfig } from '../redis/connection.js';
import { PROVISIONING_CHANGED } from '../redis/keys.js';
import { parseRatesCommand, RATES_USAGE, type RatesCommand, RatesUsageError } from './command-options.js';
import { findOwner } from './find-owner.js';
import { showProgress } from './import-progress.js';
import { importRates } from './import-rates.js';
import { type RateDeckRow, removeDeck } from './rates-store.js';

const INSTANCE_FILE = fileURLToPath(new URL('../../../.data/ringwire.json', import.meta.url));
/** Bad rows that are written out; the number of the others is told. */
const SHOWN_BAD_ROWS = 50;

/** How long a Redis that is away is waited for before edges are left to see the change by themselves. */
const REDIS_DEADLINE_MS = 2_000;

/** Where the command writes. */
export interface CommandOutput {
  out: NodeJS.WritableStream;
  err: NodeJS.WritableStream & { isTTY?: boolean; columns?: number };
  env: NodeJS.ProcessEnv;
  /** Ends an import; the prices stay as they were. */
  signal?: AbortSignal;
}

interface Stores {
  db: Database;
  redis: Redis;
}

/** Where the stores are: the environment says, or what runs on this machine. @throws RatesUsageError, ConfigError */
function storesOf(env: NodeJS.ProcessEnv): { mysql: MysqlConfig; redis: RedisConfig } {
  if (env.MYSQL_HOST !== undefined) {
    const config = readConfig({ ...mysqlVars, ...redisVars }, env);
    return { mysql: mysqlConfig(config), redis: redisConfig(config) };
  }
  try {
    const { mysql, redis } = JSON.parse(readFileSync(INSTANCE_FILE, 'utf8')) as {
      mysql: MysqlConfig;
      redis: RedisConfig;
    };
    return { mysql, redis };
  } catch {
    throw new RatesUsageError('no platform runs here (npm start), and MYSQL_HOST does not say where the database is');
  }
}

const reload = (redis: Redis) => async (): Promise<void> => {
  if (redis.status !== 'ready') {
    await Promise.race([
      once(redis, 'ready'),
      new Promise((resolve) => setTimeout(resolve, REDIS_DEADLINE_MS).unref()),
    ]);
  }
  // Without Redis the edges see it by themselves after half a minute.
  if (redis.status === 'ready') await redis.publish(PROVISIONING_CHANGED, 'rate_decks').catch(() => 0);
};

async function runImport(
  { db, redis }: Stores,
  command: Extract<RatesCommand, { command: 'import' }>,
  { out, err, signal }: CommandOutput,
): Promise<number> {
  const { account, carrier, file } = command;
  const { size } = await stat(file).catch((cause: unknown) => {
    throw new RatesUsageError(`${file} cannot be read`, { file }, { cause });
  });
  const owner = await findOwner(db, { carrier, ...(account === undefined ? {} : { account }) });
  const progress = showProgress(err, size);
  const startedAt = performance.now();
  const result = await importRates({
    db,
    source: createReadStream(file, { highWaterMark: 256 * 1024 }),
    owner,
    name:
      command.name ??
      basename(file)
        .replace(/\.csv$/i, '')
        .slice(0, 64),
    currency: command.currency,
    sourceName: basename(file),
    delimiter: command.delimiter,
    skipBadRows: command.skipBadRows,
    onProgress: progress.step,
    onActive: reload(redis),
    ...(signal === undefined ? {} : { signal }),
  }).finally(progress.end);
  for (const { line, column, reason } of result.badRows.slice(0, SHOWN_BAD_ROWS)) {
    err.write(`${file}:${line}: ${column === '' ? '' : `${column}: `}${reason}\n`);
  }
  const more = result.badRowCount - Math.min(result.badRows.length, SHOWN_BAD_ROWS);
  if (more > 0) err.write(`and ${more.toLocaleString('en-US')} more bad rows\n`);
  if (!result.ok) {
    err.write(`${file} was not imported: ${result.reason}\n`);
    return 1;
  }
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
  const left = result.badRowCount === 0 ? '' : `, ${result.badRowCount.toLocaleString('en-US')} bad rows left out`;
  out.write(
    `${result.entryCount.toLocaleString('en-US')} prices count now (rate deck ${result.rateDeckSid}, version ${result.version})${left}; ${seconds} s\n`,
  );
  return 0;
}

async function runList({ db }: Stores, { out }: CommandOutput): Promise<number> {
  const decks = await db.query<RateDeckRow & { account: string | null; provider: string; carrier: string }>(
    `SELECT d.*, v.entry_count, v.completed_at, a.name AS account, s.name AS provider, c.name AS carrier
     FROM rate_decks d JOIN voip_carriers c ON c.voip_carrier_sid = d.voip_carrier_sid
       JOIN service_providers s ON s.service_provider_sid = d.service_provider_sid
       LEFT JOIN accounts a ON a.account_sid = d.account_sid
       LEFT JOIN rate_deck_versions v ON v.version = d.active_version ORDER BY d.name`,
  );
  for (const deck of decks) {
    const whose = deck.account === null ? `service provider ${deck.provider}` : `account ${deck.account}`;
    const since =
      deck.completed_at === null
        ? 'not imported yet'
        : `${deck.entry_count} prices since ${deck.completed_at.toISOString()}`;
    out.write(`${deck.rate_deck_sid}  ${deck.name}: carrier ${deck.carrier}, ${whose}, ${deck.currency}, ${since}\n`);
  }
  if (decks.length === 0) out.write('no rate decks\n');
  return 0;
}

async function runRemove({ db, redis }: Stores, rateDeckSid: string, { out }: CommandOutput): Promise<number> {
  const [deck] = await db.query<{ name: string }>('SELECT name FROM rate_decks WHERE rate_deck_sid = ?', [rateDeckSid]);
  if (deck === undefined) throw new RatesUsageError(`there is no rate deck ${rateDeckSid}`);
  await removeDeck(db, rateDeckSid);
  await reload(redis)();
  out.write(`rate deck ${deck.name} was removed\n`);
  return 0;
}

/** Runs `npm run rates`; resolves with the exit status. Faults of use are told with the usage, others with their message. */
export async function runRates(args: readonly string[], output: CommandOutput): Promise<number> {
  let stores: Stores | undefined;
  try {
    const command = parseRatesCommand(args);
    if (command.command === 'help') {
      output.out.write(RATES_USAGE);
      return 0;
    }
    const { mysql, redis } = storesOf(output.env);
    const logger = createLogger({ name: 'rates', level: 'silent' });
    stores = { db: openDatabase(mysql, { logger }), redis: openRedis(redis, { logger, name: 'rates' }) };
    await migrate(stores.db, { logger });
    if (command.command === 'list') return await runList(stores, output);
    if (command.command === 'remove') return await runRemove(stores, command.rateDeckSid, output);
    return await runImport(stores, command, output);
  } catch (err) {
    if (output.signal?.aborted) {
      output.err.write('interrupted; the prices are as they were\n');
      return 1;
    }
    // Files and folders that cannot be read have a code of Node's; anything else is a fault of ours.
    if (!(err instanceof RingwireError) && !(err instanceof Error && 'syscall' in err)) throw err;
    output.err.write(
      `${err.message}\n${err instanceof RatesUsageError ? '\nnpm run rates -- --help says more\n' : ''}`,
    );
    return 1;
  } finally {
    if (stores) {
      await closeRedis(stores.redis);
      await stores.db.close();
    }
  }
}
