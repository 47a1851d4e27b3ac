import type { Database, Queryable, SqlValue } from '@ringwire/common';
import type { Principal } from '../auth/principal.js';
import type { Row } from '../rows/rows-store.js';
import { usableCondition } from './carriers-store.js';

/** Gateways of carriers that a principal may use: all, those of one carrier, or one. */
export async function listSipGateways(
  db: Database,
  principal: Principal,
  filter: { sid?: string; carrierSid?: string },
): Promise<Row[]> {
  const usable = usableCondition(principal);
  const parts = [usable.sql];
  const params: SqlValue[] = [...usable.params];
  if (filter.sid !== undefined) {
    parts.push('g.sip_gateway_sid = ?');
    params.push(filter.sid);
  }
  if (filter.carrierSid !== undefined) {
    parts.push('g.voip_carrier_sid = ?');
    params.push(filter.carrierSid);
  }
  return db.query<Row>(
    `SELECT g.* FROM sip_gateways g JOIN voip_carriers ON voip_carriers.voip_carrier_sid = g.voip_carrier_sid
     WHERE ${parts.join(' AND ')} ORDER BY g.voip_carrier_sid, g.priority, g.ipv4, g.sip_gateway_sid`,
    params,
  );
}

/** Inbound gateways of all carriers that are not an account's own. */
export function foreignInboundGateways(
  db: Queryable,
  accountSid: string,
): Promise<{ ipv4: string; netmask: number }[]> {
  return db.query<{ ipv4: string; netmask: number }>(
    `SELECT g.ipv4, g.netmask FROM sip_gateways g JOIN voip_carriers c ON c.voip_carrier_sid = g.voip_carrier_sid
     WHERE (c.account_sid IS NULL OR c.account_sid <> ?) AND g.inbound`,
    [accountSid],
  );
}

/** Removes all gateways of a carrier, of all kinds. */
export async function deleteGatewaysOf(db: Queryable, voipCarrierSid: string): Promise<void> {
  for (const table of ['sip_gateways', 'smpp_gateways', 'http_message_gateways']) {
    await db.execute(`DELETE FROM ${table} WHERE voip_carrier_sid = ?`, [voipCarrierSid]);
  }
}
