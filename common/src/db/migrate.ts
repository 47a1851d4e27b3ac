import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RingwireError } from '../errors.js';
import type { Logger } from '../log/logger.js';
import type { Database, Queryable } from './database.js';

/** A migration cannot be applied, or one that was applied has been changed since. */
export class MigrationError extends RingwireError {
  readonly code = 'db/migration';
}

/** How far migrating has come; `applied` counts from 1 to `total`. */
export interface MigrationProgress {
  name: string;
  applied: number;
  total: number;
}

interface Migration {
  name: string;
  checksum: string;
  statements: string[];
}

const MIGRATIONS_DIR = fileURLToPath(new URL('../../migrations/', import.meta.url));
/** Must stay below the time after which a statement is given up; a process that waits this long has found a hung one. */
const LOCK_TIMEOUT_SEC = 25;

/** Statements end with `;` at the end of a line; a line that begins with `--` is a comment. */
const splitStatements = (sql: string): string[] =>
  sql
    .replace(/^\s*--.*$/gm, '')
    .split(/;\s*$/m)
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');

async function readMigrations(dir: string): Promise<Migration[]> {
  const names = (await readdir(dir)).filter((name) => /^\d{4}-[a-z0-9-]+\.sql$/.test(name)).sort();
  return Promise.all(
    names.map(async (name) => {
      const sql = await readFile(join(dir, name), 'utf8');
      return { name, checksum: createHash('sha256').update(sql).digest('hex'), statements: splitStatements(sql) };
    }),
  );
}

async function applyPending(tx: Queryable, migrations: Migration[], onProgress: (p: MigrationProgress) => void) {
  await tx.execute(`CREATE TABLE IF NOT EXISTS schema_migrations (
    name VARCHAR(128) NOT NULL PRIMARY KEY, checksum CHAR(64) NOT NULL, applied_at DATETIME(3) NOT NULL)`);
  const rows = await tx.query<{ name: string; checksum: string }>('SELECT name, checksum FROM schema_migrations');
  const done = new Map(rows.map((row) => [row.name, row.checksum]));
  for (const { name, checksum } of migrations) {
    const applied = done.get(name);
    if (applied !== undefined && applied !== checksum) {
      throw new MigrationError(`migration ${name} was changed after it had been applied`, { name });
    }
  }
  const pending = migrations.filter(({ name }) => !done.has(name));
  for (const [index, { name, checksum, statements }] of pending.entries()) {
    for (const statement of statements) {
      try {
        await tx.execute(statement);
      } catch (err) {
        throw new MigrationError(`migration ${name} failed`, { name, statement }, { cause: err });
      }
    }
    await tx.execute('INSERT INTO schema_migrations VALUES (?, ?, UTC_TIMESTAMP(3))', [name, checksum]);
    onProgress({ name, applied: index + 1, total: pending.length });
  }
  return pending.map(({ name }) => name);
}

/**
 * Brings the schema up to date: applies, in order of their numbers, the files `NNNN-name.sql` that were not applied before.
 * Several processes may call it at once: a lock in the database lets one work and the others wait.
 *
 * MySQL commits each DDL statement by itself, so files are written to be repeatable (`IF NOT EXISTS`) for the case that
 * the process dies between two statements.
 *
 * @returns names of the files that this call applied
 * @throws {@link MigrationError}, DatabaseError
 */
export async function migrate(
  db: Database,
  {
    logger,
    dir = MIGRATIONS_DIR,
    onProgress,
  }: { logger: Logger; dir?: string; onProgress?: (progress: MigrationProgress) => void },
): Promise<string[]> {
  const migrations = await readMigrations(dir);
  const lock = `ringwire:migrate:${db.name}`.slice(0, 64);
  return db.transaction(async (tx) => {
    const [row] = await tx.query<{ granted: number | null }>(`SELECT GET_LOCK(?, ?) AS granted`, [
      lock,
      LOCK_TIMEOUT_SEC,
    ]);
    if (Number(row?.granted) !== 1) throw new MigrationError('another process holds the migration lock', { lock });
    try {
      return await applyPending(tx, migrations, (progress) => {
        logger.info(progress, 'migration applied');
        onProgress?.(progress);
      });
    } finally {
      await tx.query('SELECT RELEASE_LOCK(?)', [lock]);
    }
  });
}
