import { isIPv6 } from 'node:net';
import type { SipGateway, VoipCarrier } from '@ringwire/common';
import type { DigestCredentials } from '@ringwire/common/sip/digest-client.js';
import { isHostPort } from '@ringwire/common/sip/host-port.js';
import { splitUri } from '@ringwire/common/sip/uri.js';

const DEFAULT_PORT = 5060;

/** A host as it stands in a URI: IPv6 in brackets. */
export const bracketed = (host: string): string => (isIPv6(host) ? `[${host}]` : host);

/** Where a gateway is, as it stands in a URI; the default port is left out. */
export const hostPort = ({ address, port }: SipGateway): string =>
  `${bracketed(address)}${port === null || port === DEFAULT_PORT ? '' : `:${port}`}`;

/** The SIP transport to a gateway. */
export const transportOf = ({ protocol }: SipGateway): 'udp' | 'tcp' | 'tls' =>
  protocol === 'tls/srtp' ? 'tls' : protocol;

/** What may not stand in the user part of a URI (RFC 3261 §25.1) goes in as %XX. */
export const escapedUser = (user: string): string => user.replace(/[^\w\-.!~*'()&=+$,;?/%]/gu, encodeURIComponent);

/** The realm of a carrier that we register with; undefined for others, and where the gateway is the realm. */
const realmOf = ({ requiresRegister, registerSipRealm }: VoipCarrier): string | undefined =>
  (requiresRegister && registerSipRealm?.trim()) || undefined;

/** Whether the realm of a carrier that we register with, if it has one, can stand in a URI. */
export function isRealmUsable(carrier: VoipCarrier): boolean {
  const realm = realmOf(carrier);
  return realm === undefined || isHostPort(realm);
}

/** A URI at a gateway, or at the realm of a carrier that we register with; without user: the gateway itself. */
export function gatewayUri(user: string | null, carrier: VoipCarrier, gateway: SipGateway): string {
  const host = realmOf(carrier) ?? hostPort(gateway);
  const target = user === null ? host : `${user}@${host}`;
  const transport = transportOf(gateway);
  // RFC 3261 §26.2.2: sips says TLS by itself, the parameter is deprecated beside it.
  if (transport === 'tls' && gateway.useSipsScheme) return `sips:${target}`;
  return `sip:${target};transport=${transport}`;
}

/** Where a request for a gateway is sent, if not to the host of its URI; null: what the carrier's row says cannot be read. */
export function proxyOf(carrier: VoipCarrier, gateway: SipGateway): string | null | undefined {
  const { outboundSipProxy } = carrier;
  if (outboundSipProxy) {
    const uri = /^sips?:/i.test(outboundSipProxy)
      ? outboundSipProxy
      : `sip:${outboundSipProxy};transport=${transportOf(gateway)}`;
    return splitUri(uri) ? uri : null;
  }
  return realmOf(carrier) !== undefined ? `sip:${hostPort(gateway)};transport=${transportOf(gateway)}` : undefined;
}

/** Who we are to a carrier that challenges; undefined when its row does not say. */
export function credentialsOf({ registerUsername, registerPassword }: VoipCarrier): DigestCredentials | undefined {
  return registerUsername && registerPassword !== null
    ? { username: registerUsername, password: registerPassword }
    : undefined;
}
