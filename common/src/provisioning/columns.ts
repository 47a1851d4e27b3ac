/** Reading the columns of a row as MySQL gives it, and tables whose bad rows are left out. */
import { isEncrypted } from '../secrets/encryption.js';
import type { StirPolicy } from './rows.js';
import type { SkippedRow } from './snapshot.js';

/** Largest value of an `INT` column. */
export const MAX_INT = 2 ** 31 - 1;

/** A row as MySQL gives it. */
export type RawRow = Readonly<Record<string, unknown>>;

/** Thrown by a reader of a column and caught by {@link parseTable}: it leaves no parser of rows otherwise. */
export class BadColumn extends Error {
  constructor(
    readonly column: string,
    reason: string,
  ) {
    super(reason);
  }
}

/** A text; null where there is none. @throws BadColumn */
export const optionalText = (row: RawRow, column: string): string | null => {
  const value = row[column];
  if (value === null || value === undefined) return null;
  if (typeof value !== 'string') throw new BadColumn(column, `is a ${typeof value}, not a text`);
  return value;
};
/** A text that must be there. @throws BadColumn */
export const text = (row: RawRow, column: string): string => {
  const value = optionalText(row, column);
  if (value === null || value === '') throw new BadColumn(column, 'is empty');
  return value;
};
/** A flag; false where there is none. @throws BadColumn */
export const bool = (row: RawRow, column: string): boolean => {
  const value = row[column];
  if (value === null || value === undefined) return false;
  if (typeof value !== 'boolean' && value !== 0 && value !== 1) throw new BadColumn(column, 'is not a boolean');
  return Boolean(value);
};
/** A whole number within bounds, both included. @throws BadColumn */
export const whole = (row: RawRow, column: string, min: number, max: number): number => {
  const value = row[column];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw new BadColumn(column, `is not a whole number from ${min} to ${max}`);
  }
  return value;
};
/** One of the given words. @throws BadColumn */
export const word = <const W extends string>(row: RawRow, column: string, words: readonly W[]): W => {
  const value = words.find((candidate) => candidate === row[column]);
  if (value === undefined) throw new BadColumn(column, `is not one of ${words.join(', ')}`);
  return value;
};
/** A JSON document as text; null where there is none. @throws BadColumn */
export const json = (row: RawRow, column: string): string | null => {
  const value = optionalText(row, column);
  if (value === null || value === '') return null;
  try {
    JSON.parse(value);
  } catch (err) {
    throw new BadColumn(column, err instanceof Error ? err.message : 'is not JSON');
  }
  return value;
};

/** Turns a stored secret into its plain text, or throws. */
export type Decrypt = (stored: string) => string;

/** A secret in plain text; values that were imported in clear text stay as they are. @throws BadColumn */
export const secret = (row: RawRow, column: string, decrypt: Decrypt): string | null => {
  const value = optionalText(row, column);
  if (value === null || !isEncrypted(value)) return value;
  try {
    return decrypt(value);
  } catch (err) {
    throw new BadColumn(column, err instanceof Error ? err.message : 'cannot be decrypted');
  }
};

/** The entries of a comma-separated list. @throws BadColumn */
export const list = (row: RawRow, column: string, entry: RegExp, expected: string): string[] => {
  const entries = (optionalText(row, column) ?? '').split(',').map((part) => part.trim());
  const used = entries.filter((part) => part !== '');
  const bad = used.find((part) => !entry.test(part));
  if (bad !== undefined) throw new BadColumn(column, `"${bad.slice(0, 32)}" is not ${expected}`);
  return used;
};

/** Digits; null where there are none. @throws BadColumn */
export const digits = (row: RawRow, column: string): string | null => {
  const value = optionalText(row, column) || null;
  if (value !== null && !/^\d+$/.test(value)) throw new BadColumn(column, 'is not a number');
  return value;
};

/** A whole number within bounds; null where there is none. @throws BadColumn */
export const wholeOrNull = (row: RawRow, column: string, min: number, max: number): number | null =>
  row[column] === null || row[column] === undefined ? null : whole(row, column, min, max);

/** What is done with calls by their STIR/SHAKEN signature; null where nobody said. @throws BadColumn */
export const stirPolicy = (row: RawRow): StirPolicy | null =>
  row.stir_policy === null || row.stir_policy === undefined
    ? null
    : word(row, 'stir_policy', ['off', 'tag', 'enforce']);

/** Parses the rows of a table; one that cannot be used is left out and reported in `skipped`, with the column. */
export function parseTable<T>(
  table: string,
  sidColumn: string,
  rows: readonly RawRow[],
  parse: (row: RawRow) => T,
  skipped: SkippedRow[],
): T[] {
  return rows.flatMap((row) => {
    try {
      return [parse(row)];
    } catch (err) {
      if (!(err instanceof BadColumn)) throw err;
      skipped.push({ table, sid: String(row[sidColumn]), column: err.column, reason: err.message });
      return [];
    }
  });
}
