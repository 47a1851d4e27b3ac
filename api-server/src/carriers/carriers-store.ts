import type { Database, SqlValue } from '@ringwire/common';
import { PASSWORD_MASK } from '../applications/application-input.js';
import { type Condition, type Principal, tenantCondition } from '../auth/principal.js';
import { likeContains, type Page } from '../http/input.js';

type Row = Record<string, unknown>;

const MASKED = ['register_password', 'inbound_auth_password', 'smpp_password', 'smpp_inbound_password'];

/** The carriers that a principal may use: its own, and those that an account's service provider shares. */
export function usableCondition(principal: Principal): Condition {
  const tenant = tenantCondition(principal, 'voip_carriers');
  if (principal.scope !== 'account') return tenant;
  return {
    sql: `(${tenant.sql} OR (voip_carriers.account_sid IS NULL AND voip_carriers.service_provider_sid = ?))`,
    params: [...tenant.params, principal.serviceProviderSid],
  };
}

/** Which carriers to list. */
export interface CarrierFilter {
  sid?: string;
  /** Carriers of this account, and those that its service provider shares. */
  accountSid?: string;
  /** Carriers of this service provider and of its accounts. */
  serviceProviderSid?: string;
  /** Part of the name. */
  name?: string;
}

/** Carriers in the order of their names, all or one page; passwords are masked. */
export async function listCarriers(
  db: Database,
  principal: Principal,
  filter: CarrierFilter,
  page?: Page,
): Promise<{ total: number; data: Row[] }> {
  const usable = usableCondition(principal);
  const parts = [usable.sql];
  const params: SqlValue[] = [...usable.params];
  if (filter.sid !== undefined) {
    parts.push('voip_carriers.voip_carrier_sid = ?');
    params.push(filter.sid);
  }
  if (filter.accountSid !== undefined) {
    parts.push(`(voip_carriers.account_sid = ? OR (voip_carriers.account_sid IS NULL AND voip_carriers.service_provider_sid =
      (SELECT service_provider_sid FROM accounts WHERE accounts.account_sid = ?)))`);
    params.push(filter.accountSid, filter.accountSid);
  }
  if (filter.serviceProviderSid !== undefined) {
    parts.push('voip_carriers.service_provider_sid = ?');
    params.push(filter.serviceProviderSid);
  }
  if (filter.name !== undefined) {
    parts.push('voip_carriers.name LIKE ?');
    params.push(likeContains(filter.name));
  }
  const where = parts.join(' AND ');
  const limit = page === undefined ? '' : ' LIMIT ? OFFSET ?';
  const limits = page === undefined ? [] : [page.pageSize, (page.page - 1) * page.pageSize];
  const rows = await db.query<Row>(
    `SELECT voip_carriers.* FROM voip_carriers WHERE ${where}
     ORDER BY voip_carriers.name, voip_carriers.voip_carrier_sid${limit}`,
    [...params, ...limits],
  );
  const data = rows.map(masked);
  if (page === undefined) return { total: data.length, data };
  const [count] = await db.query<{ total: number }>(
    `SELECT COUNT(*) AS total FROM voip_carriers WHERE ${where}`,
    params,
  );
  return { total: Number(count?.total ?? 0), data };
}

const masked = (row: Row): Row =>
  Object.fromEntries(
    Object.entries(row).map(([column, value]) => [
      column,
      MASKED.includes(column) && value !== null ? PASSWORD_MASK : value,
    ]),
  );

/**
 * The carrier that an account's number is put on when none is named: its only active one, else, when it has none, the only one that
 * its service provider shares, whose numbers an account's own key cannot give. Undefined when there is none or a choice.
 */
export async function onlyCarrier(db: Database, principal: Principal, accountSid: string): Promise<string | undefined> {
  const { data } = await listCarriers(db, principal, { accountSid });
  const active = data.filter((row) => Boolean(row.is_active));
  const own = active.filter((row) => row.account_sid === accountSid);
  const candidates = own.length > 0 || principal.scope === 'account' ? own : active;
  return candidates.length === 1 ? String(candidates[0]?.voip_carrier_sid) : undefined;
}
