import { DuplicateKeyError, ForeignKeyError, HttpError } from '@ringwire/common';
import type { Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import { badField, bodyOf, pathParam, queryPage, queryText } from '../http/input.js';
import { requireRoom } from '../rows/row-caps.js';
import { askEnvSchema, checkEnvVars } from './app-env.js';
import { type ApplicationInput, parseApplicationInput } from './application-input.js';
import {
  deleteApplication,
  findApplication,
  insertApplication,
  listApplications,
  updateApplication,
} from './applications-store.js';

type Row = NonNullable<Awaited<ReturnType<typeof findApplication>>>;

const notFound = (sid: string) => new HttpError(404, `there is no application ${sid}`);

/** What the database's refusals mean here. */
function explain(err: unknown): never {
  if (err instanceof DuplicateKeyError)
    throw new HttpError(422, 'name: an application with this name exists in the account');
  if (err instanceof ForeignKeyError) throw new HttpError(422, 'application cannot be deleted: it is in use');
  throw err;
}

/** `/Applications`, `/Accounts/{sid}/Applications`, and `/AppEnv`, the environment that an application wants. */
export function applicationRoutes(router: Router, context: ApiContext): void {
  const { db, encryptionSecret, provisioningChanged, hookAddresses } = context;
  /** Holds the environment against what the application says of it, where it gives one. @throws HttpError 400 */
  const checkEnvironment = async ({ columns, hooks }: ApplicationInput, current?: Row): Promise<void> => {
    const stored = current?.call_hook as { url?: string } | null | undefined;
    const url = hooks.call_hook?.url ?? stored?.url;
    if (typeof columns.env_vars !== 'string' || url === undefined) return;
    // Where the API server may not ask, feature servers may be allowed to: that is told when the hook is asked.
    const { schema } = await askEnvSchema(url, 'call_hook', hookAddresses);
    if (schema) checkEnvVars(JSON.parse(columns.env_vars) as Record<string, unknown>, schema);
  };
  router.get('/AppEnv', async (req, res) => {
    const url = queryText(req, 'url', 1024) ?? '';
    if (!/^(https?|wss?):/i.test(url) || !URL.canParse(url))
      throw badField('url', 'must be an http, https, ws or wss URL');
    const { schema, forbidden } = await askEnvSchema(url, 'url', hookAddresses);
    if (forbidden !== undefined) throw badField('url', forbidden);
    if (schema) res.json(schema);
    else res.status(204).end();
  });
  const list = async (req: Parameters<typeof queryPage>[0], res: import('express').Response, accountSid?: string) => {
    const name = queryText(req, 'name');
    const filter = { ...(accountSid === undefined ? {} : { accountSid }), ...(name === undefined ? {} : { name }) };
    const isPaged = req.query.page !== undefined || req.query.page_size !== undefined;
    const page = isPaged ? queryPage(req, 50) : undefined;
    const { total, data } = await listApplications(db, principalOf(res), filter, encryptionSecret, page);
    res.json(page === undefined ? data : { total, page: page.page, page_size: page.pageSize, data });
  };
  router.get('/Applications', async (req, res) => list(req, res, queryText(req, 'account_sid')));
  router.get('/Accounts/:account_sid/Applications', async (req, res) => {
    const accountSid = pathParam(req, 'account_sid');
    await requireAccount(db, principalOf(res), accountSid);
    await list(req, res, accountSid);
  });
  router.post('/Applications', async (req, res) => {
    const principal = principalOf(res);
    const input = parseApplicationInput(bodyOf(req), { isNew: true });
    const accountSid = input.accountSid ?? (principal.scope === 'account' ? principal.accountSid : undefined);
    if (accountSid === undefined) throw badField('account_sid', 'is required');
    await requireAccount(db, principal, accountSid);
    await requireRoom(db, principal, 'applications');
    await checkEnvironment(input);
    const sid = await insertApplication(db, accountSid, input, encryptionSecret).catch(explain);
    await provisioningChanged('applications');
    res.status(201).json({ sid });
  });
  router.get('/Applications/:sid', async (req, res) => {
    const sid = pathParam(req, 'sid');
    const application = await findApplication(db, principalOf(res), sid, encryptionSecret);
    if (application === undefined) throw notFound(sid);
    res.json(application);
  });
  router.put('/Applications/:sid', async (req, res) => {
    const sid = pathParam(req, 'sid');
    const principal = principalOf(res);
    const input = parseApplicationInput(bodyOf(req), { isNew: false });
    if (input.accountSid !== undefined || input.columns.env_vars !== undefined) {
      const current = await findApplication(db, principal, sid);
      if (current === undefined) throw notFound(sid);
      if (input.accountSid !== undefined && current.account_sid !== input.accountSid)
        throw badField('account_sid', 'cannot be changed');
      await checkEnvironment(input, current);
    }
    if (!(await updateApplication(db, principal, sid, input, encryptionSecret).catch(explain))) throw notFound(sid);
    await provisioningChanged('applications');
    res.status(204).end();
  });
  router.delete('/Applications/:sid', async (req, res) => {
    const sid = pathParam(req, 'sid');
    if (!(await deleteApplication(db, principalOf(res), sid).catch(explain))) throw notFound(sid);
    await provisioningChanged('applications');
    res.status(204).end();
  });
}
