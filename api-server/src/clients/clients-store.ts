import { randomUUID } from 'node:crypto';
import { type Database, encryptSecret, type Secret, type SqlValue } from '@ringwire/common';
import { PASSWORD_MASK } from '../applications/application-input.js';
import type { Condition, Principal } from '../auth/principal.js';

type Row = Record<string, unknown>;

/** What a client's row may be set to; absent columns stay as they are. */
export interface ClientInput {
  username?: string;
  password?: string;
  is_active?: boolean;
  allow_direct_app_calling?: boolean;
  allow_direct_queue_calling?: boolean;
  allow_direct_user_calling?: boolean;
  call_limit?: number | null;
}

const FLAGS = ['is_active', 'allow_direct_app_calling', 'allow_direct_queue_calling', 'allow_direct_user_calling'];

/** The clients of the accounts that a principal may see. */
function visible(principal: Principal): Condition {
  switch (principal.scope) {
    case 'admin':
      return { sql: 'TRUE', params: [] };
    case 'account':
      return { sql: 'clients.account_sid = ?', params: [principal.accountSid] };
    case 'service_provider':
      return {
        sql: 'clients.account_sid IN (SELECT account_sid FROM accounts WHERE service_provider_sid = ?)',
        params: [principal.serviceProviderSid],
      };
  }
}

/** A row as the API shows it: never with its password. */
const toJson = (row: Row): Row => ({
  ...row,
  ...Object.fromEntries(FLAGS.map((flag) => [flag, Boolean(row[flag])])),
  password: PASSWORD_MASK,
});

/** Clients that a principal may see, by username: all of them, those of one account, or one. */
export async function listClients(
  db: Database,
  principal: Principal,
  filter: { sid?: string; accountSid?: string },
): Promise<Row[]> {
  const { sql, params } = visible(principal);
  const parts = [sql];
  const values: SqlValue[] = [...params];
  if (filter.sid !== undefined) {
    parts.push('clients.client_sid = ?');
    values.push(filter.sid);
  }
  if (filter.accountSid !== undefined) {
    parts.push('clients.account_sid = ?');
    values.push(filter.accountSid);
  }
  const rows = await db.query<Row>(
    `SELECT clients.* FROM clients WHERE ${parts.join(' AND ')} ORDER BY clients.username, clients.client_sid LIMIT 10000`,
    values,
  );
  return rows.map(toJson);
}

/** The columns to write, the password encrypted. */
const columnsOf = (input: ClientInput, secret: Secret): [string, SqlValue][] =>
  Object.entries(input)
    .filter((entry): entry is [string, string | boolean | number | null] => entry[1] !== undefined)
    .map(([column, value]) => [column, column === 'password' ? encryptSecret(String(value), secret) : value]);

/** Adds a client and gives its sid. @throws DuplicateKeyError when the account has one of that name */
export async function insertClient(
  db: Database,
  accountSid: string,
  input: ClientInput,
  secret: Secret,
): Promise<string> {
  const sid = randomUUID();
  const columns = columnsOf(input, secret);
  const names = ['client_sid', 'account_sid', ...columns.map(([name]) => name)];
  await db.execute(`INSERT INTO clients (${names.join(', ')}) VALUES (?)`, [
    [sid, accountSid, ...columns.map(([, value]) => value)],
  ]);
  return sid;
}

/** Changes a client that a principal may see; false when there is none. @throws DuplicateKeyError */
export async function updateClient(
  db: Database,
  principal: Principal,
  sid: string,
  input: ClientInput,
  secret: Secret,
): Promise<boolean> {
  const columns = columnsOf(input, secret);
  const { sql, params } = visible(principal);
  const [row] = await db.query<Row>(`SELECT client_sid FROM clients WHERE client_sid = ? AND ${sql}`, [sid, ...params]);
  if (row === undefined) return false;
  if (columns.length === 0) return true;
  const assignments = columns.map(([name]) => `${name} = ?`).join(', ');
  await db.execute(`UPDATE clients SET ${assignments} WHERE client_sid = ? AND ${sql}`, [
    ...columns.map(([, value]) => value),
    sid,
    ...params,
  ]);
  return true;
}

/** Removes a client that a principal may see; false when there is none. */
export async function deleteClient(db: Database, principal: Principal, sid: string): Promise<boolean> {
  const { sql, params } = visible(principal);
  const result = await db.execute(`DELETE FROM clients WHERE client_sid = ? AND ${sql}`, [sid, ...params]);
  return result.affectedRows > 0;
}
