import { type Database, encryptSecret, type Secret, type SqlValue } from '@ringwire/common';
import { PASSWORD_MASK } from '../applications/application-input.js';
import { type Principal, tenantCondition } from '../auth/principal.js';

type Row = Record<string, unknown>;

/** A kind of gateway that takes messages. */
export interface GatewayTable {
  table: 'smpp_gateways' | 'http_message_gateways';
  sidColumn: string;
  /** Columns as the API shows them, without secrets. */
  shown: readonly string[];
}

/** SMPP gateways of carriers. */
export const SMPP_GATEWAYS: GatewayTable = {
  table: 'smpp_gateways',
  sidColumn: 'smpp_gateway_sid',
  shown: [
    ...[
      'smpp_gateway_sid',
      'voip_carrier_sid',
      'ipv4',
      'port',
      'netmask',
      'inbound',
      'outbound',
      'is_primary',
      'use_tls',
    ],
    ...['max_per_second', 'window_size'],
  ],
};
/** HTTP gateways of carriers. */
export const HTTP_GATEWAYS: GatewayTable = {
  table: 'http_message_gateways',
  sidColumn: 'http_message_gateway_sid',
  shown: [
    'http_message_gateway_sid',
    'voip_carrier_sid',
    'vendor',
    'base_url',
    'username',
    'password',
    'inbound_token',
    'webhook_secret',
    'is_active',
  ],
};

/** Whether a principal may change a carrier: its own, or one below it; those that are shared with it are not. */
export async function ownsCarrier(db: Database, principal: Principal, carrierSid: string): Promise<boolean> {
  const tenant = tenantCondition(principal, 'voip_carriers');
  const rows = await db.query(`SELECT 1 FROM voip_carriers WHERE voip_carrier_sid = ? AND ${tenant.sql}`, [
    carrierSid,
    ...tenant.params,
  ]);
  return rows.length > 0;
}

/** Gateways of carriers that a principal may change; all, those of one carrier, or one. */
export async function listGateways(
  db: Database,
  principal: Principal,
  { table, sidColumn, shown }: GatewayTable,
  filter: { sid?: string; carrierSid?: string } = {},
): Promise<Row[]> {
  const tenant = tenantCondition(principal, 'voip_carriers');
  const parts = [tenant.sql];
  const params: SqlValue[] = [...tenant.params];
  if (filter.sid !== undefined) {
    parts.push(`g.${sidColumn} = ?`);
    params.push(filter.sid);
  }
  if (filter.carrierSid !== undefined) {
    parts.push('g.voip_carrier_sid = ?');
    params.push(filter.carrierSid);
  }
  const rows = await db.query<Row>(
    `SELECT ${shown.map((column) => `g.${column}`).join(', ')} FROM ${table} g
     JOIN voip_carriers ON voip_carriers.voip_carrier_sid = g.voip_carrier_sid WHERE ${parts.join(' AND ')}
     ORDER BY g.voip_carrier_sid, g.${sidColumn}`,
    params,
  );
  return rows.map((row) => ({
    ...row,
    ...(row.password != null && { password: PASSWORD_MASK }),
    ...(row.webhook_secret != null && { webhook_secret: PASSWORD_MASK }),
  }));
}

/** Adds a gateway; `columns` are checked. @throws DuplicateKeyError for a carrier's second HTTP gateway */
export async function insertGateway(
  db: Database,
  { table }: GatewayTable,
  columns: Record<string, SqlValue>,
): Promise<void> {
  const names = Object.keys(columns);
  await db.execute(`INSERT INTO ${table} (${names.join(', ')}) VALUES (?)`, [Object.values(columns)]);
}

/** Changes columns of a gateway. */
export async function updateGateway(
  db: Database,
  { table, sidColumn }: GatewayTable,
  sid: string,
  columns: Record<string, SqlValue>,
): Promise<void> {
  const names = Object.keys(columns);
  if (names.length === 0) return;
  const changes = names.map((name) => `${name} = ?`).join(', ');
  await db.execute(`UPDATE ${table} SET ${changes} WHERE ${sidColumn} = ?`, [...Object.values(columns), sid]);
}

/** Removes a gateway. */
export async function deleteGateway(db: Database, { table, sidColumn }: GatewayTable, sid: string): Promise<void> {
  await db.execute(`DELETE FROM ${table} WHERE ${sidColumn} = ?`, [sid]);
}

/** How we log in at a carrier's SMPP gateways; `password` undefined leaves it. */
export async function setSmppLogin(
  db: Database,
  carrierSid: string,
  {
    systemId,
    password,
    enquireLinkSec,
  }: { systemId: string | null; password: string | null | undefined; enquireLinkSec: number },
  encryptionSecret: Secret,
): Promise<void> {
  const stored = password == null ? null : encryptSecret(password, encryptionSecret);
  await db.execute(
    `UPDATE voip_carriers SET smpp_system_id = ?, smpp_enquire_link_interval = ?${password === undefined ? '' : ', smpp_password = ?'}
     WHERE voip_carrier_sid = ?`,
    [systemId, enquireLinkSec, ...(password === undefined ? [] : [stored]), carrierSid],
  );
}
