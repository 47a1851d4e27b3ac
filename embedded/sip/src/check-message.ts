import { type NameAddr, parseNameAddr, parseUri } from './address.js';
import { SipParseError } from './errors.js';
import type { SipMessage } from './message.js';
import { parseCSeq } from './via.js';

/** Schemes that a Request-URI may have: SIP's own and those that are handed on for the user to judge (RFC 5031, 3860, 3859). */
const SCHEMES = new Set(['sip', 'sips', 'tel', 'urn', 'im', 'pres']);

const METHODS = new Set(
  'INVITE ACK BYE CANCEL OPTIONS REGISTER PRACK UPDATE INFO REFER NOTIFY SUBSCRIBE MESSAGE PUBLISH'.split(' '),
);

/** A bit for each. */
const SINGLE = new Map(['from', 'to', 'call-id', 'cseq', 'max-forwards'].map((key, i) => [key, 1 << i]));

/**
 * Checks what every message must hold (RFC 3261 §8.1.1, §8.2): Via, From, To, Call-ID, CSeq once and well-formed, CSeq
 * method equal to the request's, a Request-URI that can be read. Returns the first fault, or undefined.
 */
export function checkMessage(message: SipMessage): SipParseError | undefined {
  const fault = checkRepeats(message);
  if (fault) return fault;
  const via = message.get('Via');
  if (via === undefined) return new SipParseError('missing-header', 'Via');
  const { topVia } = message;
  if (!topVia) return new SipParseError('bad-via', via.slice(0, 80));
  for (const name of ['From', 'To', 'Call-ID', 'CSeq'] as const) {
    if (!message.has(name)) return new SipParseError('missing-header', name);
  }
  if (!isAddress(message.get('From')!)) return new SipParseError('bad-from', 'From');
  if (!isAddress(message.get('To')!)) return new SipParseError('bad-to', 'To');
  const callId = message.get('Call-ID')!;
  if (callId === '' || /\s/.test(callId)) return new SipParseError('bad-call-id', 'Call-ID');
  const cseq = parseCSeq(message.get('CSeq')!);
  if (!cseq) return new SipParseError('bad-cseq', 'CSeq');
  if (message.kind === 'response') return undefined;
  // RFC 4475 §3.2.1: a cookie that identifies nothing.
  if (topVia.branch === 'z9hG4bK') return new SipParseError('bad-via', 'branch without identifier');
  return checkRequest(message, cseq.method);
}

/** What nearly all Request-URIs look like. */
const PLAIN_URI = /^sips?:(?:[\w.~+-]+@)?[a-zA-Z0-9.-]+(?::\d{1,4})?(?:;[\w-]+(?:=[\w-]+)?)*$/;

function checkUri(text: string): SipParseError | undefined {
  const uri = parseUri(text);
  if (!uri) return new SipParseError('bad-uri', 'Request-URI');
  if (!SCHEMES.has(uri.scheme)) return new SipParseError('bad-scheme', uri.scheme.slice(0, 40));
  if (uri.headers !== '') return new SipParseError('bad-uri', 'headers in the Request-URI');
  return undefined;
}

/** Headers that may come once only, and separators of Via. */
function checkRepeats(message: SipMessage): SipParseError | undefined {
  let seen = 0;
  for (let line = 0; line < message.lineCount; line++) {
    const key = message.keyAt(line);
    // RFC 4475 §3.1.2.1: nothing between separators.
    if (key === 'via' && /[;,]\s*(?:[;,]|$)/.test(message.valueAt(line)))
      return new SipParseError('bad-via', 'separators');
    const bit = SINGLE.get(key);
    if (bit === undefined) continue;
    if (seen & bit) return new SipParseError('repeated-header', message.nameAt(line));
    seen |= bit;
  }
  return undefined;
}

function checkRequest(message: SipMessage, cseqMethod: string): SipParseError | undefined {
  if (cseqMethod !== message.method) {
    // RFC 4475 §3.1.2.18: that the method is unknown is the better answer.
    return new SipParseError(METHODS.has(message.method) ? 'bad-cseq' : 'unknown-method', 'CSeq names another method');
  }
  const badUri = PLAIN_URI.test(message.uri) ? undefined : checkUri(message.uri);
  if (badUri) return badUri;
  const hops = message.get('Max-Forwards');
  if (hops !== undefined && !(/^\d{1,9}$/.test(hops) && Number(hops) <= 255))
    return new SipParseError('bad-max-forwards', hops.slice(0, 20));
  for (const contact of message.getAll('Contact')) {
    // RFC 3261 §20.10: without angle brackets the question mark belongs to nobody.
    if (contact.includes('?') && !contact.includes('<'))
      return new SipParseError('bad-contact', 'headers outside angle brackets');
  }
  return undefined;
}

/** What nearly all From and To values look like: these need no closer look. */
const PLAIN_ADDRESS = /^(?:"[^"\\<>]*" ?)?<sips?:[\w.!~*'()&=+$,;?/%@:[\]-]+>(?:;[\w.-]+(?:=[\w.~+-]+)?)*$/;

function isAddress(value: string): boolean {
  return PLAIN_ADDRESS.test(value) || readAddress(value) !== undefined;
}

/** From and To: readable, a comma only in quotes (RFC 4475 §3.1.2.15), no spaces inside the brackets (§3.1.2.14). */
function readAddress(value: string): NameAddr | undefined {
  const address = parseNameAddr(value);
  if (!address) return undefined;
  const close = value.lastIndexOf('>');
  if (close < 0) return address;
  const open = value.lastIndexOf('<', close);
  if (/\s/.test(value[open + 1]!) || /\s/.test(value[close - 1]!)) return undefined;
  return value[0] !== '"' && address.display.includes(',') ? undefined : address;
}

/** The status that answers a request with this fault (RFC 3261 §21.4, RFC 4475 §3). */
export function statusOfFault(fault: SipParseError): number {
  switch (fault.reason) {
    case 'bad-version':
      return 505;
    case 'unknown-method':
      return 501;
    case 'bad-scheme':
      return 416;
    case 'too-large':
    case 'too-many-headers':
      return 513;
    default:
      return 400;
  }
}
