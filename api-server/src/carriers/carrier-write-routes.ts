import { ForeignKeyError, HttpError } from '@ringwire/common';
import type { Request, Response, Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import { requireServiceProvider } from '../auth/require-service-provider.js';
import { bodyOf, type Fields, optionalTextField, pathParam } from '../http/input.js';
import { requireNoSay } from '../phone-numbers/shared-addresses.js';
import { deleteRow, findRow, updateRow } from '../rows/rows-store.js';
import { deleteGatewaysOf } from './carrier-gateways-store.js';
import { requireApplication, requireOwnCarrier, requireSameOwner } from './carrier-owner.js';
import { CARRIERS, carrierColumnsOf, makeCarrier, requireGoodCarrier } from './make-carrier.js';
import { requirePublic } from './require-public.js';

/** `POST`, `PUT` and `DELETE /VoipCarriers`, and the same below accounts and service providers. */
export function carrierWriteRoutes(router: Router, context: ApiContext): void {
  const { db, encryptionSecret, sipAddresses, provisioningChanged } = context;
  const create = async (req: Request, res: Response, named: Fields = {}): Promise<void> => {
    const sid = await makeCarrier(context, principalOf(res), { ...bodyOf(req), ...named });
    await provisioningChanged('voip_carriers');
    res.status(201).json({ sid });
  };
  const update = async (req: Request, res: Response): Promise<void> => {
    const principal = principalOf(res);
    const sid = pathParam(req, 'sid');
    await requireOwnCarrier(db, principal, sid);
    const fields = bodyOf(req);
    const columns = carrierColumnsOf(fields, encryptionSecret);
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
      await requireNoSay(tx, principal, sid, row, columns);
      await updateRow(tx, CARRIERS, sid, columns);
      await requireGoodCarrier(tx, sid, encryptionSecret);
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
  for (const [owners, column] of [
    ['Accounts', 'account_sid'],
    ['ServiceProviders', 'service_provider_sid'],
  ] as const) {
    router.put(`/${owners}/:owner_sid/VoipCarriers/:sid`, async (req, res) => {
      const sid = pathParam(req, 'sid');
      const row = await findRow(db, CARRIERS, sid);
      if (row === undefined || row[column] !== pathParam(req, 'owner_sid')) {
        throw new HttpError(404, `there is no carrier ${sid}`);
      }
      await update(req, res);
    });
  }
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
