import { randomBytes, randomUUID } from 'node:crypto';
import { DuplicateKeyError, decryptSecret, encryptSecret, HttpError, type SqlValue } from '@ringwire/common';
import type { Response, Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { PASSWORD_MASK } from '../applications/application-input.js';
import { principalOf } from '../auth/authenticate.js';
import {
  badField,
  bodyOf,
  type Fields,
  optionalTextField,
  pathParam,
  queryText,
  rejectUnknown,
  textField,
} from '../http/input.js';
import { type CappedRows, requireRoom } from '../rows/row-caps.js';
import { httpColumns, integerField, requireWebhookSecret, smppColumns } from './gateway-input.js';
import {
  deleteGateway,
  type GatewayTable,
  HTTP_GATEWAYS,
  insertGateway,
  listGateways,
  ownsCarrier,
  SMPP_GATEWAYS,
  setSmppLogin,
  updateGateway,
} from './messaging-gateways-store.js';

/** A kind of gateway with what is its own. */
interface Kind {
  path: string;
  table: GatewayTable;
  capped: CappedRows;
  required: readonly string[];
  columns: (fields: Fields, row?: Record<string, unknown>) => Record<string, SqlValue>;
  /** Columns that are made, not given. */
  made: () => Record<string, SqlValue>;
}

/**
 * `/SmppGateways` and `/HttpMessageGateways`: where carriers take text messages, and `PUT /VoipCarriers/{sid}/SmppLogin`. Each is seen and
 * changed by the owner of the carrier. The token of an HTTP gateway is part of the URL that its vendor posts to.
 */
export function messagingGatewayRoutes(router: Router, context: ApiContext): void {
  const { db, encryptionSecret, provisioningChanged } = context;
  const requireCarrier = async (res: Response, sid: string): Promise<void> => {
    if (!(await ownsCarrier(db, principalOf(res), sid))) throw new HttpError(404, `there is no carrier ${sid}`);
  };
  const sealed = (columns: Record<string, SqlValue>): Record<string, SqlValue> => {
    const stored: Record<string, SqlValue> = {};
    for (const [name, value] of Object.entries(columns)) {
      const isSecret = name === 'password' || name === 'webhook_secret';
      // What is read back and sent again leaves the secret as it is.
      if (isSecret && value === PASSWORD_MASK) continue;
      stored[name] = isSecret && value !== null ? encryptSecret(String(value), encryptionSecret) : (value ?? null);
    }
    return stored;
  };
  const kinds: Kind[] = [
    {
      path: '/SmppGateways',
      table: SMPP_GATEWAYS,
      capped: 'SMPP gateways',
      required: ['ipv4'],
      columns: smppColumns,
      made: () => ({}),
    },
    {
      path: '/HttpMessageGateways',
      table: HTTP_GATEWAYS,
      capped: 'HTTP gateways',
      required: ['vendor'],
      columns: (fields, row) => {
        const given = httpColumns(fields);
        const isKept = given.webhook_secret === undefined || given.webhook_secret === PASSWORD_MASK;
        const isNewVendor = given.vendor !== undefined && given.vendor !== row?.vendor;
        if (isKept && isNewVendor && row?.webhook_secret != null) {
          throw badField('webhook_secret', 'must be given with another vendor');
        }
        if (!isKept) requireWebhookSecret(given.vendor ?? row?.vendor, given.webhook_secret);
        return sealed(given);
      },
      made: () => ({ inbound_token: encryptSecret(randomBytes(24).toString('base64url'), encryptionSecret) }),
    },
  ];
  const shown = (row: Record<string, unknown>): Record<string, unknown> => {
    if (row.inbound_token === undefined) return row;
    const { inbound_token: token, ...rest } = row;
    const path = `/v1/messaging/${row.voip_carrier_sid}/${decryptSecret(String(token), encryptionSecret)}`;
    return { ...rest, webhook_path: path };
  };

  for (const { path, table, capped, required, columns, made } of kinds) {
    const find = async (res: Response, sid: string): Promise<Record<string, unknown>> => {
      const [row] = await listGateways(db, principalOf(res), table, { sid });
      if (row === undefined) throw new HttpError(404, `there is no gateway ${sid}`);
      return row;
    };
    router.get(path, async (req, res) => {
      const carrierSid = queryText(req, 'voip_carrier_sid');
      const rows = await listGateways(db, principalOf(res), table, carrierSid === undefined ? {} : { carrierSid });
      res.json(rows.map(shown));
    });
    router.post(path, async (req, res) => {
      const fields = bodyOf(req);
      const carrierSid = textField(fields, 'voip_carrier_sid', 36);
      for (const name of required) if (fields[name] === undefined) throw badField(name, 'must be given');
      const given = columns(fields);
      await requireCarrier(res, carrierSid);
      await requireRoom(db, principalOf(res), capped);
      const sid = randomUUID();
      const row = { [table.sidColumn]: sid, voip_carrier_sid: carrierSid, ...given, ...made() };
      await insertGateway(db, table, row).catch((err: unknown) => {
        throw err instanceof DuplicateKeyError ? new HttpError(422, 'the carrier has an HTTP gateway already') : err;
      });
      await provisioningChanged(table.table);
      res.status(201).json({ sid });
    });
    router.get(`${path}/:sid`, async (req, res) => void res.json(shown(await find(res, pathParam(req, 'sid')))));
    router.put(`${path}/:sid`, async (req, res) => {
      const sid = pathParam(req, 'sid');
      const row = await find(res, sid);
      const fields = bodyOf(req);
      if (fields.voip_carrier_sid !== undefined && fields.voip_carrier_sid !== row.voip_carrier_sid) {
        throw badField('voip_carrier_sid', 'cannot be changed');
      }
      await updateGateway(db, table, sid, columns(fields, row));
      await provisioningChanged(table.table);
      res.sendStatus(204);
    });
    router.delete(`${path}/:sid`, async (req, res) => {
      const sid = pathParam(req, 'sid');
      await find(res, sid);
      await deleteGateway(db, table, sid);
      await provisioningChanged(table.table);
      res.sendStatus(204);
    });
  }

  router.put('/VoipCarriers/:sid/SmppLogin', async (req, res) => {
    const sid = pathParam(req, 'sid');
    const fields = bodyOf(req);
    rejectUnknown(fields, ['smpp_system_id', 'smpp_password', 'smpp_enquire_link_interval']);
    const systemId = optionalTextField(fields, 'smpp_system_id', 15);
    // Both are C strings of PDUs (SMPP 3.4 §4.1.1).
    const password = fields.smpp_password === undefined ? undefined : optionalTextField(fields, 'smpp_password', 8);
    for (const [name, value] of [
      ['smpp_system_id', systemId],
      ['smpp_password', password],
    ] as const) {
      if (value != null && !/^[\x20-\x7e]+$/.test(value)) throw badField(name, 'must be ASCII');
    }
    const enquireLinkSec =
      fields.smpp_enquire_link_interval === undefined
        ? 0
        : integerField(fields, 'smpp_enquire_link_interval', 0, 86_400);
    await requireCarrier(res, sid);
    await setSmppLogin(
      db,
      sid,
      { systemId, password: password === PASSWORD_MASK ? undefined : password, enquireLinkSec },
      encryptionSecret,
    );
    await provisioningChanged('voip_carriers');
    res.sendStatus(204);
  });
}
