import { formatParams, type Params, parseParams } from './address.js';

/** One Via value (RFC 3261 §20.42). */
export interface Via {
  /** Upper case: UDP, TCP, TLS, WS… */
  transport: string;
  host: string;
  port: number | undefined;
  params: Params;
  branch: string;
}

const VIA =
  /^SIP\s*\/\s*2\.0\s*\/\s*([A-Za-z0-9\-.!%*_+`'~]+)\s+(\[[0-9a-fA-F:.]+\]|[^\s:;[\]]+)\s*(?::\s*(\d{1,5}))?\s*(;.*)?$/i;

/** Reads one Via value (split a line with `getList('Via')` first); undefined when it is none. */
export function parseVia(text: string): Via | undefined {
  const match = VIA.exec(text);
  if (!match) return undefined;
  const params = match[4] === undefined ? new Map<string, string>() : parseParams(match[4]);
  const port = match[3] === undefined ? undefined : Number(match[3]);
  if (port !== undefined && port > 65_535) return undefined;
  return { transport: match[1]!.toUpperCase(), host: match[2]!, port, params, branch: params.get('branch') ?? '' };
}

export function formatVia(via: Via): string {
  const port = via.port === undefined ? '' : `:${via.port}`;
  return `SIP/2.0/${via.transport} ${via.host}${port}${formatParams(via.params)}`;
}

/** Those of nearly all messages. */
const COMMON_METHODS = new Map(['INVITE', 'ACK', 'BYE', 'OPTIONS', 'REGISTER', 'INFO'].map((name) => [name, name]));

/** The number that the first characters of a text are; -1 when they are none. */
function digits(text: string, end: number): number {
  let number = 0;
  for (let i = 0; i < end; i++) {
    const code = text.charCodeAt(i) - 0x30;
    if (code < 0 || code > 9) return -1;
    number = number * 10 + code;
  }
  return number;
}

/** CSeq: sequence number (below 2^31, RFC 3261 §8.1.1.5) and method; undefined when malformed. */
export function parseCSeq(text: string): { seq: number; method: string } | undefined {
  const space = text.indexOf(' ');
  const known = space > 0 && space < 10 ? COMMON_METHODS.get(text.slice(space + 1)) : undefined;
  const number = known === undefined ? -1 : digits(text, space);
  if (known !== undefined && number >= 0) return { seq: number, method: known };
  const match = /^(\d{1,10})\s+([A-Za-z0-9\-.!%*_+`'~]+)$/.exec(text);
  if (!match) return undefined;
  const seq = Number(match[1]);
  return seq < 2 ** 32 ? { seq, method: match[2]! } : undefined;
}
