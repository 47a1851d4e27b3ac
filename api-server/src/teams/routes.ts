import { DuplicateKeyError, HttpError } from '@ringwire/common';
import type { Router } from 'express';
import { serviceProviderOf } from '../accounts/accounts-store.js';
import type { ApiContext } from '../api-server.js';
import { findApplication } from '../applications/applications-store.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import type { Principal } from '../auth/principal.js';
import {
  badField,
  bodyOf,
  type Fields,
  optionalTextField,
  pathParam,
  rejectUnknown,
  textField,
} from '../http/input.js';
import {
  deleteTeamsTenant,
  findTeamsTenant,
  insertTeamsTenant,
  listTeamsTenants,
  type TeamsTenantRow,
  updateTeamsTenant,
} from './teams-tenants-store.js';

const FIELDS = ['ms_teams_tenant_sid', 'service_provider_sid', 'account_sid', 'application_sid', 'tenant_fqdn'];

/** The domain by which Teams knows us for a tenant, in lower case. */
function fqdnOf(fields: Fields): string {
  const fqdn = textField(fields, 'tenant_fqdn', 255).trim().toLowerCase();
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(fqdn)) throw badField('tenant_fqdn', 'must be a domain name');
  return fqdn;
}

/**
 * Checks that the principal may say which domains are ours at Teams: calls to a domain go to its tenant, and nobody proves here that it is his.
 *
 * @throws HttpError 403 for an account's key
 */
function requireDomains(principal: Principal): void {
  if (principal.scope !== 'account') return;
  throw new HttpError(403, 'tenant_fqdn: is set with a key of the service provider or the operator', {
    field: 'tenant_fqdn',
  });
}

/** `/MicrosoftTeamsTenants`: domains by which Microsoft Teams knows us, each of an account with the application of its calls. */
export function teamsTenantRoutes(router: Router, { db, provisioningChanged }: ApiContext): void {
  const PATH = '/MicrosoftTeamsTenants';

  /** The tenant's application, which must be its account's. */
  const applicationOf = async (principal: Principal, fields: Fields, accountSid: string): Promise<string | null> => {
    const sid = optionalTextField(fields, 'application_sid', 36);
    if (sid === null) return null;
    const application = await findApplication(db, principal, sid);
    if (application?.account_sid !== accountSid) {
      throw badField('application_sid', "must be an application of the tenant's account");
    }
    return sid;
  };
  const found = async (principal: Principal, sid: string): Promise<TeamsTenantRow> => {
    const row = await findTeamsTenant(db, principal, sid);
    if (!row) throw new HttpError(404, `there is no Microsoft Teams tenant ${sid}`);
    return row;
  };
  const unlessTaken = <T>(work: Promise<T>): Promise<T> =>
    work.catch((err: unknown) => {
      if (err instanceof DuplicateKeyError) throw new HttpError(422, 'tenant_fqdn: there is a tenant with this domain');
      throw err;
    });

  router.get(PATH, async (_req, res) => {
    res.json(await listTeamsTenants(db, principalOf(res)));
  });
  router.get(`${PATH}/:sid`, async (req, res) => {
    res.json(await found(principalOf(res), pathParam(req, 'sid')));
  });
  router.post(PATH, async (req, res) => {
    const principal = principalOf(res);
    const fields = bodyOf(req);
    rejectUnknown(fields, FIELDS);
    requireDomains(principal);
    const accountSid = optionalTextField(fields, 'account_sid', 36);
    if (accountSid === null) throw badField('account_sid', 'is required');
    await requireAccount(db, principal, accountSid);
    const sid = await unlessTaken(
      insertTeamsTenant(db, {
        service_provider_sid: (await serviceProviderOf(db, accountSid)) ?? '',
        account_sid: accountSid,
        application_sid: await applicationOf(principal, fields, accountSid),
        tenant_fqdn: fqdnOf(fields),
      }),
    );
    await provisioningChanged('ms_teams_tenants');
    res.status(201).json({ sid });
  });
  router.put(`${PATH}/:sid`, async (req, res) => {
    const principal = principalOf(res);
    const row = await found(principal, pathParam(req, 'sid'));
    const fields = bodyOf(req);
    rejectUnknown(fields, FIELDS);
    if (fields.account_sid !== undefined && fields.account_sid !== row.account_sid) {
      throw badField('account_sid', 'cannot be changed: make another tenant');
    }
    if (fields.application_sid !== undefined) {
      row.application_sid = await applicationOf(principal, fields, row.account_sid);
    }
    if (fields.tenant_fqdn !== undefined) {
      const fqdn = fqdnOf(fields);
      if (fqdn !== row.tenant_fqdn) requireDomains(principal);
      row.tenant_fqdn = fqdn;
    }
    await unlessTaken(updateTeamsTenant(db, row));
    await provisioningChanged('ms_teams_tenants');
    res.sendStatus(204);
  });
  router.delete(`${PATH}/:sid`, async (req, res) => {
    const row = await found(principalOf(res), pathParam(req, 'sid'));
    await deleteTeamsTenant(db, row.ms_teams_tenant_sid);
    await provisioningChanged('ms_teams_tenants');
    res.sendStatus(204);
  });
}
