import { isIPv6 } from 'node:net';
import { HttpError } from '@ringwire/common';
import type { AddressGuard } from '@ringwire/common/http/address-guard.js';
import { privateHop } from '@ringwire/common/sip/private-hop.js';
import type { Principal } from '../auth/principal.js';

/**
 * Keeps an account from having SIP sent into the operator's own network; other keys may. What is no address is not judged here.
 *
 * @param place - address, host name, `host:port` or SIP URI
 * @throws HttpError 403 that names the field
 */
export async function requirePublic(
  addresses: AddressGuard,
  principal: Principal,
  field: string,
  place: unknown,
): Promise<void> {
  if (principal.scope !== 'account' || typeof place !== 'string' || place === '') return;
  const uri = /^sips?:/i.test(place) ? place : `sip:${isIPv6(place) ? `[${place}]` : place}`;
  const why = await privateHop(uri, addresses);
  if (why !== null) throw new HttpError(403, `${field}: ${why}`, { field });
}
