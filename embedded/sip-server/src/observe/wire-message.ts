import { nowMs } from '@ringwire/common/events/clock.js';
import type { Endpoint } from '@ringwire/sip';

/** Seen from this server. */
export type Direction = 'in' | 'out';

/** One message as it passed the server's sockets, with what every observer wants to know of it. */
export interface WireMessage {
  /** Microseconds since the epoch. */
  atUs: number;
  direction: Direction;
  /** The whole message; whoever keeps it copies it. */
  bytes: Buffer;
  peer: Endpoint;
  /** Our listening address. */
  local: Endpoint;
  /** Of a request its method, of a response that of its CSeq; '' where it cannot be read. */
  method: string;
  /** 0 for a request. */
  status: number;
  /** '' where there is none. At most {@link MAX_CALL_ID} characters. */
  callId: string;
}

/** Longer Call-IDs are cut: they are keys of maps that strangers fill. */
const MAX_CALL_ID = 256;
/** Headers are looked for in so many bytes at the start. */
const MAX_HEAD_BYTES = 16_384;

/** Looks at a message; called for each one while anything observes, so it searches and does not parse. Never throws. */
export function readWireMessage(direction: Direction, bytes: Buffer, peer: Endpoint, local: Endpoint): WireMessage {
  const head = headOf(bytes);
  const status = head.startsWith('SIP/2.0 ') ? Number(head.slice(8, 11)) || 0 : 0;
  const method = head.startsWith('SIP/') ? cseqMethod(head) : head.slice(0, Math.max(0, head.indexOf(' ')));
  return {
    atUs: Math.round(nowMs() * 1000),
    direction,
    bytes,
    peer,
    local,
    method: METHOD.test(method) ? method : '',
    status,
    callId: callIdOf(head, bytes),
  };
}

/** A token of RFC 3261, of a length that real methods have. */
const METHOD = /^[A-Za-z0-9.!%*_+`'~-]{1,32}$/;

/** The start line and headers, one character per byte, with the line end before the empty line. */
export function headOf(bytes: Buffer): string {
  const text = bytes.toString('latin1', 0, Math.min(bytes.length, MAX_HEAD_BYTES));
  const end = text.indexOf('\r\n\r\n');
  return end < 0 ? text : text.slice(0, end + 2);
}

/**
 * The value of a header's first line that bears one of these names, trimmed; '' where there is none.
 * @param names lower case, as a part of a regular expression: `to|t`
 */
export function headerOf(head: string, names: string): string {
  return new RegExp(`^(?:${names})[ \\t]*:[ \\t]*([^\\r\\n]*)`, 'im').exec(head)?.[1]?.trimEnd() ?? '';
}

function cseqMethod(head: string): string {
  const start = head.indexOf('\r\nCSeq: ');
  const end = start < 0 ? -1 : head.indexOf('\r\n', start + 2);
  const value = end < 0 ? headerOf(head, 'cseq') : head.slice(start + 8, end);
  return value.slice(value.lastIndexOf(' ') + 1);
}

/** Read from the bytes, not cut out of `head`: a piece of a string keeps the whole alive. */
function callIdOf(head: string, bytes: Buffer): string {
  let start = head.indexOf('\r\nCall-ID: ') + 11;
  if (start < 11) {
    const match = /^(?:call-id|i)[ \t]*:[ \t]*/im.exec(head);
    if (!match) return '';
    start = match.index + match[0].length;
  }
  const end = head.indexOf('\r\n', start);
  return bytes.toString('utf8', start, Math.min(end < 0 ? head.length : end, start + MAX_CALL_ID)).trim();
}
