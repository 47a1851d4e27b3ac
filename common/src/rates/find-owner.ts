import type { Queryable } from '../db/database.js';
import { RingwireError } from '../errors.js';
import type { DeckOwner } from './rates-store.js';

/** No account or carrier goes by that name, or several do. */
export class OwnerNotFoundError extends RingwireError {
  readonly code = 'rates/owner-not-found';
}

interface Named {
  sid: string;
  account_sid: string | null;
  service_provider_sid: string | null;
}

function only(rows: Named[], what: string, name: string): Named {
  const [first, second] = rows;
  if (first === undefined) throw new OwnerNotFoundError(`there is no ${what} "${name}"`, { [what]: name });
  if (second !== undefined)
    throw new OwnerNotFoundError(`there are several of the name "${name}": name the ${what} by its sid`, {
      [what]: name,
    });
  return first;
}

/**
 * Whose deck it is, from names or sids as a person gives them: the carrier must be one that the account may call over.
 *
 * @throws {@link OwnerNotFoundError}
 */
export async function findOwner(
  db: Queryable,
  names: {
    account?: string;
    carrier: string;
    /** Narrows shared carriers down to those of one service provider; without it and without an account, a name that two of them have is refused. */
    serviceProviderSid?: string;
  },
): Promise<DeckOwner> {
  const { account: accountName, carrier: carrierName, serviceProviderSid } = names;
  if (accountName === undefined) {
    const shared = await db.query<Named>(
      `SELECT voip_carrier_sid AS sid, account_sid, service_provider_sid FROM voip_carriers
       WHERE account_sid IS NULL AND service_provider_sid IS NOT NULL AND (voip_carrier_sid = ? OR name = ?)
         ${serviceProviderSid === undefined ? '' : 'AND service_provider_sid = ?'}`,
      [carrierName, carrierName, ...(serviceProviderSid === undefined ? [] : [serviceProviderSid])],
    );
    const carrier = only(shared, 'carrier shared by a service provider', carrierName);
    return { accountSid: null, serviceProviderSid: carrier.service_provider_sid ?? '', voipCarrierSid: carrier.sid };
  }
  const accounts = await db.query<Named>(
    'SELECT account_sid AS sid, account_sid, service_provider_sid FROM accounts WHERE account_sid = ? OR name = ?',
    [accountName, accountName],
  );
  const account = only(accounts, 'account', accountName);
  const carriers = await db.query<Named>(
    `SELECT voip_carrier_sid AS sid, account_sid, service_provider_sid FROM voip_carriers
     WHERE (account_sid = ? OR (account_sid IS NULL AND service_provider_sid = ?)) AND (voip_carrier_sid = ? OR name = ?)`,
    [account.sid, account.service_provider_sid, carrierName, carrierName],
  );
  const carrier = only(carriers, 'carrier of the account', carrierName);
  return {
    accountSid: account.sid,
    serviceProviderSid: account.service_provider_sid ?? '',
    voipCarrierSid: carrier.sid,
  };
}
