import { type Database, HttpError } from '@ringwire/common';
import { serviceProviderOf } from '../accounts/accounts-store.js';
import { findApplication } from '../applications/applications-store.js';
import { requireAccount } from '../auth/authenticate.js';
import { forbidden, type Principal } from '../auth/principal.js';
import { requireServiceProvider } from '../auth/require-service-provider.js';
import { badField, type Fields, optionalTextField } from '../http/input.js';
import { ownsCarrier } from '../messaging-gateways/messaging-gateways-store.js';
import { listCarriers } from './carriers-store.js';

/** Whose something is: an account's, or with null its service provider's, for all its accounts. */
export interface Owner {
  accountSid: string | null;
  serviceProviderSid: string;
}

/**
 * The owner that a request names, or whose key it carries. An account's key makes things for that account only.
 *
 * @throws HttpError 403 for somebody else's, 400 when it is not clear whose it is to be
 */
export async function ownerOf(db: Database, principal: Principal, fields: Fields): Promise<Owner> {
  const named = optionalTextField(fields, 'account_sid', 36);
  const accountSid = named ?? (principal.scope === 'account' ? principal.accountSid : null);
  const serviceProvider = optionalTextField(fields, 'service_provider_sid', 36);
  if (accountSid !== null) {
    await requireAccount(db, principal, accountSid);
    const serviceProviderSid = (await serviceProviderOf(db, accountSid)) ?? '';
    if (serviceProvider !== null && serviceProvider !== serviceProviderSid) {
      throw badField('service_provider_sid', 'must be that of the account');
    }
    return { accountSid, serviceProviderSid };
  }
  const own = principal.scope === 'service_provider' ? principal.serviceProviderSid : null;
  const serviceProviderSid = serviceProvider ?? own;
  if (serviceProviderSid === null) throw badField('account_sid', 'or service_provider_sid must say whose it is');
  await requireServiceProvider(db, principal, serviceProviderSid);
  return { accountSid: null, serviceProviderSid };
}

/** Refuses to move something to another owner. @throws HttpError 400 */
export function requireSameOwner(fields: Fields, row: Readonly<Record<string, unknown>>): void {
  for (const field of ['account_sid', 'service_provider_sid']) {
    if (fields[field] !== undefined && fields[field] !== row[field]) throw badField(field, 'cannot be changed');
  }
}

/** A carrier that the principal may change. @throws HttpError 404 for one that it does not see, 403 for one that is shared with it */
export async function requireOwnCarrier(db: Database, principal: Principal, sid: string): Promise<void> {
  if (await ownsCarrier(db, principal, sid)) return;
  const { total } = await listCarriers(db, principal, { sid });
  throw total > 0 ? forbidden() : new HttpError(404, `there is no carrier ${sid}`);
}

/** Checks that an application may take the calls of a carrier. @throws HttpError 400 */
export async function requireApplication(
  db: Database,
  principal: Principal,
  sid: string,
  accountSid: string | null,
): Promise<void> {
  const application = await findApplication(db, principal, sid);
  if (application === undefined) throw badField('application_sid', `there is no application ${sid}`);
  if (accountSid !== null && application.account_sid !== null && application.account_sid !== accountSid) {
    throw badField('application_sid', "must be an application of the carrier's account");
  }
}
