import { isIP } from 'node:net';
import type { AddressGuard } from '../http/address-guard.js';
import { withinDeadline } from '../redis/within-deadline.js';
import { addressesOf } from './addresses-of.js';
import { splitUri } from './uri.js';

/** A name that takes longer may be one that is made to: its addresses would not have been looked at. */
const RESOLVE_DEADLINE_MS = 3_000;

/**
 * Why an account may not have SIP sent there, for people; null when it may. Names are judged by all addresses that they have now (SRV, A, AAAA); the
 * SIP server resolves them once more. A name without any passes: who sends finds that out.
 *
 * @param uri - a SIP URI that can be read, with its transport
 */
export async function privateHop(uri: string, guard: AddressGuard): Promise<string | null> {
  const hop = splitUri(uri);
  if (hop === null || hop.host === '' || guard.allowsAll) return null;
  if (isIP(hop.host)) return guard.allows(hop.host) ? null : `${hop.host} is a private address`;
  const found = await withinDeadline(addressesOf(uri), RESOLVE_DEADLINE_MS, () => {});
  if (found === undefined) return `${hop.host} cannot be resolved in time`;
  const bad = found.find((address) => !guard.allows(address));
  return bad === undefined ? null : `${hop.host} has the private address ${bad}`;
}
