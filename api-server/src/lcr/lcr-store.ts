import type { Queryable, SqlValue } from '@ringwire/common';
import { type Principal, tenantCondition } from '../auth/principal.js';
import type { Row } from '../rows/rows-store.js';

/** Which rows of LCRs to list. */
export interface LcrFilter {
  lcrSid?: string;
  routeSid?: string;
  entrySid?: string;
}

function conditions(
  principal: Principal,
  { lcrSid, routeSid, entrySid }: LcrFilter,
): { sql: string; params: SqlValue[] } {
  const tenant = tenantCondition(principal, 'lcr');
  const parts = [tenant.sql];
  const params: SqlValue[] = [...tenant.params];
  for (const [column, value] of [
    ['lcr.lcr_sid', lcrSid],
    ['r.lcr_route_sid', routeSid],
    ['e.lcr_carrier_set_entry_sid', entrySid],
  ] as const) {
    if (value === undefined) continue;
    parts.push(`${column} = ?`);
    params.push(value);
  }
  return { sql: parts.join(' AND '), params };
}

/** The LCRs of a principal, with the number of their routes. */
export function listLcrs(db: Queryable, principal: Principal, lcrSid?: string): Promise<Row[]> {
  const { sql, params } = conditions(principal, lcrSid === undefined ? {} : { lcrSid });
  return db.query<Row>(
    `SELECT lcr.*, (SELECT COUNT(*) FROM lcr_routes WHERE lcr_routes.lcr_sid = lcr.lcr_sid) AS number_routes
     FROM lcr WHERE ${sql} ORDER BY lcr.name, lcr.lcr_sid`,
    params,
  );
}

/** Routes of the principal's LCRs in the order of their priorities. */
export function listRoutes(db: Queryable, principal: Principal, filter: LcrFilter): Promise<Row[]> {
  const { sql, params } = conditions(principal, filter);
  return db.query<Row>(
    `SELECT r.* FROM lcr_routes r JOIN lcr ON lcr.lcr_sid = r.lcr_sid WHERE ${sql} ORDER BY r.priority, r.lcr_route_sid`,
    params,
  );
}

/** Entries of the carrier sets of the principal's routes. */
export function listEntries(db: Queryable, principal: Principal, filter: LcrFilter): Promise<Row[]> {
  const { sql, params } = conditions(principal, filter);
  return db.query<Row>(
    `SELECT e.* FROM lcr_carrier_set_entry e JOIN lcr_routes r ON r.lcr_route_sid = e.lcr_route_sid
     JOIN lcr ON lcr.lcr_sid = r.lcr_sid WHERE ${sql} ORDER BY e.priority, e.lcr_carrier_set_entry_sid`,
    params,
  );
}

/** Whether the owner of an LCR may call over a carrier: an account its own and those that are shared with it, a service provider those that it shares. */
export async function mayCallOver(db: Queryable, lcrSid: string, carrierSid: string): Promise<boolean> {
  const rows = await db.query(
    `SELECT 1 FROM lcr JOIN voip_carriers c ON c.voip_carrier_sid = ?
     LEFT JOIN accounts a ON a.account_sid = lcr.account_sid
     WHERE lcr.lcr_sid = ? AND (c.account_sid = lcr.account_sid OR
       (c.account_sid IS NULL AND c.service_provider_sid = COALESCE(lcr.service_provider_sid, a.service_provider_sid)))`,
    [carrierSid, lcrSid],
  );
  return rows.length > 0;
}

/** Another LCR of the same owner; there is one for each. */
export async function hasLcr(db: Queryable, accountSid: string | null, serviceProviderSid: string): Promise<boolean> {
  const rows = await db.query(
    accountSid === null
      ? 'SELECT 1 FROM lcr WHERE account_sid IS NULL AND service_provider_sid = ?'
      : 'SELECT 1 FROM lcr WHERE account_sid = ?',
    [accountSid ?? serviceProviderSid],
  );
  return rows.length > 0;
}

/** Removes all routes of an LCR with their entries; the default goes with them. */
export async function clearRoutes(db: Queryable, lcrSid: string): Promise<void> {
  await db.execute('UPDATE lcr SET default_carrier_set_entry_sid = NULL WHERE lcr_sid = ?', [lcrSid]);
  await db.execute('DELETE FROM lcr_routes WHERE lcr_sid = ?', [lcrSid]);
}

/** What is the default of an LCR no more, when its entry or route is removed. */
export async function forgetDefault(db: Queryable, lcrSid: string): Promise<void> {
  await db.execute(
    `UPDATE lcr SET default_carrier_set_entry_sid = NULL WHERE lcr_sid = ? AND default_carrier_set_entry_sid NOT IN
     (SELECT e.lcr_carrier_set_entry_sid FROM lcr_carrier_set_entry e JOIN lcr_routes r ON r.lcr_route_sid = e.lcr_route_sid WHERE r.lcr_sid = ?)`,
    [lcrSid, lcrSid],
  );
}
