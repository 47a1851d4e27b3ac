import { createRequire } from 'node:module';
import type { SipRequest } from '@ringwire/common/sip/stack.js';

type MessageModule = new (text: string) => Omit<SipRequest, 'source_address' | 'source_port' | 'protocol'>;

/** Parts of an INVITE that tests vary. */
export interface InviteParts {
  uri?: string;
  source?: string;
  /** As drachtio-server names it. */
  protocol?: string;
  from?: string;
  to?: string;
  headers?: Record<string, string>;
  body?: string;
}

/** An INVITE as drachtio-srf hands it over, parsed by its own parser. */
export function inviteRequest(parts: InviteParts = {}): SipRequest {
  const { uri = 'sip:15551234567@127.0.0.1:5060', source = '127.0.0.1', protocol = 'udp', body = '' } = parts;
  const headers: Record<string, string> = {
    Via: 'SIP/2.0/UDP 127.0.0.1:5062;branch=z9hG4bK1',
    From: parts.from ?? '"Anna" <sip:15550001111@127.0.0.1>;tag=a1',
    To: parts.to ?? `<${uri}>`,
    'Call-ID': 'call-1',
    CSeq: '1 INVITE',
    Contact: '<sip:15550001111@127.0.0.1:5062>',
    ...parts.headers,
    'Content-Length': `${Buffer.byteLength(body)}`,
  };
  const lines = Object.entries(headers)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}: ${value}`);
  const text = [`INVITE ${uri} SIP/2.0`, ...lines, '', body].join('\r\n');
  const Message = createRequire(import.meta.url)('drachtio-srf/lib/sip-parser/message.js') as MessageModule;
  return Object.assign(new Message(text), { source_address: source, source_port: 5062, protocol }) as SipRequest;
}
