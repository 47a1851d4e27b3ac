import { HttpError, type LimitScope } from '@ringwire/common';
import type { Request, Response, Router } from 'express';
import { serviceProviderOf } from '../accounts/accounts-store.js';
import type { ApiContext } from '../api-server.js';
import { findApplication } from '../applications/applications-store.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import { forbidden } from '../auth/principal.js';
import { badField, bodyOf, pathParam, queryWord, rejectUnknown } from '../http/input.js';
import { deleteLimits, LIMIT_CATEGORIES, type LimitOwner, listLimits, setLimit } from './limits-store.js';

const PATHS: Record<LimitScope, string> = {
  account: '/Accounts/:sid/Limits',
  application: '/Applications/:sid/Limits',
  service_provider: '/ServiceProviders/:sid/Limits',
};

/**
 * Whose limits a request is about. Everybody sees their own; those of an account are set by its service provider, those of a service
 * provider by the operator, since a limit that one may lift oneself is none. (jambonz lets accounts set their own.)
 */
async function ownerOf(
  { db }: ApiContext,
  req: Request,
  res: Response,
  scope: LimitScope,
  isChange: boolean,
): Promise<LimitOwner> {
  const sid = pathParam(req, 'sid');
  const principal = principalOf(res);
  switch (scope) {
    case 'account':
      await requireAccount(db, principal, sid);
      if (isChange && principal.scope === 'account') throw forbidden();
      break;
    case 'application':
      if ((await findApplication(db, principal, sid)) === undefined) {
        throw new HttpError(404, `there is no application ${sid}`);
      }
      break;
    case 'service_provider': {
      if (principal.scope !== 'admin') {
        if (isChange || principal.scope === 'account' || principal.serviceProviderSid !== sid) throw forbidden();
        break;
      }
      const found = await db.query('SELECT 1 FROM service_providers WHERE service_provider_sid = ?', [sid]);
      if (found.length === 0) throw new HttpError(404, `there is no service provider ${sid}`);
    }
  }
  return { scope, sid };
}

/** `…/Limits` of accounts, applications and service providers, and `/Accounts/{sid}/CallCount`. */
export function limitRoutes(router: Router, context: ApiContext): void {
  const { db, provisioningChanged } = context;
  for (const [scope, path] of Object.entries(PATHS) as [LimitScope, string][]) {
    router.get(path, async (req, res) => {
      const owner = await ownerOf(context, req, res, scope, false);
      res.json(await listLimits(db, owner, queryWord(req, 'category', LIMIT_CATEGORIES)));
    });
    router.post(path, async (req, res) => {
      const owner = await ownerOf(context, req, res, scope, true);
      const fields = bodyOf(req);
      rejectUnknown(fields, ['category', 'quantity']);
      const category = LIMIT_CATEGORIES.find((word) => word === fields.category);
      if (category === undefined) throw badField('category', `must be one of ${LIMIT_CATEGORIES.join(', ')}`);
      const { quantity } = fields;
      if (typeof quantity !== 'number' || !Number.isInteger(quantity) || quantity < 0 || quantity > 1_000_000_000) {
        throw badField('quantity', 'must be a whole number from 0 to 1000000000');
      }
      const sid = await setLimit(db, owner, category, quantity);
      await provisioningChanged(`${scope}_limits`);
      res.status(201).json({ sid });
    });
    router.delete(path, async (req, res) => {
      const owner = await ownerOf(context, req, res, scope, true);
      await deleteLimits(db, owner, queryWord(req, 'category', LIMIT_CATEGORIES));
      await provisioningChanged(`${scope}_limits`);
      res.sendStatus(204);
    });
  }
  router.get('/Accounts/:account_sid/CallCount', async (req, res) => {
    const accountSid = pathParam(req, 'account_sid');
    await requireAccount(db, principalOf(res), accountSid);
    const serviceProviderSid = await serviceProviderOf(db, accountSid);
    res.json(await context.countCalls(serviceProviderSid ?? '', accountSid));
  });
}
