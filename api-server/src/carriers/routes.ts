import { HttpError, type Redis } from '@ringwire/common';
import type { Request, Response, Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import { requireServiceProvider } from '../auth/require-service-provider.js';
import { pathParam, queryPage, queryText } from '../http/input.js';
import { gatewaySidsOf } from '../trunks/gateways-store.js';
import { withRegisterStatus } from '../trunks/register-status.js';
import { listCarriers } from './carriers-store.js';

/** `/VoipCarriers`, and the same below accounts and service providers, read-only. */
export function carrierRoutes(router: Router, { db }: ApiContext, redis: Redis): void {
  const shown = (rows: Record<string, unknown>[]) => withRegisterStatus(redis, rows, (sids) => gatewaySidsOf(db, sids));
  const list = async (req: Request, res: Response, accountSid?: string, serviceProviderSid?: string) => {
    const name = queryText(req, 'name');
    const filter = {
      ...(accountSid === undefined ? {} : { accountSid }),
      ...(serviceProviderSid === undefined ? {} : { serviceProviderSid }),
      ...(name === undefined ? {} : { name }),
    };
    const isPaged = req.query.page !== undefined || req.query.page_size !== undefined;
    const page = isPaged ? queryPage(req, 25) : undefined;
    const { total, data: rows } = await listCarriers(db, principalOf(res), filter, page);
    const data = await shown(rows);
    res.json(page === undefined ? data : { total, page: page.page, page_size: page.pageSize, data });
  };
  router.get('/VoipCarriers', (req, res) => list(req, res, queryText(req, 'account_sid')));
  router.get('/Accounts/:account_sid/VoipCarriers', async (req, res) => {
    const accountSid = pathParam(req, 'account_sid');
    await requireAccount(db, principalOf(res), accountSid);
    await list(req, res, accountSid);
  });
  router.get('/ServiceProviders/:service_provider_sid/VoipCarriers', async (req, res) => {
    const sid = pathParam(req, 'service_provider_sid');
    await requireServiceProvider(db, principalOf(res), sid);
    await list(req, res, queryText(req, 'account_sid'), sid);
  });
  router.get('/VoipCarriers/:sid', async (req, res) => {
    const sid = pathParam(req, 'sid');
    const { data } = await listCarriers(db, principalOf(res), { sid });
    if (data[0] === undefined) throw new HttpError(404, `there is no carrier ${sid}`);
    res.json((await shown(data))[0]);
  });
}
