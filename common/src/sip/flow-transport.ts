import type { FlowTransport } from '../registrations/binding.js';
import type { SipMessageView } from './stack.js';

const TRANSPORTS: readonly string[] = ['udp', 'tcp', 'tls', 'ws', 'wss'] satisfies FlowTransport[];

/**
 * How a request came. drachtio-server names only what is beneath a WebSocket; the topmost Via says which it is (RFC 7118 §5.1).
 * Null for what is no transport of SIP.
 */
export function flowTransport(request: Pick<SipMessageView, 'get'> & { protocol: string }): FlowTransport | null {
  const beneath = request.protocol.toLowerCase();
  const [, said] = /^SIP\s*\/\s*2\.0\s*\/\s*(WSS?)\s/i.exec(request.get('Via') ?? '') ?? [];
  const transport = said && beneath !== 'udp' ? said.toLowerCase() : beneath;
  return TRANSPORTS.includes(transport) ? (transport as FlowTransport) : null;
}

/** Whether a browser's page sent it: nobody else speaks SIP over WebSocket. */
export function isFromBrowser(request: Parameters<typeof flowTransport>[0]): boolean {
  return /^wss?$/.test(flowTransport(request) ?? '');
}
