import {
  createConnection,
  createPool,
  type Pool,
  type PoolConnection,
  type ResultSetHeader,
  type RowDataPacket,
} from 'mysql2/promise';
import { reveal, type Secret } from '../config/secret.js';
import type { Logger } from '../log/logger.js';
import { isConnectionLost, toDatabaseError } from './errors.js';

/** Where the database is. */
export interface MysqlConfig {
  host: string;
  port: number;
  user: string;
  password: Secret | string;
  database: string;
  /** Most connections at the same time. @defaultValue 10 */
  connectionLimit?: number;
}

/**
 * What may stand for a `?`. An array becomes a list (`IN (?)`), an array of arrays becomes rows (`VALUES ?`); objects are not
 * allowed, since the driver would turn them into SQL.
 */
export type SqlValue = string | number | bigint | boolean | null | Date | Buffer | readonly SqlValue[];

/** The result of a statement that changes rows. */
export interface Executed {
  /** With `ON DUPLICATE KEY UPDATE`: 1 per inserted row, 2 per changed row, 0 per row left as it was. */
  affectedRows: number;
}

/** Runs statements: either the pool or one transaction. */
export interface Queryable {
  /** Rows of a SELECT. `DATETIME` is a `Date` (UTC), `TINYINT(1)` a boolean, `JSON` text is left as it is. @throws DatabaseError */
  query<T extends object>(sql: string, params?: readonly SqlValue[]): Promise<T[]>;
  /** A statement that changes something. @throws DatabaseError, DuplicateKeyError, ForeignKeyError */
  execute(sql: string, params?: readonly SqlValue[]): Promise<Executed>;
}

/** Access to MySQL or MariaDB. Connections are opened when they are needed and replaced when they break. */
export interface Database extends Queryable {
  readonly name: string;
  /** Runs `body` in a transaction on one connection: commits when it resolves, rolls back when it rejects. */
  transaction<T>(body: (tx: Queryable) => Promise<T>): Promise<T>;
  /** Rejects unless the database answers. */
  ping(): Promise<void>;
  close(): Promise<void>;
}

/** A statement that takes longer has lost its server: its connection is given up. */
const STATEMENT_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** Strict (a value that does not fit is an error, not cut), with backslash escapes, which the driver's quoting relies on. */
const SESSION = `SET time_zone = '+00:00', sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO'`;

const connectionOptions = (config: MysqlConfig) => ({
  host: config.host,
  port: config.port,
  user: config.user,
  password: reveal(config.password),
  timezone: 'Z' as const,
  charset: 'utf8mb4_unicode_ci',
  connectTimeout: CONNECT_TIMEOUT_MS,
  decimalNumbers: true,
  jsonStrings: true,
  stringifyObjects: true,
});

/** The part of a pool or of a connection that runs statements. */
type Runner = Pick<Pool, 'query'>;

const queryable = (runner: Runner, statementTimeoutMs: number, retriesReads: boolean): Queryable => ({
  async query<T extends object>(sql: string, params: readonly SqlValue[] = []): Promise<T[]> {
    for (let attempt = 1; ; attempt++) {
      try {
        const [rows] = await runner.query<RowDataPacket[]>({ sql, timeout: statementTimeoutMs }, params as SqlValue[]);
        return rows as unknown as T[];
      } catch (err) {
        // A pooled connection may have died while it was idle; reading once more is harmless.
        if (retriesReads && attempt === 1 && isConnectionLost(err)) continue;
        throw toDatabaseError(err, sql);
      }
    }
  },
  async execute(sql, params = []) {
    try {
      const [result] = await runner.query<ResultSetHeader>({ sql, timeout: statementTimeoutMs }, params as SqlValue[]);
      return { affectedRows: result.affectedRows };
    } catch (err) {
      throw toDatabaseError(err, sql);
    }
  },
});

async function inTransaction<T>(
  pool: Pool,
  statementTimeoutMs: number,
  body: (tx: Queryable) => Promise<T>,
): Promise<T> {
  let connection: PoolConnection;
  try {
    connection = await pool.getConnection();
  } catch (err) {
    throw toDatabaseError(err);
  }
  let reusable = false;
  try {
    const tx = queryable(connection, statementTimeoutMs, false);
    await tx.execute('START TRANSACTION');
    try {
      const result = await body(tx);
      await tx.execute('COMMIT');
      reusable = true;
      return result;
    } catch (err) {
      reusable = await tx.execute('ROLLBACK').then(
        () => true,
        () => false,
      );
      throw err;
    }
  } finally {
    // A connection in an unknown state must not be handed to the next one.
    if (reusable) connection.release();
    else connection.destroy();
  }
}

/**
 * Opens a pool of connections. Nothing is connected until the first statement, so that a process can start while MySQL is away.
 *
 * @param options `statementTimeoutMs`: how long a statement may take before its connection is given up; 30 s
 */
export function openDatabase(
  config: MysqlConfig,
  { logger, statementTimeoutMs = STATEMENT_TIMEOUT_MS }: { logger: Logger; statementTimeoutMs?: number },
): Database {
  const pool = createPool({
    ...connectionOptions(config),
    database: config.database,
    connectionLimit: config.connectionLimit ?? 10,
    waitForConnections: true,
    // Beyond this MySQL is away or overwhelmed: an error at once serves better than a place at the end of the line.
    queueLimit: 1_000,
    enableKeepAlive: true,
    typeCast: (field, next) => {
      if (field.type !== 'TINY' || field.length !== 1) return next();
      const value = field.string();
      return value === null ? null : value !== '0';
    },
  });
  pool.pool.on('connection', (connection) => {
    connection.query(SESSION);
    connection.on('error', (err) => logger.warn({ err }, 'database connection failed'));
  });
  return {
    name: config.database,
    ...queryable(pool, statementTimeoutMs, true),
    transaction: (body) => inTransaction(pool, statementTimeoutMs, body),
    async ping() {
      await this.query('SELECT 1');
    },
    close: () => pool.end(),
  };
}

/** Creates the database named in `config` unless it exists. @throws DatabaseError */
export async function ensureDatabase(config: MysqlConfig): Promise<void> {
  try {
    const connection = await createConnection(connectionOptions(config));
    try {
      await connection.query('CREATE DATABASE IF NOT EXISTS ?? CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci', [
        config.database,
      ]);
    } finally {
      await connection.end();
    }
  } catch (err) {
    throw toDatabaseError(err);
  }
}
