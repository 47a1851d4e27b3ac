import { parseNameAddr, parseUri, type SipUri } from './address.js';
import { type SipMessage, splitList } from './message.js';
import { defaultPort, type Endpoint, isTransportName, type TransportName, unbracketed } from './transport.js';

/**
 * Where a request to this URI goes: its `maddr` parameter, else its host (RFC 3263 §4), its port and `transport` parameter,
 * with their defaults (udp; tls for `sips`).
 * undefined for other schemes and for transports that are not ours.
 */
export function endpointOfUri(text: string): Endpoint | undefined {
  const uri = parseUri(text);
  if ((uri?.scheme !== 'sip' && uri?.scheme !== 'sips') || uri.host === '') return undefined;
  const transport = transportOf(uri);
  if (transport === undefined) return undefined;
  const open = { transport: !uri.params.get('transport'), port: uri.port === undefined };
  const to: Endpoint = {
    transport,
    host: unbracketed(uri.params.get('maddr') || uri.host),
    port: uri.port ?? defaultPort(transport),
  };
  return open.transport || open.port ? { ...to, open } : to;
}

/** The next hop of a request (RFC 3261 §8.1.2, §12.2.1.1): top Route, else the Request-URI; undefined when neither can be read. */
export function nextHop(request: SipMessage): Endpoint | undefined {
  const hop = nextHopUri(request);
  return hop === undefined ? undefined : endpointOfUri(hop);
}

/** The URI that says where a request goes next; undefined for a Route that cannot be read. */
export function nextHopUri(request: SipMessage): string | undefined {
  const route = request.get('Route');
  return route === undefined ? request.uri : parseNameAddr(splitList(route)[0] ?? '')?.uri;
}

/** `sips` asks for TLS on whatever the parameter says (RFC 3261 §26.2.2). */
function transportOf(uri: SipUri): TransportName | undefined {
  const secure = uri.scheme === 'sips';
  const named = uri.params.get('transport')?.toLowerCase() || (secure ? 'tls' : 'udp');
  if (!isTransportName(named)) return undefined;
  if (!secure) return named;
  return named === 'ws' || named === 'wss' ? 'wss' : 'tls';
}
