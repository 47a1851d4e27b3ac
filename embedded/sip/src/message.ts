import type { HeaderIndex } from './header-index.js';
import { headerKey } from './header-names.js';
import { parseVia, type Via } from './via.js';

/** One header line as it came (name and value verbatim, folding resolved); `key` is its lower-case long name. */
export interface SipHeader {
  readonly name: string;
  readonly key: string;
  value: string;
}

const NO_BODY = Buffer.alloc(0);

/**
 * A SIP request or response. Headers keep their order and spelling, also those nobody knows. A message read from the
 * network that is written again differs only where it was changed, in folded lines and in Content-Length.
 *
 * The headers of a received message stay one text with an index over it until somebody asks for {@link headers} or changes
 * their number.
 */
export class SipMessage {
  readonly kind: 'request' | 'response';
  /** Request method, upper case for the standard ones (methods are case-sensitive); empty in a response. */
  method = '';
  /** Request-URI, verbatim; empty in a response. */
  uri = '';
  /** 100 to 699; 0 in a request. */
  status = 0;
  reason = '';
  private index: HeaderIndex | undefined;
  private lines: SipHeader[] = [];
  body: Buffer = NO_BODY;
  /** How header text is turned into bytes: UTF-8, or Latin-1 for a message whose bytes were not valid UTF-8. */
  encoding: 'utf8' | 'latin1' = 'utf8';

  private constructor(kind: 'request' | 'response') {
    this.kind = kind;
  }

  /** A request without headers. */
  static request(method: string, uri: string): SipMessage {
    const message = new SipMessage('request');
    message.method = method;
    message.uri = uri;
    return message;
  }

  /** A response without headers; see also `createResponse`. */
  static response(status: number, reason: string): SipMessage {
    const message = new SipMessage('response');
    message.status = status;
    message.reason = reason;
    return message;
  }

  /** @internal Takes the headers of a received message. */
  adopt(index: HeaderIndex): void {
    this.index = index;
  }

  /** All header lines in order; may be changed in place. Rather ask for single ones where that will do. */
  get headers(): SipHeader[] {
    const { index } = this;
    if (index) {
      this.lines = index.keys.map((key, i) => ({ name: index.nameAt(i), key, value: index.valueAt(i) }));
      this.index = undefined;
    }
    return this.lines;
  }

  /** Number of header lines; their parts are asked for by position with {@link keyAt}, {@link nameAt}, {@link valueAt}. */
  get lineCount(): number {
    return this.index ? this.index.keys.length : this.lines.length;
  }

  /** Lower-case long name of a line. */
  keyAt(line: number): string {
    return this.index ? this.index.keys[line]! : this.lines[line]!.key;
  }

  /** Name of a line as it came. */
  nameAt(line: number): string {
    return this.index ? this.index.nameAt(line) : this.lines[line]!.name;
  }

  valueAt(line: number): string {
    return this.index ? this.index.valueAt(line) : this.lines[line]!.value;
  }

  get isRequest(): boolean {
    return this.kind === 'request';
  }

  /** Value of the first header of that name (any case, compact or long), or undefined. */
  get(name: string): string | undefined {
    const line = this.find(headerKey(name));
    return line < 0 ? undefined : this.valueAt(line);
  }

  has(name: string): boolean {
    return this.find(headerKey(name)) >= 0;
  }

  /** Values of all header lines of that name, in order, one per line as they came (not split at commas). */
  getAll(name: string): string[] {
    const key = headerKey(name);
    const values: string[] = [];
    for (let line = 0; line < this.lineCount; line++) if (this.keyAt(line) === key) values.push(this.valueAt(line));
    return values;
  }

  /** Values of a list header (Via, Route, Contact, Allow…) in order, lines split at their top-level commas. */
  getList(name: string): string[] {
    const lines = this.getAll(name);
    return lines.length === 1 && !lines[0]!.includes(',') ? lines : lines.flatMap(splitList);
  }

  /** The first Via value (RFC 3261 §18.2.1); undefined when there is none, or it cannot be read. Not to be changed. */
  get topVia(): Via | undefined {
    if (this.index?.topVia) return this.index.topVia;
    const line = this.get('Via');
    if (line === undefined) return undefined;
    const via = parseVia(line.includes(',') ? (splitList(line)[0] ?? '') : line);
    if (this.index) this.index.topVia = via;
    return via;
  }

  /** Replaces the first header of that name (further ones are removed), or appends it. */
  set(name: string, value: string | number): this {
    const key = headerKey(name);
    const first = this.find(key);
    if (first < 0) return this.add(name, value);
    const { headers } = this;
    headers[first]!.value = oneLine(value);
    for (let i = headers.length - 1; i > first; i--) if (headers[i]!.key === key) headers.splice(i, 1);
    return this;
  }

  /** Replaces the value of the first header of that name, which is there; further ones stay. */
  replaceFirst(name: string, value: string): this {
    const line = this.find(headerKey(name));
    if (this.index) this.index.replace(line, oneLine(value));
    else this.lines[line]!.value = oneLine(value);
    return this;
  }

  /** Appends a header line. */
  add(name: string, value: string | number): this {
    this.headers.push({ name, key: headerKey(name), value: oneLine(value) });
    return this;
  }

  /** Appends a header line of another message. */
  copyLine(from: SipMessage, line: number): this {
    this.headers.push({ name: from.nameAt(line), key: from.keyAt(line), value: oneLine(from.valueAt(line)) });
    return this;
  }

  /** Puts a header line before all others: Via of a request that is sent. */
  prepend(name: string, value: string): this {
    this.headers.unshift({ name, key: headerKey(name), value: oneLine(value) });
    return this;
  }

  /** Removes every header of that name. */
  remove(name: string): this {
    const key = headerKey(name);
    if (this.find(key) >= 0) this.lines = this.headers.filter((header) => header.key !== key);
    return this;
  }

  /** Sets body and Content-Type; an empty body removes Content-Type. */
  setBody(body: string | Buffer, contentType: string): this {
    this.body = typeof body === 'string' ? Buffer.from(body, 'utf8') : body;
    if (this.body.length > 0) this.set('Content-Type', contentType);
    else this.remove('Content-Type');
    return this;
  }

  /** Text of the body (UTF-8). */
  get bodyText(): string {
    return this.body.length === 0 ? '' : this.body.toString('utf8');
  }

  /** A copy whose headers can be changed without changing this message; the body is shared. */
  clone(): SipMessage {
    const copy = new SipMessage(this.kind);
    copy.method = this.method;
    copy.uri = this.uri;
    copy.status = this.status;
    copy.reason = this.reason;
    copy.index = this.index?.copy();
    copy.lines = this.lines.map((header) => ({ ...header }));
    copy.body = this.body;
    copy.encoding = this.encoding;
    return copy;
  }

  /** Start line and headers with a right Content-Length, up to and with the empty line. */
  headText(): string {
    const start =
      this.kind === 'request'
        ? `${this.method} ${this.uri} SIP/2.0\r\n`
        : `SIP/2.0 ${this.status} ${printable(this.reason)}\r\n`;
    if (this.index && this.saysItsLength()) return `${start}${this.index}\r\n`;
    let text = start;
    let lengthWritten = false;
    for (const header of this.headers) {
      if (header.key === 'content-length') {
        if (lengthWritten) continue;
        lengthWritten = true;
        text += `${header.name}: ${this.body.length}\r\n`;
      } else text += `${header.name}: ${header.value}\r\n`;
    }
    return lengthWritten ? `${text}\r\n` : `${text}Content-Length: ${this.body.length}\r\n\r\n`;
  }

  /** The message as bytes for the wire. */
  toBuffer(): Buffer {
    const head = Buffer.from(this.headText(), this.encoding);
    return this.body.length === 0 ? head : Buffer.concat([head, this.body]);
  }

  toString(): string {
    return this.headText() + this.bodyText;
  }

  /** Line of the first header with this key; -1 without one. */
  private find(key: string): number {
    const { index, lines } = this;
    if (index) return index.keys.indexOf(key);
    for (let line = 0; line < lines.length; line++) if (lines[line]!.key === key) return line;
    return -1;
  }

  /** Whether Content-Length is there once and right, so that the headers can be written as they came. */
  private saysItsLength(): boolean {
    const line = this.find('content-length');
    if (line < 0 || this.valueAt(line) !== String(this.body.length)) return false;
    return this.index?.keys.lastIndexOf('content-length') === line;
  }
}

/** A line end inside a value would begin a header of its own. */
function oneLine(value: string | number): string {
  const text = String(value);
  return /[\r\n]/.test(text) ? text.replace(/[\r\n]+/g, ' ') : text;
}

/**
 * A reason phrase as RFC 3261 §25.1 has it: no control characters but tabs. A line end in what an error or an application
 * says would begin a header of its own, or break the message for its reader.
 */
function printable(reason: string): string {
  return CONTROLS.test(reason) ? reason.replace(new RegExp(CONTROLS, 'g'), ' ').trim() : reason;
}

// Not those above 0x7f: in a message that is no UTF-8 they are bytes of what is.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for.
const CONTROLS = /[\x00-\x08\x0a-\x1f\x7f]+/;

/** Splits a list header at commas that are neither quoted nor inside angle brackets; empty elements are dropped. */
export function splitList(value: string): string[] {
  if (!value.includes(',')) return value === '' ? [] : [value.trim()];
  const parts: string[] = [];
  let quoted = false;
  let angle = 0;
  let start = 0;
  for (let i = 0; i < value.length; i++) {
    const c = value.charCodeAt(i);
    if (quoted) {
      if (c === 0x5c) i++;
      else if (c === 0x22) quoted = false;
    } else if (c === 0x22) quoted = true;
    else if (c === 0x3c) angle++;
    else if (c === 0x3e) angle = Math.max(0, angle - 1);
    else if (c === 0x2c && angle === 0) {
      parts.push(value.slice(start, i).trim());
      start = i + 1;
    }
  }
  parts.push(value.slice(start).trim());
  return parts.filter((part) => part !== '');
}
