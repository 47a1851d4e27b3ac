import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { silentLogger } from '../testing/logger.js';
import { startTestMariaDb } from '../testing/services.js';
import { until } from '../testing/until.js';
import { ensureDatabase, openDatabase } from './database.js';
import { DuplicateKeyError, ForeignKeyError } from './errors.js';
import { migrate } from './migrate.js';

const logger = silentLogger();
const mariaDb = await startTestMariaDb();
t.teardown(() => mariaDb.stop());
const db = openDatabase(mariaDb, { logger });
t.teardown(() => db.close());

t.test('migrations run once, whether twice in a row or in several processes at the same time', async (t) => {
  const script = fileURLToPath(new URL('./migrate.fixture.js', import.meta.url));
  const processes = [0, 1, 2].map(() =>
    fork(script, [
      JSON.stringify({
        host: mariaDb.host,
        port: mariaDb.port,
        user: 'root',
        password: '',
        database: mariaDb.database,
      }),
    ]),
  );
  const results = await Promise.all(
    processes.map(async (process) => {
      const [[message], [status]] = await Promise.all([once(process, 'message'), once(process, 'exit')]);
      t.equal(status, 0);
      return message as string[];
    }),
  );
  t.strictSame(results.map((names) => names.length).sort(), [0, 0, results.flat().length], 'one did everything');
  t.ok(results.flat().includes('0001-provisioning.sql'));
  t.strictSame(await migrate(db, { logger }), []);
});

t.test(
  'progress is told, a failing migration names itself and its statement, and a changed one is refused',
  async (t) => {
    const dir = await mkdtemp(join(tmpdir(), 'ringwire-migrations-'));
    t.teardown(() => rm(dir, { recursive: true }));
    await ensureDatabase({ ...mariaDb, database: 'other' });
    const other = openDatabase({ ...mariaDb, database: 'other' }, { logger });
    t.teardown(() => other.close());
    await writeFile(
      join(dir, '0001-a.sql'),
      '-- a comment; with a semicolon\nCREATE TABLE a (x INT);\nINSERT INTO a VALUES (1);\n',
    );
    await writeFile(join(dir, '0002-b.sql'), 'CREATE TABLE b (x INT);\nBROKEN;\n');
    const seen: string[] = [];
    const options = {
      logger,
      dir,
      onProgress: (p: { name: string; applied: number; total: number }) =>
        void seen.push(`${p.name} ${p.applied}/${p.total}`),
    };
    await t.rejects(migrate(other, options), {
      code: 'db/migration',
      facts: { name: '0002-b.sql', statement: 'BROKEN' },
    });
    t.strictSame(seen, ['0001-a.sql 1/2']);
    await writeFile(join(dir, '0001-a.sql'), 'SELECT 1;\n');
    await t.rejects(migrate(other, options), /0001-a.sql was changed/);
  },
);

t.test('times are UTC, one-bit columns are booleans, arrays become lists, and objects cannot become SQL', async (t) => {
  await db.execute(
    'CREATE TABLE typed (id INT PRIMARY KEY, at DATETIME(3), yes TINYINT(1), small TINYINT, j JSON, n VARCHAR(5))',
  );
  const at = new Date('2026-01-02T03:04:05.678Z');
  await db.execute('INSERT INTO typed VALUES ?', [
    [
      [1, at, true, 5, '{"a":1}', 'x'],
      [2, null, false, null, null, "'; --"],
    ],
  ]);
  const rows = await db.query('SELECT *, CAST(at AS CHAR) AS text FROM typed WHERE id IN (?) ORDER BY id', [[1, 2]]);
  t.match(rows[0], { id: 1, at, yes: true, small: 5, j: '{"a":1}', text: '2026-01-02 03:04:05.678' });
  t.match(rows[1], { at: null, yes: false, small: null, n: "'; --" });
  t.strictSame(
    await db.query('SELECT id FROM typed WHERE n = ?', [{ id: 1 } as unknown as string]),
    [],
    'an object matches as text only',
  );
});

t.test('errors say what was violated: a unique key, a reference, a value that does not fit', async (t) => {
  await t.rejects(db.execute('INSERT INTO typed (id) VALUES (1)'), DuplicateKeyError);
  await t.rejects(
    db.execute("INSERT INTO applications (application_sid, name, account_sid) VALUES ('a', 'b', 'nobody')"),
    ForeignKeyError,
  );
  await t.rejects(db.execute("INSERT INTO typed (id, n) VALUES (9, 'too long')"), {
    code: 'db/failed',
    retryable: false,
  });
});

t.test('a transaction that fails leaves nothing behind', async (t) => {
  await t.rejects(
    db.transaction(async (tx) => {
      await tx.execute('INSERT INTO typed (id) VALUES (50)');
      throw new Error('no');
    }),
    /^no$/,
  );
  t.strictSame(await db.query('SELECT * FROM typed WHERE id = 50'), []);
});

t.test('while the database is away statements fail as retryable, and afterwards they work again', async (t) => {
  await mariaDb.kill();
  await t.rejects(db.query('SELECT 1'), { code: 'db/failed', retryable: true });
  await t.rejects(
    db.transaction(async () => 1),
    { code: 'db/failed', retryable: true },
  );
  await mariaDb.restart();
  await until('the database answers', () => db.ping().then(() => true));
  t.ok(await db.query('SELECT 1'));
});
