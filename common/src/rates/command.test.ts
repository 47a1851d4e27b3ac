import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import t from 'tap';
import { openDatabase } from '../db/database.js';
import { migrate } from '../db/migrate.js';
import { openRedis } from '../redis/connection.js';
import { PROVISIONING_CHANGED } from '../redis/keys.js';
import { silentLogger } from '../testing/logger.js';
import { SEED, seedProvisioning } from '../testing/provisioned.js';
import { startTestMariaDb, startTestRedis } from '../testing/services.js';
import { runRates } from './command.js';
import { parseRatesCommand } from './command-options.js';
import { showProgress } from './import-progress.js';

const logger = silentLogger();
const [mariaDb, redisServer] = await Promise.all([startTestMariaDb(), startTestRedis()]);
t.teardown(() => Promise.all([mariaDb.stop(), redisServer.stop()]));
const db = openDatabase(mariaDb, { logger });
t.teardown(() => db.close());
await migrate(db, { logger });
await seedProvisioning(db);
const dir = mkdtempSync(join(tmpdir(), 'ringwire-rates-'));
t.teardown(() => rmSync(dir, { recursive: true }));
const env = {
  MYSQL_HOST: mariaDb.host,
  MYSQL_PORT: String(mariaDb.port),
  MYSQL_USER: mariaDb.user,
  MYSQL_PASSWORD: '',
  MYSQL_DATABASE: mariaDb.database,
  REDIS_HOST: redisServer.host,
  REDIS_PORT: String(redisServer.port),
};

/** Runs the command; tells status and what was written. */
async function rates(args: string[], more: { env?: NodeJS.ProcessEnv; signal?: AbortSignal } = {}) {
  const said = { out: '', err: '' };
  const into = (name: 'out' | 'err') =>
    new Writable({
      write(chunk, _encoding, done) {
        said[name] += chunk;
        done();
      },
    });
  const status = await runRates(args, { out: into('out'), err: into('err'), env, ...more });
  return { status, ...said };
}
const fileOf = (name: string, text: string): string => {
  const file = join(dir, name);
  writeFileSync(file, text);
  return file;
};
const good = fileOf('winter.csv', 'prefix,rate\n1,0.01\n49,0.02\n');

t.test('rates command: a file is imported for an account by names, and edges are told', async (t) => {
  const subscriber = openRedis(redisServer, { logger, name: 'test' });
  t.teardown(() => subscriber.disconnect());
  const told = new Promise((resolve) => subscriber.on('message', (_channel, table) => resolve(table)));
  await subscriber.subscribe(PROVISIONING_CHANGED);
  t.match(await rates(['import', good, '--account', 'one', '--carrier', 'carrier']), {
    status: 0,
    out: /^2 prices count now \(rate deck [\w-]{36}, version \d+\); [\d.]+ s\n$/,
    err: /^40 % reading, .*\n100 % storing, 2 rows, \d+ s\n/,
  });
  t.equal(await told, 'rate_decks');
  t.match((await rates(['list'])).out, /winter: carrier carrier, account one, USD, 2 prices since 20/);
});

t.test('rates command: bad rows are listed with file and line, and nothing is changed', async (t) => {
  const rows = Array.from({ length: 60 }, () => 'x,1').join('\n');
  const file = fileOf('bad.csv', `prefix,rate\n1,0.5\n2,cheap\n${rows}\n`);
  const { status, out, err } = await rates(['import', file, '--account', 'one', '--carrier', SEED.sharedCarrierSid]);
  t.equal(status, 1);
  t.equal(out, '');
  t.match(err, `${file}:3: rate: "cheap" is not a price`);
  t.match(err, 'and 11 more bad rows\n');
  t.match(err, `${file} was not imported: 61 rows are bad; nothing was changed`);
  t.notMatch((await rates(['list'])).out, / bad:/);
  const skipping = await rates(['import', file, '--carrier', 'shared', '--skip-bad-rows', '--name', 'shared prices']);
  t.match(skipping, { status: 0, out: /^1 prices count now .*, 61 bad rows left out; / });
  t.match((await rates(['list'])).out, /shared prices: carrier shared, service provider first, USD, 1 prices/);
});

t.test('rates command: what cannot be done is said in a line or two', async (t) => {
  const cases: [string[], RegExp][] = [
    [['import', good, '--carrier', 'carrier'], /there is no carrier shared by a service provider "carrier"/],
    [['import', good, '--carrier', 'carrier', '--account', 'two'], /there is no carrier of the account "carrier"/],
    [['import', good, '--carrier', 'carrier', '--account', 'nobody'], /there is no account "nobody"/],
    [['import', join(dir, 'none.csv'), '--carrier', 'shared'], /none\.csv cannot be read/],
    [['import', dir, '--carrier', 'shared'], /EISDIR/],
    [
      ['import', good, '--carrier', 'carrier', '--account', 'one', '--currency', 'EUR'],
      /other rate decks are in USD, not in EUR/,
    ],
    [['remove', 'nothing'], /there is no rate deck nothing/],
  ];
  for (const [args, expected] of cases) {
    const { status, err } = await rates(args);
    t.equal(status, 1, args.join(' '));
    t.match(err, expected);
    t.ok(err.trim().split('\n').length <= 4, err);
  }
  t.match(await rates(['list'], { env: { MYSQL_HOST: 'db' } }), { status: 1, err: /MYSQL_USER is \(not set\)/ });
});

t.test('rates command: an interrupted import leaves the prices as they were', async (t) => {
  const result = await rates(['import', good, '--account', 'one', '--carrier', 'carrier'], {
    signal: AbortSignal.abort(),
  });
  t.match(result, { status: 1, out: '', err: /interrupted; the prices are as they were/ });
});

t.test('rates command: a removed deck is listed no more', async (t) => {
  const sid = /[\w-]{36}/.exec((await rates(['list'])).out)?.[0] ?? '';
  t.match(await rates(['remove', sid]), { status: 0, out: /was removed/ });
  t.notMatch((await rates(['list'])).out, sid);
});

t.test('rates command: arguments that make no sense are named', async (t) => {
  const faults: [string, RegExp][] = [
    ['import', /needs a file/],
    ['import a.csv', /needs --carrier/],
    ['import a.csv b.csv --carrier c', /"b.csv" is one argument too many/],
    ['import a.csv --carrier c --currency usd', /--currency/],
    ['import a.csv --carrier c --delimiter ,,', /--delimiter/],
    ['export', /import, list and remove/],
    ['import a.csv --carier c', /--carier/],
  ];
  for (const [args, message] of faults) t.throws(() => parseRatesCommand(args.split(' ')), { message }, args);
  t.match(parseRatesCommand(['import', 'a', '--carrier', 'c', '--delimiter', 'tab']), {
    delimiter: '\t',
    currency: 'USD',
  });
  t.match(await rates([]), { status: 0, out: /usage: npm run rates/ });
});

t.test('rates command: progress is a bar on a terminal and plain lines elsewhere', async (t) => {
  const shown = (isTTY: boolean) => {
    let text = '';
    let clock = 0;
    const out = { isTTY, columns: 80, write: (more: string) => (text += more) };
    const progress = showProgress(out, 100, () => clock);
    progress.step({ phase: 'reading', bytes: 0, rows: 0 });
    for (clock = 0; clock < 4_000; clock += 10) progress.step({ phase: 'reading', bytes: clock / 40, rows: clock });
    progress.step({ phase: 'storing', rows: 500_000, total: 1_000_000 });
    progress.end();
    return text;
  };
  t.equal(shown(false), '0 % reading, 0 rows, 0 s\n20 % reading, 2,000 rows, 2 s\n70 % storing, 500,000 rows, 4 s\n');
  const bar = shown(true);
  t.match(bar, '[█████████████████████·········]  70 % storing, 500,000 rows, 4 s');
  t.ok(bar.split('\r').length > 30, 'it moves');
  t.ok(bar.endsWith('\r\u001b[2K'), 'and leaves the line');
});
