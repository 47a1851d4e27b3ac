import type { SkippedRow } from '@ringwire/common';
import { encryptSecret, type Secret } from '@ringwire/common';
import { parseTable, type RawRow } from '@ringwire/common/provisioning/columns.js';
import { PASSWORD_MASK } from '../applications/application-input.js';
import { badField, booleanField, type Fields, optionalTextField, rejectUnknown, textField } from '../http/input.js';
import type { Columns, Row, Table } from './rows-store.js';

/** What may stand in a column. */
export type ColumnRule =
  | { kind: 'text'; max: number; required?: true }
  /** Encrypted at rest and never shown; the mask that is shown instead leaves it as it is. */
  | { kind: 'secret'; max: number }
  | { kind: 'boolean' }
  | { kind: 'integer'; min: number; max: number; nullable?: true }
  | { kind: 'word'; words: readonly string[]; nullable?: true };

/** Columns by name. */
export type ColumnRules = Readonly<Record<string, ColumnRule>>;

/** Line ends and other controls: texts of columns become parts of headers and PDUs, where they would begin another. */
const CONTROL = /\p{Cc}/u;

function printable(field: string, value: string | null): string | null {
  if (value !== null && CONTROL.test(value))
    throw badField(field, 'must not have line ends or other control characters');
  return value;
}

function columnValue(fields: Fields, field: string, rule: ColumnRule): string | number | boolean | null {
  const value = fields[field];
  switch (rule.kind) {
    case 'text':
      return printable(
        field,
        rule.required ? textField(fields, field, rule.max) : optionalTextField(fields, field, rule.max),
      );
    case 'secret':
      return printable(field, optionalTextField(fields, field, rule.max));
    case 'boolean':
      return booleanField(fields, field);
    case 'integer':
      if (value === null && rule.nullable) return null;
      if (typeof value !== 'number' || !Number.isInteger(value) || value < rule.min || value > rule.max) {
        throw badField(field, `must be a whole number from ${rule.min} to ${rule.max}`);
      }
      return value;
    case 'word':
      if (value === null && rule.nullable) return null;
      if (typeof value !== 'string' || !rule.words.includes(value)) {
        throw badField(field, `must be one of ${rule.words.join(', ')}`);
      }
      return value;
  }
}

/**
 * The columns that a request names. @param ignored - fields that clients send back which write what they have read
 *
 * @throws HttpError 400 that names the field
 */
export function readColumns(
  fields: Fields,
  rules: ColumnRules,
  { ignored = [], secret }: { ignored?: readonly string[]; secret?: Secret } = {},
): Columns {
  rejectUnknown(fields, [...Object.keys(rules), ...ignored]);
  const columns: Columns = {};
  for (const [field, rule] of Object.entries(rules)) {
    if (fields[field] === undefined) continue;
    const value = columnValue(fields, field, rule);
    if (rule.kind !== 'secret' || value === null) columns[field] = value;
    else if (value !== PASSWORD_MASK && secret) columns[field] = encryptSecret(String(value), secret);
  }
  return columns;
}

/**
 * Checks that the call path can use a row as it now stands: edges leave out what they cannot read.
 *
 * @throws HttpError 400 that names the column
 */
export function requireUsable<T>(table: Table, row: Row, parse: (row: RawRow) => T): T {
  const skipped: SkippedRow[] = [];
  const [parsed] = parseTable(table.name, table.key, [row], parse, skipped);
  const [problem] = skipped;
  if (problem) throw badField(problem.column, problem.reason);
  return parsed as T;
}

/** A row as it is shown: secrets are masked. */
export const maskSecrets = (row: Row, rules: ColumnRules): Row =>
  Object.fromEntries(
    Object.entries(row).map(([column, value]) => [
      column,
      rules[column]?.kind === 'secret' && value !== null ? PASSWORD_MASK : value,
    ]),
  );
