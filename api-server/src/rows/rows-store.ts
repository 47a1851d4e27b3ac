import type { Queryable, SqlValue } from '@ringwire/common';

/** A row as MySQL gives it. */
export type Row = Record<string, unknown>;
/** Columns to be written; their names are constants of our code, never of a request. */
export type Columns = Record<string, SqlValue>;

/** A table with the column that is its key. */
export interface Table {
  name: string;
  key: string;
}

/** One row by its key. */
export async function findRow(db: Queryable, { name, key }: Table, sid: string): Promise<Row | undefined> {
  const [row] = await db.query<Row>(`SELECT * FROM ${name} WHERE ${key} = ?`, [sid]);
  return row;
}

/** Adds a row. @throws DuplicateKeyError, ForeignKeyError */
export async function insertRow(db: Queryable, { name }: Table, columns: Columns): Promise<void> {
  const names = Object.keys(columns);
  await db.execute(`INSERT INTO ${name} (${names.join(', ')}) VALUES (?)`, [Object.values(columns)]);
}

/** Changes columns of a row. @throws DuplicateKeyError, ForeignKeyError */
export async function updateRow(db: Queryable, { name, key }: Table, sid: string, columns: Columns): Promise<void> {
  const names = Object.keys(columns);
  if (names.length === 0) return;
  const changes = names.map((column) => `${column} = ?`).join(', ');
  await db.execute(`UPDATE ${name} SET ${changes} WHERE ${key} = ?`, [...Object.values(columns), sid]);
}

/** Removes a row. @throws ForeignKeyError while others refer to it */
export async function deleteRow(db: Queryable, { name, key }: Table, sid: string): Promise<void> {
  await db.execute(`DELETE FROM ${name} WHERE ${key} = ?`, [sid]);
}
