import { bracketed, type Endpoint, type TransportName } from '@ringwire/sip';
import type { CapturedCall, CapturedMessage, CaptureRing } from './capture-ring.js';
import { maskSecrets } from './mask-secrets.js';
import { type Direction, headerOf, headOf } from './wire-message.js';

/** A message as `GET /calls/…` shows it. */
export interface LadderRung {
  /** Counts up by one for each message of this server. */
  seq: number;
  /** Microseconds since the epoch. */
  at_us: number;
  direction: Direction;
  transport: TransportName;
  /** `address:port` it came from. */
  src: string;
  dst: string;
  call_id: string;
  first_line: string;
  cseq: string;
  /** Type of its body, without parameters; null without a body. */
  body_type: string | null;
  bytes: number;
  /** The whole message, where it was asked for. */
  text?: string;
}

/** A call as `GET /calls` lists it. */
export interface CallSummary {
  call_id: string;
  /** Microseconds since the epoch of its first and last remembered message. */
  first_at_us: number;
  last_at_us: number;
  method: string;
  from: string;
  to: string;
  /** The last final status of the request that began it, else its last provisional one; null without a response. */
  status: number | null;
  messages: number;
}

/** What is shown of one message, secrets masked. */
export function rungOf(ring: CaptureRing, message: CapturedMessage, isFull: boolean): LadderRung {
  const bytes = maskSecrets(ring.bytesOf(message));
  const head = headOf(bytes);
  const [src, dst] = message.direction === 'in' ? [message.peer, message.local] : [message.local, message.peer];
  return {
    seq: message.seq,
    at_us: message.atUs,
    direction: message.direction,
    transport: message.peer.transport,
    src: hostPort(src),
    dst: hostPort(dst),
    call_id: message.callId,
    first_line: utf8(head.slice(0, Math.max(0, head.indexOf('\r\n')))),
    cseq: utf8(headerOf(head, 'cseq')),
    body_type: bytes.length > head.length + 2 ? bodyType(head) : null,
    bytes: message.length,
    ...(isFull ? { text: bytes.toString('utf8') } : {}),
  };
}

/** The facts of a call, taken from its first message and its responses. */
export function summaryOf(ring: CaptureRing, call: CapturedCall): CallSummary {
  const { first, last } = call;
  const head = headOf(maskSecrets(ring.bytesOf(first)));
  let status = 0;
  for (let at: CapturedMessage | undefined = first; at; at = at.nextOfCall) {
    if (at.method === first.method && (at.status >= 200 || status < 200)) status = at.status || status;
  }
  return {
    call_id: call.callId,
    first_at_us: first.atUs,
    last_at_us: last.atUs,
    method: first.method,
    from: addressOf(headerOf(head, 'from|f')),
    to: addressOf(headerOf(head, 'to|t')),
    status: status === 0 ? null : status,
    messages: call.count,
  };
}

/** `192.0.2.1:5060`, `[2001:db8::1]:5060`. */
export function hostPort({ host, port }: Endpoint): string {
  return `${bracketed(host)}:${port}`;
}

/** The URI of a From or To, without its tag. */
export function addressOf(value: string): string {
  const text = utf8(value);
  return /<([^>]*)>/.exec(text)?.[1] ?? text.replace(/;.*$/, '').trim();
}

function bodyType(head: string): string {
  return (
    headerOf(head, 'content-type|c')
      .replace(/[;\s].*$/, '')
      .toLowerCase() || 'unknown'
  );
}

/** Heads are read one character per byte. */
function utf8(text: string): string {
  return Buffer.from(text, 'latin1').toString('utf8');
}
