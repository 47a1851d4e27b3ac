import { randomUUID } from 'node:crypto';
import { HttpError, type Queryable, type SipGateway } from '@ringwire/common';
import { parseSipGateway } from '@ringwire/common/provisioning/parse-rows.js';
import { ADDRESS_BITS, networkOf, parseIp } from '@ringwire/common/sip/ip-address.js';
import type { Response, Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { principalOf } from '../auth/authenticate.js';
import type { Principal } from '../auth/principal.js';
import { badField, bodyOf, pathParam, queryText, textField } from '../http/input.js';
import { readColumns, requireUsable } from '../rows/columns-input.js';
import { requireRoom } from '../rows/row-caps.js';
import { deleteRow, findRow, insertRow, type Row, type Table, updateRow } from '../rows/rows-store.js';
import { GATEWAY_COLUMNS } from './carrier-columns.js';
import { foreignInboundGateways, listSipGateways } from './carrier-gateways-store.js';
import { requireOwnCarrier } from './carrier-owner.js';
import { requirePublic } from './require-public.js';

const GATEWAYS: Table = { name: 'sip_gateways', key: 'sip_gateway_sid' };
const IGNORED = ['sip_gateway_sid', 'voip_carrier_sid'];
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
async function requireSound(db: Queryable, principal: Principal, gateway: SipGateway, isMoved: boolean): Promise<void> {
  const { address, netmask, inbound, outbound } = gateway;
  if (!HOST.test(address)) throw badField('ipv4', 'must be an IP address or a host name');
  if (!inbound && !outbound) throw badField('outbound', 'a gateway must be inbound, outbound or both');
  const ip = parseIp(address);
  const isHost = ip === null || netmask === ADDRESS_BITS[ip.family] || (ip.family === 6 && netmask === 32);
  if (!inbound && !isHost)
    throw badField('netmask', 'must be that of a single host for a gateway that is outbound only');
  if (!inbound || ip === null) return;
  const shortest = SHORTEST_PREFIX[principal.scope === 'account' ? 'account' : 'others'][ip.family];
  if (netmask < shortest) throw badField('netmask', `is too wide: at least ${shortest}`);
  if (principal.scope !== 'account') return;
  // What the service provider has granted may be changed otherwise.
  if (!isMoved) return;
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

const usable = (row: Row): SipGateway => requireUsable(GATEWAYS, row, parseSipGateway);

/** `/SipGateways`: seen by who may use the carrier, changed by its owner. */
export function sipGatewayRoutes(router: Router, { db, sipAddresses, provisioningChanged }: ApiContext): void {
  const find = async (res: Response, sid: string): Promise<Row> => {
    const [row] = await listSipGateways(db, principalOf(res), { sid });
    if (row === undefined) throw new HttpError(404, `there is no gateway ${sid}`);
    return row;
  };
  const stored = async (tx: Queryable, sid: string): Promise<Row> => {
    const row = await findRow(tx, GATEWAYS, sid);
    if (row === undefined) throw new HttpError(404, `there is no gateway ${sid}`);
    return row;
  };
  router.get('/SipGateways', async (req, res) => {
    const carrierSid = queryText(req, 'voip_carrier_sid');
    res.json(await listSipGateways(db, principalOf(res), carrierSid === undefined ? {} : { carrierSid }));
  });
  router.post('/SipGateways', async (req, res) => {
    const principal = principalOf(res);
    const fields = bodyOf(req);
    const carrierSid = textField(fields, 'voip_carrier_sid', 36);
    const columns = readColumns(fields, GATEWAY_COLUMNS, { ignored: IGNORED });
    for (const name of ['ipv4', 'inbound', 'outbound']) {
      if (columns[name] === undefined) throw badField(name, 'must be given');
    }
    await requireOwnCarrier(db, principal, carrierSid);
    await requireRoom(db, principal, 'gateways');
    await requirePublic(sipAddresses, principal, 'ipv4', columns.ipv4);
    const sid = randomUUID();
    await db.transaction(async (tx) => {
      await insertRow(tx, GATEWAYS, { sip_gateway_sid: sid, voip_carrier_sid: carrierSid, ...columns });
      await requireSound(tx, principal, usable(await stored(tx, sid)), true);
    });
    await provisioningChanged('sip_gateways');
    res.status(201).json({ sid });
  });
  router.get('/SipGateways/:sid', async (req, res) => void res.json(await find(res, pathParam(req, 'sid'))));
  router.put('/SipGateways/:sid', async (req, res) => {
    const principal = principalOf(res);
    const sid = pathParam(req, 'sid');
    const row = await find(res, sid);
    await requireOwnCarrier(db, principal, String(row.voip_carrier_sid));
    const fields = bodyOf(req);
    if (fields.voip_carrier_sid !== undefined && fields.voip_carrier_sid !== row.voip_carrier_sid) {
      throw badField('voip_carrier_sid', 'cannot be changed');
    }
    const columns = readColumns(fields, GATEWAY_COLUMNS, { ignored: IGNORED });
    if (columns.ipv4 !== row.ipv4) await requirePublic(sipAddresses, principal, 'ipv4', columns.ipv4);
    await db.transaction(async (tx) => {
      const before = await stored(tx, sid);
      await updateRow(tx, GATEWAYS, sid, columns);
      const after = await stored(tx, sid);
      const isMoved = !before.inbound || ['ipv4', 'netmask'].some((column) => before[column] !== after[column]);
      await requireSound(tx, principal, usable(after), isMoved);
    });
    await provisioningChanged('sip_gateways');
    res.sendStatus(204);
  });
  router.delete('/SipGateways/:sid', async (req, res) => {
    const sid = pathParam(req, 'sid');
    const row = await find(res, sid);
    await requireOwnCarrier(db, principalOf(res), String(row.voip_carrier_sid));
    await deleteRow(db, GATEWAYS, sid);
    await provisioningChanged('sip_gateways');
    res.sendStatus(204);
  });
}
