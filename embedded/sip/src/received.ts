import { isIP } from 'node:net';
import type { SipMessage } from './message.js';
import { type Endpoint, type MessageSource, unbracketed } from './transport.js';
import { formatVia, parseVia, type Via } from './via.js';

/** RFC 3261 §18.2.1 and RFC 3581 §4: `received` and `rport` into the top Via; returns that Via. */
export function stampReceived(request: SipMessage, source: MessageSource): Via {
  const header = request.headers.find((h) => h.key === 'via')!;
  const comma = request.getList('Via');
  const via = parseVia(comma[0]!)!;
  const wantsPort = via.params.has('rport');
  const stamped: Via = { ...via, params: new Map(via.params) };
  if (wantsPort) stamped.params.set('rport', String(source.port));
  if (wantsPort || !isSameHost(via.host, source.host)) stamped.params.set('received', source.host);
  header.value = formatVia(stamped) + header.value.slice(header.value.indexOf(comma[0]!) + comma[0]!.length);
  return stamped;
}

/** Where the responses to a request with this top Via (as {@link stampReceived} left it) go (RFC 3261 §18.2.2, RFC 3581 §4). */
export function responseEndpoint(via: Via, source: MessageSource): Endpoint {
  const rport = via.params.get('rport');
  const port = rport && source.transport === 'udp' ? Number(rport) : (via.port ?? 5060);
  if (port === source.port) return source;
  return { transport: source.transport, host: source.host, port };
}

/** Whether a sent-by names an address; IPv6 has many spellings (RFC 5118 §4.5). */
function isSameHost(sentBy: string, address: string): boolean {
  const host = unbracketed(sentBy);
  return (
    host === address || (isIP(host) === 6 && isIP(address) === 6 && canonicalIpv6(host) === canonicalIpv6(address))
  );
}

function canonicalIpv6(address: string): string {
  return new URL(`http://[${address}]/`).hostname;
}
