import { SipParseError, type SipParseReason } from './errors.js';
import { HeaderIndex, isSpace, TOKEN } from './header-index.js';
import { headerKey } from './header-names.js';
import { SipMessage } from './message.js';

/** Limits that a message must keep; beyond them it is refused, so that one peer cannot exhaust memory. */
export interface ParseLimits {
  /** Start line and headers. */
  maxHeadBytes: number;
  maxBodyBytes: number;
  maxHeaders: number;
}

export const DEFAULT_LIMITS: ParseLimits = { maxHeadBytes: 65_536, maxBodyBytes: 65_536, maxHeaders: 512 };

/** What {@link parseMessage} found; a refused request comes as far as it was read, so that it can be answered. */
export type ParseResult =
  | { ok: true; message: SipMessage }
  | { ok: false; error: SipParseError; message?: SipMessage | undefined };

const STATUS_LINE = /^SIP\/(\d+\.\d+) (\d{3})(?: (.*))?$/i;

function refuse(reason: SipParseReason, detail: string, message?: SipMessage): ParseResult {
  return { ok: false, error: new SipParseError(reason, detail), message };
}

/**
 * Reads one message from a datagram or from the bytes that the stream framer cut out. Checks structure only (start
 * line, header lines, Content-Length); what the headers must hold is checked by `checkMessage`. Bytes after the body
 * are ignored as RFC 3261 §18.3 says for datagrams. Never throws.
 */
export function parseMessage(buf: Buffer, limits: ParseLimits = DEFAULT_LIMITS): ParseResult {
  let start = 0;
  while (start < buf.length && (buf[start] === 13 || buf[start] === 10)) start++;
  if (start === buf.length) return refuse('empty', 'nothing but line ends');
  let bodyStart = buf.length;
  const end = findHeadEnd(buf, start);
  if (end !== undefined) bodyStart = end.bodyStart;
  const headEnd = end?.headEnd ?? buf.length;
  if (headEnd - start > limits.maxHeadBytes) return refuse('too-large', `${headEnd - start} bytes of headers`);
  let text = buf.toString('utf8', start, headEnd);
  let encoding: 'utf8' | 'latin1' = 'utf8';
  if (text.includes('\uFFFD')) {
    text = buf.toString('latin1', start, headEnd);
    encoding = 'latin1';
  }
  const newline = text.indexOf('\n');
  // RFC 4475 trws: white space after the start line harms nobody.
  const first = parseStartLine(trimSpaceEnd(newline < 0 ? text : text.slice(0, newline)));
  const { message } = first;
  if (!message) return first;
  message.encoding = encoding;
  const index = newline < 0 ? undefined : HeaderIndex.of(text.slice(newline + 1), limits.maxHeaders);
  if (index) message.adopt(index);
  const bad = index ? undefined : parseHeaders(message, text.split(/\r\n|\n/), limits);
  if (!first.ok) return first;
  if (bad) return { ok: false, error: bad, message };
  if (end === undefined) return refuse('truncated', 'no empty line after the headers', message);
  return cutBody(message, buf, bodyStart, limits);
}

/**
 * Where the headers end and the body starts: at the first empty line, whether it ends with CRLF or with the bare LF of some
 * peers, so that a stream is cut at the same place however it comes in pieces. Undefined while there is none.
 */
export function findHeadEnd(buf: Buffer, start: number): { headEnd: number; bodyStart: number } | undefined {
  const crlf = buf.indexOf('\n\r\n', start, 'latin1');
  const lf = (crlf >= 0 ? buf.subarray(0, crlf + 1) : buf).indexOf('\n\n', start, 'latin1');
  const newline = lf >= 0 ? lf : crlf;
  if (newline < 0) return undefined;
  const headEnd = newline > start && buf[newline - 1] === 13 ? newline - 1 : newline;
  return { headEnd, bodyStart: newline + (lf >= 0 ? 2 : 3) };
}

function parseStartLine(line: string): ParseResult {
  if (/^SIP\//i.test(line)) {
    const match = STATUS_LINE.exec(line);
    if (!match) return refuse('bad-start-line', 'status line');
    const status = Number(match[2]);
    if (match[1] !== '2.0') return refuse('bad-version', match[1]!);
    if (status < 100 || status > 699) return refuse('bad-start-line', `status ${status}`);
    return { ok: true, message: SipMessage.response(status, match[3] ?? '') };
  }
  const methodEnd = line.indexOf(' ');
  const uriEnd = line.lastIndexOf(' ');
  const version = line.slice(uriEnd + 1);
  if (methodEnd <= 0 || !/^SIP\/\d+\.\d+$/i.test(version)) return refuse('not-sip', 'no SIP version in the first line');
  const method = line.slice(0, methodEnd);
  if (uriEnd <= methodEnd || !TOKEN.test(method)) return refuse('bad-start-line', 'request line');
  const uri = line.slice(methodEnd + 1, uriEnd);
  const message = SipMessage.request(method, uri);
  if (version.toUpperCase() !== 'SIP/2.0') return refuse('bad-version', version, message);
  if (uri === '' || /[\s<>]/.test(uri)) return refuse('bad-start-line', 'Request-URI', message);
  return { ok: true, message };
}

function parseHeaders(message: SipMessage, lines: string[], limits: ParseLimits): SipParseError | undefined {
  const headers = message.headers;
  for (let i = 1; i < lines.length; i++) {
    const line = lines[i]!;
    const c = line.charCodeAt(0);
    if (c === 0x20 || c === 0x09) {
      const last = headers[headers.length - 1];
      if (!last) return new SipParseError('bad-header', 'folded line without a header');
      const more = trimSpace(line, 0);
      // A folded line of nothing but white space adds nothing.
      if (more !== '') last.value = last.value === '' ? more : `${last.value} ${more}`;
      continue;
    }
    if (line === '') continue;
    const colon = line.indexOf(':');
    const name = colon < 0 ? '' : trimSpaceEnd(line.slice(0, colon));
    if (!TOKEN.test(name)) return new SipParseError('bad-header', `line ${i + 1}`);
    if (headers.length >= limits.maxHeaders) return new SipParseError('too-many-headers', `over ${limits.maxHeaders}`);
    headers.push({ name, key: headerKey(name), value: trimSpace(line, colon + 1) });
  }
  return undefined;
}

/** The line from `start` without spaces, tabs and CRs around it; `trim` would also eat Unicode spaces that belong to the value. */
function trimSpace(line: string, start: number): string {
  let from = start;
  while (from < line.length && isSpace(line.charCodeAt(from))) from++;
  return trimSpaceEnd(line.slice(from));
}

/** Without spaces, tabs and CRs at its end. */
function trimSpaceEnd(text: string): string {
  let to = text.length;
  while (to > 0 && isSpace(text.charCodeAt(to - 1))) to--;
  return text.slice(0, to);
}

function cutBody(message: SipMessage, buf: Buffer, bodyStart: number, limits: ParseLimits): ParseResult {
  const available = buf.length - bodyStart;
  const declared = contentLength(message);
  if (declared instanceof SipParseError) return { ok: false, error: declared, message };
  const length = declared ?? available;
  if (length > limits.maxBodyBytes) return refuse('too-large', `${length} bytes of body`, message);
  if (length > available) return refuse('truncated', `body of ${available} bytes, ${length} declared`, message);
  if (length > 0) message.body = Buffer.from(buf.subarray(bodyStart, bodyStart + length));
  return { ok: true, message };
}

/** Content-Length as a number, undefined when absent, an error when it is not a number or said twice differently. */
export function contentLength(message: SipMessage): number | undefined | SipParseError {
  let length: number | undefined;
  for (let line = 0; line < message.lineCount; line++) {
    if (message.keyAt(line) !== 'content-length') continue;
    const text = message.valueAt(line);
    if (!/^\d{1,9}$/.test(text)) return new SipParseError('bad-content-length', text.slice(0, 40));
    const value = Number(text);
    if (length !== undefined && length !== value) return new SipParseError('bad-content-length', 'said twice');
    length = value;
  }
  return length;
}
