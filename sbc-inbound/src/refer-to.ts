import type { ProvisioningSnapshot, VoipCarrier } from '@ringwire/common';
import type { SipRequest } from '@ringwire/common/sip/stack.js';
import { isIpv4, splitUri } from '@ringwire/common/sip/uri.js';

const hostPort = (host: string, port: number | null): string => `${host}${port === null ? '' : `:${port}`}`;

/**
 * Where a caller is told to call when an application transfers him (compat 6.1.5). An application knows numbers, and its own server
 * by address: an IPv4 host becomes the carrier's gateway where that has a name, else the address that the caller called from. A user
 * calls the realm of his account.
 */
export function referToOf(
  uri: string,
  caller: Pick<SipRequest, 'source_address' | 'source_port'>,
  by: VoipCarrier | { realm: string | null },
  snapshot: Pick<ProvisioningSnapshot, 'gatewaysByCarrierSid'>,
): string {
  const parts = splitUri(uri);
  if (!parts || parts.user === null || !isIpv4(parts.host)) return uri;
  const carrier = 'realm' in by ? null : by;
  const gateways = snapshot.gatewaysByCarrierSid.get(carrier?.voipCarrierSid ?? '') ?? [];
  const named = gateways.find(({ isActive, outbound, address }) => isActive && outbound && !/^[\d.]+$|:/.test(address));
  const plus = named && carrier?.e164LeadingPlus && /^[1-9]\d+$/.test(parts.user) ? '+' : '';
  const host = named
    ? hostPort(named.address, named.port)
    : (('realm' in by ? by.realm : null) ?? hostPort(caller.source_address, caller.source_port || null));
  return uri.replace(
    /^(sips?:)([^@]*)@[^;?]*/i,
    (_all, scheme: string, user: string) => `${scheme}${plus}${user}@${host}`,
  );
}
