import { randomUUID } from 'node:crypto';
import { HttpError, type Queryable, type SipGateway } from '@ringwire/common';
import { parseSipGateway } from '@ringwire/common/provisioning/parse-carriers.js';
import { ADDRESS_BITS, networkOf, parseIp } from '@ringwire/common/sip/ip-address.js';
import type { Principal } from '../auth/principal.js';
import { badField } from '../http/input.js';
import { requireOwnNumbers } from '../phone-numbers/shared-addresses.js';
import { requireUsable } from '../rows/columns-input.js';
import { type Columns, findRow, insertRow, type Row, type Table } from '../rows/rows-store.js';
import { foreignInboundGateways } from './carrier-gateways-store.js';

/** SIP gateways. */
export const GATEWAYS: Table = { name: 'sip_gateways', key: 'sip_gateway_sid' };
/** An IP address or a host name. */
const HOST = /^(?:[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9])?|\[?[0-9A-Fa-f:.]+\]?)$/;
/** Wider networks would make strangers carriers: of an account's own, and of all others. */
const SHORTEST_PREFIX = { account: { 4: 24, 6: 48 }, others: { 4: 8, 6: 32 } } as const;

/**
 * What a gateway must be beyond what the call path can read.
 *
 * @param isMoved - whether calls may come from addresses now from which they could not come before
 * @throws HttpError 400 or 403 that names the field
 */
export async function requireSound(
  db: Queryable,
  principal: Principal,
  gateway: SipGateway,
  isMoved: boolean,
): Promise<void> {
  const { address, netmask, inbound, outbound, voipCarrierSid: carrierSid } = gateway;
  const isWrongIp = parseIp(address) === null && /^[\d.]+$/.test(address);
  if (!HOST.test(address) || isWrongIp || address.includes('..'))
    throw badField('ipv4', 'must be an IP address or a host name');
  if (!inbound && !outbound) throw badField('outbound', 'a gateway must be inbound, outbound or both');
  const ip = parseIp(address);
  const isHost = ip === null || netmask === ADDRESS_BITS[ip.family] || (ip.family === 6 && netmask === 32);
  if (!inbound && !isHost)
    throw badField('netmask', 'must be that of a single host for a gateway that is outbound only');
  if (!inbound || ip === null) return;
  const shortest = SHORTEST_PREFIX[principal.scope === 'account' ? 'account' : 'others'][ip.family];
  if (netmask < shortest) throw badField('netmask', `is too wide: at least ${shortest}`);
  // What the service provider has granted may be changed otherwise.
  if (principal.scope === 'admin' || !isMoved) return;
  if (principal.scope === 'service_provider') {
    // Else it could bring numbers to an address at which another's accounts have them.
    const numbers = await db.query<{ number: string }>('SELECT number FROM phone_numbers WHERE voip_carrier_sid = ?', [
      carrierSid,
    ]);
    await requireOwnNumbers(
      db,
      principal,
      carrierSid,
      numbers.map(({ number }) => number),
      'ipv4',
    );
    return;
  }
  // Else an account could take the calls that another's carrier, or one that is shared, brings for others.
  for (const foreign of await foreignInboundGateways(db, principal.accountSid)) {
    const other = parseIp(foreign.ipv4);
    const bits = Math.min(netmask, foreign.netmask);
    if (other?.family === ip.family && networkOf(other, bits) === networkOf(ip, bits)) {
      throw new HttpError(403, 'ipv4: belongs to a carrier of others: only the service provider may let you share it', {
        field: 'ipv4',
      });
    }
  }
}

/** A row as the edges read it. @throws HttpError 400 */
export const usableGateway = (row: Row): SipGateway => requireUsable(GATEWAYS, row, parseSipGateway);

/** A stored gateway. @throws HttpError 404 */
export async function storedGateway(tx: Queryable, sid: string): Promise<Row> {
  const row = await findRow(tx, GATEWAYS, sid);
  if (row === undefined) throw new HttpError(404, `there is no gateway ${sid}`);
  return row;
}

/** Adds a gateway with columns that are checked one by one. @returns its sid @throws HttpError 400, 403 */
export async function insertSipGateway(
  tx: Queryable,
  principal: Principal,
  carrierSid: string,
  columns: Columns,
): Promise<string> {
  const sid = randomUUID();
  await insertRow(tx, GATEWAYS, { sip_gateway_sid: sid, voip_carrier_sid: carrierSid, ...columns });
  await requireSound(tx, principal, usableGateway(await storedGateway(tx, sid)), true);
  return sid;
}
