import { compileExpression } from '@ringwire/common';
import { badField, type Fields } from '../http/input.js';
import { type ColumnRules, readColumns } from '../rows/columns-input.js';
import type { Columns } from '../rows/rows-store.js';

/** Columns of `lcr`. */
export const LCR_COLUMNS: ColumnRules = {
  name: { kind: 'text', max: 64 },
  is_active: { kind: 'boolean' },
  default_carrier_set_entry_sid: { kind: 'text', max: 36 },
};

const PRIORITY = { kind: 'integer', min: -1_000_000, max: 1_000_000 } as const;

const ROUTE_COLUMNS: ColumnRules = {
  regex: { kind: 'text', max: 64, required: true },
  description: { kind: 'text', max: 1_024 },
  priority: PRIORITY,
  strategy: { kind: 'word', words: ['workload', 'least_cost'] },
};

const ENTRY_COLUMNS: ColumnRules = {
  voip_carrier_sid: { kind: 'text', max: 36, required: true },
  workload: { kind: 'integer', min: 0, max: 1_000_000 },
  priority: PRIORITY,
};

/** The columns of a route that a request names. @throws HttpError 400 that names the field */
export function routeColumns(fields: Fields): Columns {
  const columns = readColumns(fields, ROUTE_COLUMNS, {
    ignored: ['lcr_route_sid', 'lcr_sid', 'lcr_carrier_set_entries'],
  });
  const { regex } = columns;
  if (typeof regex === 'string' && !/^\+?\d+\*?$/.test(regex)) {
    const compiled = compileExpression(regex);
    if (!compiled.ok)
      throw badField('regex', `must be a prefix or a regular expression that can be used: ${compiled.reason}`);
  }
  return columns;
}

/** The columns of an entry that a request names. @throws HttpError 400 that names the field */
export const entryColumns = (fields: Fields): Columns =>
  readColumns(fields, ENTRY_COLUMNS, { ignored: ['lcr_carrier_set_entry_sid', 'lcr_route_sid'] });

/** Most routes of one batch. */
const MAX_ROUTES = 1_000;
const MAX_ENTRIES = 100;

/** A route of a batch with the carriers of its set. */
export interface BatchRoute {
  columns: Columns;
  entries: Columns[];
}

const objectAt = (value: unknown, at: string): Fields => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badField(at, 'must be an object');
  return value as Fields;
};

/** Says where in a batch a field is wrong. */
function within<T>(at: string, read: () => T): T {
  try {
    return read();
  } catch (err) {
    if (err instanceof Error && 'status' in err)
      throw badField(`${at}.${err.message.split(':')[0]}`, err.message.replace(/^[^:]*: */, ''));
    throw err;
  }
}

/** Reads all routes of an LCR at once: a list of routes, each with `lcr_carrier_set_entries`. @throws HttpError 400 */
export function batchRoutes(body: unknown): BatchRoute[] {
  if (!Array.isArray(body)) throw badField('routes', 'the request body must be a list of routes');
  if (body.length > MAX_ROUTES) throw badField('routes', `must be ${MAX_ROUTES} at most`);
  return body.map((value, index) => {
    const at = `[${index}]`;
    const fields = objectAt(value, at);
    const columns = within(at, () => routeColumns(fields));
    if (columns.regex === undefined) throw badField(`${at}.regex`, 'must be given');
    const list = fields.lcr_carrier_set_entries ?? [];
    if (!Array.isArray(list) || list.length > MAX_ENTRIES) {
      throw badField(`${at}.lcr_carrier_set_entries`, `must be a list of ${MAX_ENTRIES} at most`);
    }
    const entries = list.map((entry, place) => {
      const there = `${at}.lcr_carrier_set_entries[${place}]`;
      const read = within(there, () => entryColumns(objectAt(entry, there)));
      if (read.voip_carrier_sid === undefined) throw badField(`${there}.voip_carrier_sid`, 'must be given');
      return read;
    });
    return { columns: { priority: index, ...columns }, entries };
  });
}
