import { randomUUID } from 'node:crypto';
import type { Database, SqlValue } from '@ringwire/common';
import { type Principal, tenantCondition } from '../auth/principal.js';
import { likeContains, type Page } from '../http/input.js';

type Row = Record<string, unknown>;

/** A phone number to be written. */
export interface NewPhoneNumber {
  number: string;
  voipCarrierSid: string;
  accountSid: string | null;
  applicationSid: string | null;
  serviceProviderSid: string | null;
}

/** Which numbers to list. */
export interface PhoneNumberFilter {
  accountSid?: string;
  serviceProviderSid?: string;
  /** Part of the number. */
  number?: string;
}

/** Numbers in their order, all or one page. */
export async function listPhoneNumbers(
  db: Database,
  principal: Principal,
  filter: PhoneNumberFilter,
  page?: Page,
): Promise<{ total: number; data: Row[] }> {
  const tenant = tenantCondition(principal, 'phone_numbers');
  const parts = [tenant.sql];
  const params: SqlValue[] = [...tenant.params];
  const add = (sql: string, value: string | undefined) => {
    if (value === undefined) return;
    parts.push(sql);
    params.push(value);
  };
  add('phone_numbers.account_sid = ?', filter.accountSid);
  add(
    '(phone_numbers.service_provider_sid = ? OR phone_numbers.account_sid IN (SELECT account_sid FROM accounts WHERE service_provider_sid = ?))',
    filter.serviceProviderSid,
  );
  if (filter.serviceProviderSid !== undefined) params.push(filter.serviceProviderSid);
  add('phone_numbers.number LIKE ?', filter.number === undefined ? undefined : likeContains(filter.number));
  const where = parts.join(' AND ');
  const limit = page === undefined ? '' : ' LIMIT ? OFFSET ?';
  const limits = page === undefined ? [] : [page.pageSize, (page.page - 1) * page.pageSize];
  const data = await db.query<Row>(
    `SELECT phone_numbers.* FROM phone_numbers WHERE ${where} ORDER BY phone_numbers.number, phone_numbers.phone_number_sid${limit}`,
    [...params, ...limits],
  );
  if (page === undefined) return { total: data.length, data };
  const [count] = await db.query<{ total: number }>(
    `SELECT COUNT(*) AS total FROM phone_numbers WHERE ${where}`,
    params,
  );
  return { total: Number(count?.total ?? 0), data };
}

/** One number; undefined when there is none or it is somebody else's. */
export async function findPhoneNumber(db: Database, principal: Principal, sid: string): Promise<Row | undefined> {
  const tenant = tenantCondition(principal, 'phone_numbers');
  const [row] = await db.query<Row>(
    `SELECT phone_numbers.* FROM phone_numbers WHERE phone_number_sid = ? AND ${tenant.sql}`,
    [sid, ...tenant.params],
  );
  return row;
}

/** Writes a new number. @returns its sid @throws DuplicateKeyError */
export async function insertPhoneNumber(db: Database, number: NewPhoneNumber): Promise<string> {
  const sid = randomUUID();
  await db.execute(
    'INSERT INTO phone_numbers (phone_number_sid, number, voip_carrier_sid, account_sid, application_sid, service_provider_sid) VALUES (?)',
    [[sid, number.number, number.voipCarrierSid, number.accountSid, number.applicationSid, number.serviceProviderSid]],
  );
  return sid;
}

/** What of a number can be changed. */
export interface NumberChange {
  accountSid?: string | null;
  applicationSid?: string | null;
  serviceProviderSid?: string | null;
}

/** Moves a number to another account or application; `undefined` leaves it. */
export async function updatePhoneNumber(
  db: Database,
  principal: Principal,
  sid: string,
  change: NumberChange,
): Promise<void> {
  const tenant = tenantCondition(principal, 'phone_numbers');
  const columns: [string, SqlValue][] = [];
  if (change.accountSid !== undefined) columns.push(['account_sid', change.accountSid]);
  if (change.applicationSid !== undefined) columns.push(['application_sid', change.applicationSid]);
  if (change.serviceProviderSid !== undefined) columns.push(['service_provider_sid', change.serviceProviderSid]);
  if (columns.length === 0) return;
  await db.execute(
    `UPDATE phone_numbers SET ${columns.map(([name]) => `${name} = ?`).join(', ')} WHERE phone_number_sid = ? AND ${tenant.sql}`,
    [...columns.map(([, value]) => value), sid, ...tenant.params],
  );
}

/** Removes a number. @returns false when there is none or it is somebody else's */
export async function deletePhoneNumber(db: Database, principal: Principal, sid: string): Promise<boolean> {
  const tenant = tenantCondition(principal, 'phone_numbers');
  const { affectedRows } = await db.execute(`DELETE FROM phone_numbers WHERE phone_number_sid = ? AND ${tenant.sql}`, [
    sid,
    ...tenant.params,
  ]);
  return affectedRows > 0;
}
