import { randomUUID } from 'node:crypto';
import { decryptSecret, ForeignKeyError, HttpError, type Queryable } from '@ringwire/common';
import { parseVoipCarrier } from '@ringwire/common/provisioning/parse-rows.js';
import { isHostPort } from '@ringwire/common/sip/host-port.js';
import type { Request, Response, Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import { requireServiceProvider } from '../auth/require-service-provider.js';
import { badField, bodyOf, type Fields, optionalTextField, pathParam } from '../http/input.js';
import { readColumns, requireUsable } from '../rows/columns-input.js';
import { requireRoom } from '../rows/row-caps.js';
import { type Columns, deleteRow, findRow, insertRow, type Row, type Table, updateRow } from '../rows/rows-store.js';
import { CARRIER_COLUMNS, CARRIER_READ_ONLY } from './carrier-columns.js';
import { deleteGatewaysOf } from './carrier-gateways-store.js';
import { ownerOf, requireApplication, requireOwnCarrier, requireSameOwner } from './carrier-owner.js';
import { requirePublic } from './require-public.js';

/** Carriers. */
export const CARRIERS: Table = { name: 'voip_carriers', key: 'voip_carrier_sid' };
const OWNER = ['account_sid', 'service_provider_sid', 'application_sid'];

/** What several columns must say together. @throws HttpError 400 */
function requireComplete(row: Row): void {
  if (row.requires_register) {
    for (const field of ['register_username', 'register_password', 'register_sip_realm']) {
      if (!row[field]) throw badField(field, 'must be given where requires_register is true');
    }
  }
  for (const field of ['register_sip_realm', 'register_from_domain']) {
    const host = row[field];
    if (typeof host === 'string' && host !== '' && !isHostPort(host)) {
      throw badField(field, 'must be a host name or an IP address, with or without a port');
    }
  }
  if (row.trunk_type === 'auth') {
    for (const field of ['inbound_auth_username', 'inbound_auth_password']) {
      if (!row[field]) throw badField(field, 'must be given where trunk_type is auth');
    }
  }
}

/** Whoever binds to us must be known by his login alone. @throws HttpError 400, 422 */
async function requireSmppLogin(tx: Queryable, row: Row): Promise<void> {
  const systemId = row.smpp_inbound_system_id;
  if (!systemId) return;
  if (!row.smpp_inbound_password) {
    throw badField('smpp_inbound_password', 'must be given where smpp_inbound_system_id is');
  }
  const others = await tx.query(
    'SELECT 1 FROM voip_carriers WHERE smpp_inbound_system_id = ? AND voip_carrier_sid <> ? LIMIT 1',
    [String(systemId), String(row.voip_carrier_sid)],
  );
  if (others.length > 0) throw new HttpError(422, 'smpp_inbound_system_id: another carrier binds with this name');
}

/** `POST`, `PUT` and `DELETE /VoipCarriers`, and the same below accounts and service providers. */
export function carrierWriteRoutes(
  router: Router,
  { db, encryptionSecret, sipAddresses, provisioningChanged }: ApiContext,
): void {
  const columnsOf = (fields: Fields): Columns =>
    readColumns(fields, CARRIER_COLUMNS, { ignored: [...CARRIER_READ_ONLY, ...OWNER], secret: encryptionSecret });
  const requireGood = async (tx: Queryable, sid: string): Promise<void> => {
    const row = await findRow(tx, CARRIERS, sid);
    if (row === undefined) throw new HttpError(404, `there is no carrier ${sid}`);
    requireComplete(row);
    await requireSmppLogin(tx, row);
    requireUsable(CARRIERS, row, (raw) => parseVoipCarrier(raw, (stored) => decryptSecret(stored, encryptionSecret)));
  };

  const create = async (req: Request, res: Response, named: Fields = {}): Promise<void> => {
    const principal = principalOf(res);
    const fields = { ...bodyOf(req), ...named };
    const columns = columnsOf(fields);
    if (columns.name === undefined) throw badField('name', 'must be given');
    await requirePublic(sipAddresses, principal, 'outbound_sip_proxy', columns.outbound_sip_proxy);
    const owner = await ownerOf(db, principal, fields);
    await requireRoom(db, principal, 'carriers');
    const applicationSid = optionalTextField(fields, 'application_sid', 36);
    if (applicationSid !== null) await requireApplication(db, principal, applicationSid, owner.accountSid);
    const sid = randomUUID();
    await db.transaction(async (tx) => {
      await insertRow(tx, CARRIERS, {
        voip_carrier_sid: sid,
        account_sid: owner.accountSid,
        service_provider_sid: owner.serviceProviderSid,
        application_sid: applicationSid,
        ...columns,
      });
      await requireGood(tx, sid);
    });
    await provisioningChanged('voip_carriers');
    res.status(201).json({ sid });
  };
  const update = async (req: Request, res: Response): Promise<void> => {
    const principal = principalOf(res);
    const sid = pathParam(req, 'sid');
    await requireOwnCarrier(db, principal, sid);
    const fields = bodyOf(req);
    const columns = columnsOf(fields);
    const known = (await findRow(db, CARRIERS, sid))?.outbound_sip_proxy;
    if (columns.outbound_sip_proxy !== known) {
      await requirePublic(sipAddresses, principal, 'outbound_sip_proxy', columns.outbound_sip_proxy);
    }
    await db.transaction(async (tx) => {
      const row = await findRow(tx, CARRIERS, sid);
      if (row === undefined) throw new HttpError(404, `there is no carrier ${sid}`);
      requireSameOwner(fields, row);
      if (fields.application_sid !== undefined) {
        const applicationSid = optionalTextField(fields, 'application_sid', 36);
        if (applicationSid !== null) {
          await requireApplication(db, principal, applicationSid, row.account_sid as string | null);
        }
        columns.application_sid = applicationSid;
      }
      await updateRow(tx, CARRIERS, sid, columns);
      await requireGood(tx, sid);
    });
    await provisioningChanged('voip_carriers');
    res.sendStatus(204);
  };

  router.post('/VoipCarriers', (req, res) => create(req, res));
  router.post('/Accounts/:account_sid/VoipCarriers', async (req, res) => {
    const accountSid = pathParam(req, 'account_sid');
    await requireAccount(db, principalOf(res), accountSid);
    await create(req, res, { account_sid: accountSid });
  });
  router.post('/ServiceProviders/:service_provider_sid/VoipCarriers', async (req, res) => {
    const serviceProviderSid = pathParam(req, 'service_provider_sid');
    await requireServiceProvider(db, principalOf(res), serviceProviderSid);
    await create(req, res, { account_sid: null, service_provider_sid: serviceProviderSid });
  });
  router.put('/VoipCarriers/:sid', update);
  router.delete('/VoipCarriers/:sid', async (req, res) => {
    const sid = pathParam(req, 'sid');
    await requireOwnCarrier(db, principalOf(res), sid);
    await db
      .transaction(async (tx) => {
        await deleteGatewaysOf(tx, sid);
        await deleteRow(tx, CARRIERS, sid);
      })
      .catch((err: unknown) => {
        if (!(err instanceof ForeignKeyError)) throw err;
        throw new HttpError(422, 'the carrier is still used by phone numbers, LCR routes or rate decks');
      });
    await provisioningChanged('voip_carriers');
    res.sendStatus(204);
  });
}
