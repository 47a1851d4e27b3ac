import { randomUUID } from 'node:crypto';
import type { Database } from '@ringwire/common';
import { type Principal, tenantCondition } from '../auth/principal.js';

/** A tenant as the API shows it. */
export interface TeamsTenantRow {
  ms_teams_tenant_sid: string;
  service_provider_sid: string;
  account_sid: string;
  application_sid: string | null;
  tenant_fqdn: string;
}

const TABLE = 'ms_teams_tenants';

/** The tenants that a principal may see, by domain. */
export async function listTeamsTenants(db: Database, principal: Principal): Promise<TeamsTenantRow[]> {
  const tenant = tenantCondition(principal, TABLE);
  return db.query(`SELECT * FROM ${TABLE} WHERE ${tenant.sql} ORDER BY tenant_fqdn`, tenant.params);
}

/** One tenant; undefined when there is none or it is somebody else's. */
export async function findTeamsTenant(
  db: Database,
  principal: Principal,
  sid: string,
): Promise<TeamsTenantRow | undefined> {
  const tenant = tenantCondition(principal, TABLE);
  const [row] = await db.query<TeamsTenantRow>(
    `SELECT * FROM ${TABLE} WHERE ms_teams_tenant_sid = ? AND ${tenant.sql}`,
    [sid, ...tenant.params],
  );
  return row;
}

/** Adds a tenant; resolves with its sid. @throws DuplicateKeyError when the domain is taken */
export async function insertTeamsTenant(
  db: Database,
  row: Omit<TeamsTenantRow, 'ms_teams_tenant_sid'>,
): Promise<string> {
  const sid = randomUUID();
  await db.execute(
    `INSERT INTO ${TABLE} (ms_teams_tenant_sid, service_provider_sid, account_sid, application_sid, tenant_fqdn) VALUES (?)`,
    [[sid, row.service_provider_sid, row.account_sid, row.application_sid, row.tenant_fqdn]],
  );
  return sid;
}

/** Changes application and domain of a tenant. @throws DuplicateKeyError when the domain is taken */
export async function updateTeamsTenant(
  db: Database,
  { ms_teams_tenant_sid: sid, application_sid, tenant_fqdn }: TeamsTenantRow,
): Promise<void> {
  await db.execute(`UPDATE ${TABLE} SET application_sid = ?, tenant_fqdn = ? WHERE ms_teams_tenant_sid = ?`, [
    application_sid,
    tenant_fqdn,
    sid,
  ]);
}

/** Removes a tenant. */
export async function deleteTeamsTenant(db: Database, sid: string): Promise<void> {
  await db.execute(`DELETE FROM ${TABLE} WHERE ms_teams_tenant_sid = ?`, [sid]);
}
