import { HttpError } from '@ringwire/common';
import type { Response, Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { principalOf } from '../auth/authenticate.js';
import { badField, bodyOf, pathParam, queryText, textField } from '../http/input.js';
import { readColumns } from '../rows/columns-input.js';
import { requireRoom } from '../rows/row-caps.js';
import { deleteRow, type Row, updateRow } from '../rows/rows-store.js';
import { GATEWAY_COLUMNS } from './carrier-columns.js';
import { listSipGateways } from './carrier-gateways-store.js';
import { requireOwnCarrier } from './carrier-owner.js';
import { requirePublic } from './require-public.js';
import { GATEWAYS, insertSipGateway, requireSound, storedGateway, usableGateway } from './sip-gateway-rules.js';

const IGNORED = ['sip_gateway_sid', 'voip_carrier_sid'];

/** `/SipGateways`: seen by who may use the carrier, changed by its owner. */
export function sipGatewayRoutes(router: Router, { db, sipAddresses, provisioningChanged }: ApiContext): void {
  const find = async (res: Response, sid: string): Promise<Row> => {
    const [row] = await listSipGateways(db, principalOf(res), { sid });
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
    const sid = await db.transaction((tx) => insertSipGateway(tx, principal, carrierSid, columns));
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
      const before = await storedGateway(tx, sid);
      await updateRow(tx, GATEWAYS, sid, columns);
      const after = await storedGateway(tx, sid);
      const isMoved = !before.inbound || ['ipv4', 'netmask'].some((column) => before[column] !== after[column]);
      await requireSound(tx, principal, usableGateway(after), isMoved);
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
