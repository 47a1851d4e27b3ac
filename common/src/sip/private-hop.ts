import { isIP } from 'node:net';
import type { AddressGuard } from '../http/address-guard.js';
import { withinDeadline } from '../redis/within-deadline.js';
import { type DnsQueries, findAddresses } from './addresses-of.js';
import { splitUri, unescaped } from './uri.js';

/** A name that takes longer may be one that is made to: its addresses would not have been looked at. */
const RESOLVE_DEADLINE_MS = 3_000;

/**
 * Why nobody may judge a SIP URI by its host, for people; null when it is sent there: `maddr` names another (RFC 3261 §19.1.1), and of a URI with two `@`, which
 * none may have, SIP servers take different parts for the host.
 */
export function hiddenHop(uri: string): string | null {
  if (/;\s*maddr\s*(?:[=;?]|$)/i.test(unescaped(uri) ?? uri)) return 'it has a maddr parameter';
  return uri.indexOf('@') === uri.lastIndexOf('@') ? null : 'it has more than one @';
}

/**
 * Why an account may not have SIP sent there, for people; null when it may. Names are judged by all addresses that they have now (NAPTR, SRV of every
 * transport, A, AAAA); the SIP server resolves them once more. A name without any passes: who sends finds that out.
 *
 * @param uri - a SIP URI that can be read, with its transport
 * @param dns - who answers besides the system
 */
export async function privateHop(uri: string, guard: AddressGuard, dns?: DnsQueries): Promise<string | null> {
  const hop = splitUri(uri);
  if (hop === null || hop.host === '' || guard.allowsAll) return null;
  const hidden = hiddenHop(uri);
  if (hidden !== null) return hidden;
  if (isIP(hop.host)) return guard.allows(hop.host) ? null : `${hop.host} is a private address`;
  const found = await withinDeadline(findAddresses(uri, dns), RESOLVE_DEADLINE_MS, () => {});
  if (found === undefined) return `${hop.host} cannot be resolved in time`;
  const bad = found.addresses.find((address) => !guard.allows(address));
  if (bad !== undefined) return `${hop.host} has the private address ${bad}`;
  return found.isCut ? `${hop.host} has more addresses than can be looked at` : null;
}
