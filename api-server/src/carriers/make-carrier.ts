import { randomUUID } from 'node:crypto';
import { decryptSecret, HttpError, type Queryable, type Secret } from '@ringwire/common';
import { parseVoipCarrier } from '@ringwire/common/provisioning/parse-carriers.js';
import { isHostPort } from '@ringwire/common/sip/host-port.js';
import { splitUri } from '@ringwire/common/sip/uri.js';
import type { ApiContext } from '../api-server.js';
import type { Principal } from '../auth/principal.js';
import { badField, type Fields, optionalTextField } from '../http/input.js';
import { readColumns, requireUsable } from '../rows/columns-input.js';
import { requireRoom } from '../rows/row-caps.js';
import { type Columns, findRow, insertRow, type Row, type Table } from '../rows/rows-store.js';
import { CARRIER_COLUMNS, CARRIER_READ_ONLY } from './carrier-columns.js';
import { ownerOf, requireApplication } from './carrier-owner.js';
import { requirePublic } from './require-public.js';
import { insertSipGateway } from './sip-gateway-rules.js';

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
  const { outbound_sip_proxy: proxy, tech_prefix: techPrefix } = row;
  if (proxy && !isHostPort(String(proxy)) && !/^sips?$/.test(splitUri(String(proxy))?.scheme ?? '')) {
    throw badField('outbound_sip_proxy', 'must be a SIP URI, or a host with or without a port');
  }
  if (techPrefix && !/^[\w*#+.-]+$/.test(String(techPrefix))) {
    throw badField('tech_prefix', 'must be digits, letters, *, #, +, . and -: it becomes part of the number');
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

/** The columns of a carrier that a request names, checked one by one. @throws HttpError 400 */
export const carrierColumnsOf = (fields: Fields, secret: Secret): Columns =>
  readColumns(fields, CARRIER_COLUMNS, { ignored: [...CARRIER_READ_ONLY, ...OWNER], secret });

/** Checks a stored carrier as a whole, by the rules by which the edges read it. @throws HttpError 400, 404, 422 */
export async function requireGoodCarrier(tx: Queryable, sid: string, secret: Secret): Promise<void> {
  const row = await findRow(tx, CARRIERS, sid);
  if (row === undefined) throw new HttpError(404, `there is no carrier ${sid}`);
  requireComplete(row);
  await requireSmppLogin(tx, row);
  requireUsable(CARRIERS, row, (raw) => parseVoipCarrier(raw, (stored) => decryptSecret(stored, secret)));
}

/**
 * Makes a carrier, with gateways where it comes with any; all of it or nothing.
 *
 * @param nameFor - chooses the name among those that its owner's carriers have. @defaultValue the one that is given
 * @returns its sid
 * @throws HttpError 400, 403, 422
 */
export async function makeCarrier(
  { db, encryptionSecret, sipAddresses }: ApiContext,
  principal: Principal,
  fields: Fields,
  gateways: readonly Columns[] = [],
  nameFor?: (taken: ReadonlySet<string>) => string,
): Promise<string> {
  const columns = carrierColumnsOf(fields, encryptionSecret);
  if (columns.name === undefined) throw badField('name', 'must be given');
  await requirePublic(sipAddresses, principal, 'outbound_sip_proxy', columns.outbound_sip_proxy);
  for (const { ipv4 } of gateways) await requirePublic(sipAddresses, principal, 'outbound_host', ipv4);
  const owner = await ownerOf(db, principal, fields);
  await requireRoom(db, principal, 'carriers');
  if (gateways.length > 0) await requireRoom(db, principal, 'gateways', gateways.length);
  const applicationSid = optionalTextField(fields, 'application_sid', 36);
  if (applicationSid !== null) await requireApplication(db, principal, applicationSid, owner.accountSid);
  if (nameFor !== undefined) {
    const rows = await db.query<{ name: string }>(
      'SELECT name FROM voip_carriers WHERE account_sid <=> ? AND service_provider_sid = ?',
      [owner.accountSid, owner.serviceProviderSid],
    );
    columns.name = nameFor(new Set(rows.map(({ name }) => name.toLowerCase())));
  }
  const sid = randomUUID();
  await db.transaction(async (tx) => {
    await insertRow(tx, CARRIERS, {
      voip_carrier_sid: sid,
      account_sid: owner.accountSid,
      service_provider_sid: owner.serviceProviderSid,
      application_sid: applicationSid,
      ...columns,
    });
    await requireGoodCarrier(tx, sid, encryptionSecret);
    for (const gateway of gateways) await insertSipGateway(tx, principal, sid, gateway);
  });
  return sid;
}
