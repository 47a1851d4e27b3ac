import { parseNameAddr, parseUri } from './address.js';
import { SipParseError } from './errors.js';
import type { SipMessage } from './message.js';
import { parseCSeq, parseVia } from './via.js';

const SINGLE = new Set(['from', 'to', 'call-id', 'cseq', 'max-forwards']);

/**
 * Checks what every message must hold (RFC 3261 §8.1.1, §8.2): Via, From, To, Call-ID, CSeq once and well-formed, CSeq
 * method equal to the request's, a Request-URI that can be read. Returns the first fault, or undefined.
 */
export function checkMessage(message: SipMessage): SipParseError | undefined {
  const seen: Record<string, number> = {};
  for (const header of message.headers) {
    if (!SINGLE.has(header.key)) continue;
    if (seen[header.key]) return new SipParseError('repeated-header', header.name);
    seen[header.key] = 1;
  }
  const via = message.getList('Via')[0];
  if (via === undefined) return new SipParseError('missing-header', 'Via');
  const parsedVia = parseVia(via);
  if (!parsedVia) return new SipParseError('bad-via', via.slice(0, 80));
  for (const name of ['From', 'To', 'Call-ID', 'CSeq'] as const) {
    if (!seen[name.toLowerCase()]) return new SipParseError('missing-header', name);
  }
  if (!parseNameAddr(message.get('From')!)) return new SipParseError('bad-from', 'From');
  if (!parseNameAddr(message.get('To')!)) return new SipParseError('bad-to', 'To');
  const callId = message.get('Call-ID')!;
  if (callId === '' || /\s/.test(callId)) return new SipParseError('bad-call-id', 'Call-ID');
  const cseq = parseCSeq(message.get('CSeq')!);
  if (!cseq) return new SipParseError('bad-cseq', 'CSeq');
  if (message.kind === 'response') return undefined;
  if (cseq.method !== message.method) return new SipParseError('bad-cseq', 'CSeq method differs from the request');
  if (!parseUri(message.uri)) return new SipParseError('bad-uri', 'Request-URI');
  const hops = message.get('Max-Forwards');
  if (hops !== undefined && !(/^\d{1,9}$/.test(hops) && Number(hops) <= 255))
    return new SipParseError('bad-max-forwards', hops.slice(0, 20));
  return undefined;
}
