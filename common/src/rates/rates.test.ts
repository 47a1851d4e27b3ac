import { Readable } from 'node:stream';
import t from 'tap';
import { openDatabase } from '../db/database.js';
import { migrate } from '../db/migrate.js';
import { loadProvisioning } from '../provisioning/provisioning.js';
import { openRedis } from '../redis/connection.js';
import { PROVISIONING_CHANGED } from '../redis/keys.js';
import { recordingLogger } from '../testing/logger.js';
import { SEED, seedProvisioning } from '../testing/provisioned.js';
import { startTestMariaDb, startTestRedis } from '../testing/services.js';
import { until } from '../testing/until.js';
import { type ImportOptions, importRates } from './import-rates.js';
import { openRateDecks } from './rate-decks.js';
import { listRateDecks, removeDeck } from './rates-store.js';

const { logger, lines } = recordingLogger();
const [mariaDb, redisServer] = await Promise.all([startTestMariaDb(), startTestRedis()]);
t.teardown(() => Promise.all([mariaDb.stop(), redisServer.stop()]));
const db = openDatabase(mariaDb, { logger });
const redis = openRedis(redisServer, { logger, name: 'test' });
await migrate(db, { logger });
await seedProvisioning(db);
const provisioning = await loadProvisioning({ db, redis, logger });
const decks = await openRateDecks({ db, provisioning, logger });
t.teardown(async () => {
  await provisioning.close();
  await decks.close();
  redis.disconnect();
  await db.close();
});

const owner = {
  accountSid: SEED.accountSid,
  serviceProviderSid: SEED.serviceProviderSid,
  voipCarrierSid: SEED.carrierSid,
};
const announce = async () => void (await redis.publish(PROVISIONING_CHANGED, 'rate_decks'));
const importing = (csv: string | Readable, more: Partial<ImportOptions> = {}) =>
  importRates({
    db,
    source: typeof csv === 'string' ? Readable.from([Buffer.from(csv)]) : csv,
    owner,
    name: 'deck',
    currency: 'USD',
    sourceName: 'test.csv',
    onActive: announce,
    ...more,
  });
const priceOf = (number: string, carrierSid: string = SEED.carrierSid) =>
  decks.book().decksOf(SEED.accountSid, SEED.serviceProviderSid).get(carrierSid)?.trie.find(number, 0)?.rateMicros;
const count = async (table: string) =>
  Number((await db.query<{ n: number }>(`SELECT COUNT(*) AS n FROM ${table}`))[0]?.n);

t.test(
  'rate decks: an import counts in every process at once as a whole, and takes the place of the one before',
  async (t) => {
    t.match(await importing('prefix,rate\n1,0.01\n1555,0.02\n'), { ok: true, entryCount: 2, badRows: [] });
    await until('the deck is loaded', () => priceOf('1555') === 20_000);
    t.match(await importing('prefix,rate\n1,0.03\n'), { ok: true, entryCount: 1 });
    await until('the new version is loaded', () => priceOf('1555') === 30_000);
    t.match(await listRateDecks(db, owner), [
      { name: 'deck', currency: 'USD', entry_count: 1, source: 'test.csv', account_sid: SEED.accountSid },
    ]);
    await importing('prefix,rate\n1,0.04\n');
    t.equal(
      await count('rate_deck_versions'),
      2,
      'the version before stays for those that are reading it; older ones go',
    );
    t.equal(await count('rate_deck_entries'), 2);
    await until('the last version is loaded', () => priceOf('1') === 40_000);
  },
);

t.test('rate decks: a bad row leaves everything as it was, unless it is to be skipped', async (t) => {
  const before = await count('rate_deck_versions');
  t.match(await importing('prefix,rate\n1,0.05\n2,oops\n'), {
    ok: false,
    reason: '1 rows are bad; nothing was changed',
    badRows: [{ line: 3, column: 'rate' }],
  });
  t.match(await importing('prefix,rate\n2,oops\n', { skipBadRows: true }), { ok: false, reason: /no good row/ });
  t.equal(await count('rate_deck_versions'), before);
  t.match(await importing('prefix,rate\n1,0.05\n2,oops\n', { skipBadRows: true }), {
    ok: true,
    entryCount: 1,
    badRowCount: 1,
  });
  await until('the good row counts', () => priceOf('1') === 50_000);
});

t.test('rate decks: an import that is cut off while it stores leaves nothing behind', async (t) => {
  const before = await Promise.all([
    count('rate_deck_versions'),
    count('rate_deck_entries'),
    count('rate_deck_images'),
  ]);
  const abort = new AbortController();
  const rows = Array.from({ length: 20_000 }, (_, i) => `1${i},0.09`).join('\n');
  const cut = importing(`prefix,rate\n${rows}\n`, {
    signal: abort.signal,
    onProgress: (progress) => void (progress.phase === 'storing' && abort.abort(new Error('cut off'))),
  });
  await t.rejects(cut, { message: 'cut off' });
  t.same(
    await Promise.all([count('rate_deck_versions'), count('rate_deck_entries'), count('rate_deck_images')]),
    before,
  );
  t.equal(priceOf('15'), 50_000);
});

t.test('rate decks: what a process that died left behind is removed by the next import', async (t) => {
  const [deck] = await listRateDecks(db, owner);
  await db.execute(
    `INSERT INTO rate_deck_versions (version, rate_deck_sid, source, started_at, touched_at)
     VALUES (999999, ?, 'dead', '2020-01-01', '2020-01-01')`,
    [deck?.rate_deck_sid ?? ''],
  );
  await db.execute('INSERT INTO rate_deck_entries VALUES (999999, 1, 0, 1, 1)');
  await importing('prefix,rate\n1,0.06\n');
  t.match(await db.query('SELECT version FROM rate_deck_versions WHERE version = 999999'), []);
  t.match(await db.query('SELECT version FROM rate_deck_entries WHERE version = 999999'), []);
  await until('the new version is loaded', () => priceOf('1') === 60_000);
});

t.test('rate decks: without its packed form, or with a damaged one, a deck is made from its rows', async (t) => {
  const rows = Array.from({ length: 9_000 }, (_, i) => `1${i},0.${i + 1}`).join('\n');
  await importing(`prefix,rate,effective_from\n${rows}\n1,7,2020-01-01\n1,8,2021-01-01`);
  await until('the deck is loaded', () => priceOf('1777') === 77_800 * 10);
  for (const damage of ['DELETE FROM rate_deck_images', 'UPDATE rate_deck_versions SET image_bytes = 5']) {
    await db.execute(damage);
    const again = await openRateDecks({ db, provisioning, logger });
    const deck = again.book().decksOf(SEED.accountSid, SEED.serviceProviderSid).get(SEED.carrierSid);
    t.equal(deck?.trie.size, 9_002, damage);
    t.equal(deck?.trie.find('1777', 0)?.rateMicros, 778_000);
    await again.close();
  }
});

t.test('rate decks: a version whose rows are gone leaves the last one serving, and is said once', async (t) => {
  await importing('prefix,rate\n1,0.07\n');
  await until('the deck is loaded', () => priceOf('1') === 70_000);
  await db.execute('UPDATE rate_decks SET active_version = 424242');
  await provisioning.reload();
  await provisioning.reload();
  await decks.settled();
  t.equal(priceOf('1'), 70_000);
  t.equal(lines.filter((line) => line.version === 424242 && line.level === 50).length, 1);
});

t.test('rate decks: all decks of a service provider are in one currency', async (t) => {
  const shared = {
    accountSid: null,
    serviceProviderSid: SEED.serviceProviderSid,
    voipCarrierSid: SEED.sharedCarrierSid,
  };
  await t.rejects(importing('prefix,rate\n1,1\n', { owner: shared, currency: 'EUR' }), {
    code: 'rates/currency-mismatch',
  });
  t.match(await importing('prefix,rate\n1,1\n', { owner: shared }), { ok: true });
  await until('the shared deck is loaded', () => priceOf('1', SEED.sharedCarrierSid) === 1_000_000);
});

t.test('rate decks: a removed deck is forgotten', async (t) => {
  const deck = (await listRateDecks(db, owner)).find(({ account_sid }) => account_sid !== null);
  await removeDeck(db, deck?.rate_deck_sid ?? '');
  await announce();
  await until('the deck is gone', () => priceOf('1') === undefined || undefined);
  t.equal((await listRateDecks(db, owner)).length, 1);
});

t.test('rate decks: while the database is away the last prices serve, and an import fails as a whole', async (t) => {
  await mariaDb.kill();
  t.match(await importing('prefix,rate\n1,0.08\n').catch((err: unknown) => err), { retryable: true });
  t.equal(priceOf('1', SEED.sharedCarrierSid), 1_000_000);
  await mariaDb.restart();
});
