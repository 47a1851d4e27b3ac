import {
  type FraudBlock,
  FraudPolicies,
  FraudPolicy,
  findFraudBlock,
  HttpError,
  liftFraudBlock,
  listFraudBlocks,
  PLATFORM,
  type PolicyAuthor,
  type PolicySource,
  type Redis,
} from '@ringwire/common';
import type { Request, Response, Router } from 'express';
import { serviceProviderOf } from '../accounts/accounts-store.js';
import type { ApiContext } from '../api-server.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import { forbidden } from '../auth/principal.js';
import { requireServiceProvider } from '../auth/require-service-provider.js';
import { bodyOf, pathParam } from '../http/input.js';
import { limitsToJson, policyInput, policyToJson } from './policy-input.js';
import { deletePolicy, findPolicies, setPolicy } from './policy-store.js';

/** About whom a request speaks, and in whose name. */
interface Subject {
  ownerSid: string;
  setBy: PolicyAuthor;
  /** Its account, where it speaks of one. */
  accountSid: string | null;
  serviceProviderSid: string | null;
}

const PATHS = {
  platform: '/FraudPolicy',
  service_provider: '/ServiceProviders/:sid/FraudPolicy',
  account: '/Accounts/:sid/FraudPolicy',
} as const;
type Level = keyof typeof PATHS;

/** A key speaks for whoever holds it: the operator of service providers, these and the operator of accounts, accounts of themselves. */
async function subjectOf({ db }: ApiContext, req: Request, res: Response, level: Level): Promise<Subject> {
  const principal = principalOf(res);
  if (level === 'platform') {
    if (principal.scope !== 'admin') throw forbidden();
    return { ownerSid: PLATFORM, setBy: 'operator', accountSid: null, serviceProviderSid: null };
  }
  const sid = pathParam(req, 'sid');
  if (level === 'service_provider') {
    await requireServiceProvider(db, principal, sid);
    const setBy = principal.scope === 'admin' ? 'operator' : 'service_provider';
    return { ownerSid: sid, setBy, accountSid: null, serviceProviderSid: sid };
  }
  await requireAccount(db, principal, sid);
  const setBy = principal.scope === 'account' ? 'account' : 'service_provider';
  return { ownerSid: sid, setBy, accountSid: sid, serviceProviderSid: await serviceProviderOf(db, sid) };
}

/** Who said what counts, and the limits that follow from all of it. */
async function describe({ db }: ApiContext, { accountSid, serviceProviderSid }: Subject): Promise<object> {
  const owners = [PLATFORM, serviceProviderSid, accountSid].filter((sid) => sid !== null);
  const rows = new FraudPolicies(await findPolicies(db, owners)).layersOf(accountSid ?? '', serviceProviderSid ?? '');
  const wordOf = (author: PolicySource) => {
    const row = rows.find(({ setBy }) => setBy === author);
    return row === undefined ? null : { about: row.ownerSid, ...policyToJson(row) };
  };
  const builtIn = wordOf('built_in');
  return {
    limits: limitsToJson(new FraudPolicy(rows)),
    ...(builtIn === null ? {} : { built_in: builtIn }),
    operator: wordOf('operator'),
    ...(serviceProviderSid === null ? {} : { service_provider: wordOf('service_provider') }),
    ...(accountSid === null ? {} : { account: wordOf('account') }),
  };
}

const blockToJson = ({ accountSid, why, since, until, number }: FraudBlock) => ({
  account_sid: accountSid,
  reason: why,
  number,
  blocked_at: new Date(since).toISOString(),
  expires_at: new Date(until).toISOString(),
});

/** `…/FraudPolicy` of the platform, service providers and accounts, and the blocks that the toll-fraud guard has made. */
export function fraudRoutes(router: Router, context: ApiContext, redis: Redis): void {
  const { db, provisioningChanged } = context;
  const requireRedis = (): void => {
    if (redis.status !== 'ready') throw new HttpError(503, 'blocks are not available: redis is away');
  };
  for (const [level, path] of Object.entries(PATHS) as [Level, string][]) {
    router.get(path, async (req, res) => {
      res.json(await describe(context, await subjectOf(context, req, res, level)));
    });
    router.put(path, async (req, res) => {
      const { ownerSid, setBy } = await subjectOf(context, req, res, level);
      await setPolicy(db, ownerSid, setBy, policyInput(bodyOf(req)));
      await provisioningChanged('fraud_policies');
      res.sendStatus(204);
    });
    router.delete(path, async (req, res) => {
      const { ownerSid, setBy } = await subjectOf(context, req, res, level);
      if (!(await deletePolicy(db, ownerSid, setBy))) throw new HttpError(404, 'there is no such policy');
      await provisioningChanged('fraud_policies');
      res.sendStatus(204);
    });
  }
  router.get('/Accounts/:sid/FraudBlock', async (req, res) => {
    const { ownerSid, serviceProviderSid } = await subjectOf(context, req, res, 'account');
    requireRedis();
    const block = await findFraudBlock(redis, serviceProviderSid ?? '', ownerSid);
    if (block === null) throw new HttpError(404, `account ${ownerSid} is not blocked`);
    res.json(blockToJson(block));
  });
  router.delete('/Accounts/:sid/FraudBlock', async (req, res) => {
    const { ownerSid, serviceProviderSid } = await subjectOf(context, req, res, 'account');
    // Whoever stole an account's key must not lift the block that this led to.
    if (principalOf(res).scope === 'account') throw forbidden();
    requireRedis();
    if (!(await liftFraudBlock(redis, serviceProviderSid ?? '', ownerSid))) {
      throw new HttpError(404, `account ${ownerSid} is not blocked`);
    }
    res.sendStatus(204);
  });
  router.get('/ServiceProviders/:sid/FraudBlocks', async (req, res) => {
    const { ownerSid } = await subjectOf(context, req, res, 'service_provider');
    requireRedis();
    res.json((await listFraudBlocks(redis, ownerSid)).map(blockToJson));
  });
}
