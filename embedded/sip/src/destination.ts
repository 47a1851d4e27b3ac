import { parseNameAddr, parseUri, type SipUri } from './address.js';
import { type SipMessage, splitList } from './message.js';
import type { Endpoint } from './transport.js';

/** Where a request to this URI goes: its host, port (5060), `transport` parameter (udp); undefined for other schemes. */
export function endpointOfUri(text: string): Endpoint | undefined {
  const uri = parseUri(text);
  if (uri?.scheme !== 'sip' || uri.host === '') return undefined;
  return { transport: transportOf(uri), host: uri.host.replace(/^\[|\]$/g, ''), port: uri.port ?? 5060 };
}

/** The next hop of a request (RFC 3261 §8.1.2, §12.2.1.1): top Route, else the Request-URI; undefined when neither can be read. */
export function nextHop(request: SipMessage): Endpoint | undefined {
  const route = request.get('Route');
  if (route === undefined) return endpointOfUri(request.uri);
  const first = parseNameAddr(splitList(route)[0] ?? '');
  return first ? endpointOfUri(first.uri) : undefined;
}

function transportOf(uri: SipUri): 'udp' | 'tcp' {
  return uri.params.get('transport')?.toLowerCase() === 'tcp' ? 'tcp' : 'udp';
}
