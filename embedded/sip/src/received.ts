import { isIP } from 'node:net';
import { type SipMessage, splitList } from './message.js';
import { defaultPort, type Endpoint, isReliable, type MessageSource, unbracketed } from './transport.js';
import { formatVia, type Via } from './via.js';

/** RFC 3261 §18.2.1 and RFC 3581 §4: `received` and `rport` into the top Via; returns that Via. */
export function stampReceived(request: SipMessage, source: MessageSource): Via {
  const line = request.get('Via')!;
  const top = line.includes(',') ? splitList(line)[0]! : line;
  const via = request.topVia!;
  const wantsPort = via.params.has('rport');
  const stamped: Via = { ...via, params: new Map(via.params) };
  if (wantsPort) stamped.params.set('rport', String(source.port));
  if (wantsPort || !isSameHost(via.host, source.host)) stamped.params.set('received', source.host);
  request.replaceFirst('Via', formatVia(stamped) + line.slice(line.indexOf(top) + top.length));
  return stamped;
}

/**
 * Where the responses to a request with this top Via (as {@link stampReceived} left it) go over UDP, or when its connection is
 * gone (RFC 3261 §18.2.2, RFC 3581 §4): over a stream to the address it came from at the port of its Via; over UDP to `maddr` if that
 * is a multicast address (the only one that §18.1.1 lets a client put there; any other would let strangers send our responses to
 * somebody else), else back to where it came from if it asked for that (`rport`), else to that address at the port of its Via.
 */
export function responseEndpoint(via: Via, source: MessageSource): Endpoint {
  const { transport, host } = source;
  const sentByPort = via.port ?? defaultPort(transport);
  let port = sentByPort;
  if (!isReliable(transport)) {
    const maddr = via.params.get('maddr');
    if (maddr !== undefined && isMulticast(unbracketed(maddr))) {
      return { transport, host: unbracketed(maddr), port: sentByPort };
    }
    const rport = via.params.get('rport');
    if (rport) port = Number(rport);
  }
  return port === source.port ? source : { transport, host, port };
}

function isMulticast(address: string): boolean {
  const family = isIP(address);
  if (family === 6) return /^ff/i.test(address);
  const first = Number(address.split('.', 1)[0]);
  return family === 4 && first >= 224 && first < 240;
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
