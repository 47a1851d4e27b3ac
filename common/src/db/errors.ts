import { type ErrorFacts, RingwireError } from '../errors.js';

/** Error codes of mysql2 and MySQL after which the same statement may succeed: the connection went, or a lock was lost. */
const RETRYABLE_CODES = new Set([
  'PROTOCOL_CONNECTION_LOST',
  'PROTOCOL_SEQUENCE_TIMEOUT',
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
  'POOL_NONEAVAILABLE',
  'ER_CON_COUNT_ERROR',
  'ER_LOCK_DEADLOCK',
  'ER_LOCK_WAIT_TIMEOUT',
  'ER_SERVER_SHUTDOWN',
  'ER_QUERY_INTERRUPTED',
  'ER_CONNECTION_KILLED',
  'ER_OUT_OF_RESOURCES',
  'ER_DISK_FULL',
  'ER_OPTION_PREVENTS_STATEMENT',
]);

/** A statement or a connection failed; `retryable` when the database was away or a lock was lost, not when the statement is wrong. */
export class DatabaseError extends RingwireError {
  readonly code: string = 'db/failed';
  override readonly retryable: boolean;

  constructor(message: string, retryable: boolean, facts: ErrorFacts, options?: ErrorOptions) {
    super(message, facts, options);
    this.retryable = retryable;
  }
}

/** A unique key exists already. */
export class DuplicateKeyError extends DatabaseError {
  override readonly code = 'db/duplicate-key';
  /** Name of the violated index, e.g. `account_name`, where the server says it. */
  readonly index: string | undefined;

  constructor(message: string, facts: ErrorFacts, options?: ErrorOptions) {
    super(message, false, facts, options);
    this.index = /for key '(?:.*\.)?([^']+)'/.exec(message)?.[1];
  }
}

/** A row is still referred to, or refers to one that does not exist. */
export class ForeignKeyError extends DatabaseError {
  override readonly code = 'db/reference';
}

const property = (err: unknown, name: string): unknown =>
  typeof err === 'object' && err !== null ? (err as Record<string, unknown>)[name] : undefined;

/** Whether the connection, not the statement, is what failed. */
export const isConnectionLost = (err: unknown): boolean => {
  const code = property(err, 'code');
  return code === 'PROTOCOL_CONNECTION_LOST' || code === 'ECONNRESET' || code === 'EPIPE';
};

/** Translates what mysql2 throws. The statement's text is kept, its values are not: they may be secrets. */
export function toDatabaseError(err: unknown, sql?: string): DatabaseError {
  if (err instanceof DatabaseError) return err;
  const code = String(property(err, 'code') ?? 'unknown');
  const message = err instanceof Error && err.message !== '' ? err.message : code;
  const facts = { mysqlCode: code, sqlState: property(err, 'sqlState'), ...(sql === undefined ? {} : { sql }) };
  if (code === 'ER_DUP_ENTRY') return new DuplicateKeyError(message, facts, { cause: err });
  if (code.startsWith('ER_NO_REFERENCED_ROW') || code.startsWith('ER_ROW_IS_REFERENCED')) {
    return new ForeignKeyError(message, false, facts, { cause: err });
  }
  // mysql2 reports a connection that is closing by text only.
  const closing = /closed state|connection is in closed|Server shutdown|Pool is closed/i.test(message);
  return new DatabaseError(message, RETRYABLE_CODES.has(code) || closing, facts, { cause: err });
}
