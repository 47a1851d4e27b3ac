import type { Database } from '@ringwire/common';

/** What the status of a gateway is told with. */
export interface TrunkGateway {
  sip_gateway_sid: string;
  voip_carrier_sid: string;
  ipv4: string;
  port: number | null;
  send_options_ping: boolean;
}

const COLUMNS = 'sip_gateway_sid, voip_carrier_sid, ipv4, port, send_options_ping';

/** The gateways of a carrier; whoever asks has made sure that the carrier may be seen. */
export function gatewaysOf(db: Database, voipCarrierSid: string): Promise<TrunkGateway[]> {
  return db.query<TrunkGateway>(
    `SELECT ${COLUMNS} FROM sip_gateways WHERE voip_carrier_sid = ? ORDER BY priority, ipv4, sip_gateway_sid`,
    [voipCarrierSid],
  );
}

/** A gateway of any carrier: whoever asks has to check the carrier. */
export async function gatewayOf(db: Database, sipGatewaySid: string): Promise<TrunkGateway | undefined> {
  const [row] = await db.query<TrunkGateway>(`SELECT ${COLUMNS} FROM sip_gateways WHERE sip_gateway_sid = ?`, [
    sipGatewaySid,
  ]);
  return row;
}

/** Sids of the gateways of carriers, by carrier. */
export async function gatewaySidsOf(db: Database, voipCarrierSids: readonly string[]): Promise<Map<string, string[]>> {
  const rows = await db.query<Pick<TrunkGateway, 'sip_gateway_sid' | 'voip_carrier_sid'>>(
    'SELECT sip_gateway_sid, voip_carrier_sid FROM sip_gateways WHERE voip_carrier_sid IN (?)',
    [voipCarrierSids],
  );
  const byCarrier = new Map<string, string[]>();
  for (const { sip_gateway_sid, voip_carrier_sid } of rows) {
    byCarrier.set(voip_carrier_sid, [...(byCarrier.get(voip_carrier_sid) ?? []), sip_gateway_sid]);
  }
  return byCarrier;
}
