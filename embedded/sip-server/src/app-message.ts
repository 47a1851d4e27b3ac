import { parseNameAddr, type SipMessage, type TransportName, tagOf, transportParam } from '@ringwire/sip';
import { CommandError } from './errors.js';

/** A SIP message as an application writes it: what matters is there, what the server supplies may be missing or wrong. */
export interface AppMessage {
  startLine: string;
  headers: Array<[name: string, value: string]>;
  body: string;
}

const TOKEN = /^[A-Za-z0-9\-.!%*_+`'~]+$/;

/** Transports as applications and request-handlers read them: drachtio names what is beneath a WebSocket. */
export const PROTOCOL: Record<TransportName, string> = { udp: 'udp', tcp: 'tcp', tls: 'tls', ws: 'tcp', wss: 'tcp' };

/** Reads a message of an application. @throws CommandError when it cannot be read */
export function parseAppMessage(text: string): AppMessage {
  const split = text.indexOf('\r\n\r\n');
  const head = split < 0 ? text : text.slice(0, split);
  const [startLine = '', ...lines] = head.split('\r\n');
  const headers: AppMessage['headers'] = [];
  for (const line of lines) {
    if (line === '') continue;
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(colon, 0)).trim();
    // A header with a line end inside could smuggle further headers.
    if (!TOKEN.test(name) || /[\r\n]/.test(line)) throw new CommandError(`invalid header: ${line.slice(0, 60)}`);
    headers.push([name, line.slice(colon + 1).trim()]);
  }
  // What an application says as a reason may come from anywhere; its caller is answered all the same.
  if (!startLine.startsWith('SIP/') && /[\r\n]/.test(startLine)) throw new CommandError('invalid start line');
  return { startLine: startLine.replace(/[\r\n]+/g, ' '), headers, body: split < 0 ? '' : text.slice(split + 4) };
}

/** Value of the first header of that name (lower case). */
export function appHeader(message: AppMessage, name: string): string | undefined {
  return message.headers.find(([header]) => header.toLowerCase() === name)?.[1];
}

/** Method and URI of a request's start line. @throws CommandError */
export function requestLine(message: AppMessage): { method: string; uri: string } {
  const match = /^([A-Za-z0-9\-.!%*_+`'~]+) (\S+) SIP\/2\.0$/.exec(message.startLine);
  if (!match) throw new CommandError(`invalid request line: ${message.startLine.slice(0, 80)}`);
  return { method: match[1]!, uri: match[2]! };
}

/** Status and reason of a response's start line. @throws CommandError */
export function statusLine(message: AppMessage): { status: number; reason: string } {
  const match = /^SIP\/2\.0 ([1-6]\d\d) ?(.*)$/.exec(message.startLine);
  if (!match) throw new CommandError(`invalid status line: ${message.startLine.slice(0, 80)}`);
  return { status: Number(match[1]), reason: match[2]! };
}

/** Headers that the server alone writes, in any message. */
const SERVERS_OWN = new Set(['via', 'content-length', 'record-route']);
/** Beyond those: what a dialog or transaction fixes. */
const DIALOGS_OWN = new Set([...SERVERS_OWN, 'from', 'to', 'call-id', 'cseq', 'route', 'max-forwards']);
/** Values in which `localhost` stands for our address. */
const LOCALHOST_HEADERS = new Set(['from', 'to', 'contact', 'p-asserted-identity']);

/** Our address as it replaces `localhost` in values of an application. */
export interface OwnAddress {
  host: string;
  port: number;
  transport: TransportName;
}

/**
 * Puts an application's headers and body onto a message that already carries what the server supplies.
 * @param fixed whether From, To, Call-ID, CSeq, Route belong to the dialog or transaction and the application's are dropped
 */
export function applyAppMessage(target: SipMessage, message: AppMessage, own: OwnAddress, fixed: boolean): void {
  const dropped = fixed ? DIALOGS_OWN : SERVERS_OWN;
  for (const [name, value] of message.headers) {
    const key = name.toLowerCase();
    if (dropped.has(key) || value === '') continue;
    const written = LOCALHOST_HEADERS.has(key) ? replaceLocalhost(key, value, own) : value;
    if (key === 'contact' || SINGLE.has(key)) target.set(name, written);
    else target.add(name, written);
  }
  if (message.body === '') return;
  target.body = Buffer.from(message.body, 'utf8');
  if (target.has('Content-Type')) return;
  if (message.body.startsWith('v=0')) target.add('Content-Type', 'application/sdp');
  else if (target.isRequest) throw new CommandError('missing content-type');
}

const SINGLE = new Set(['from', 'to', 'call-id', 'cseq', 'max-forwards', 'content-type']);

/** `sip:1234@localhost` becomes our address; a Contact also says the transport that is not the default. */
function replaceLocalhost(key: string, value: string, own: OwnAddress): string {
  if (!value.includes('localhost')) return value;
  const suffix = key === 'contact' ? transportParam(own.transport) : '';
  const replaced = value.replace(/((?:sips?:|@))localhost(?::\d+)?/g, `$1${own.host}:${own.port}${suffix}`);
  return suffix !== '' && !replaced.includes('<') ? `<${replaced}>` : replaced;
}

/** A From or To value: as the application wrote it (in angle brackets), with a tag when `tag` is given and it has none. */
export function withTag(value: string, tag: string | undefined): string {
  const address = value.includes('<') || !parseNameAddr(value) ? value : bracketed(value);
  return tag === undefined || tagOf(address) !== undefined ? address : `${address};tag=${tag}`;
}

/** `sip:a@b;tag=x` → `<sip:a@b>;tag=x`: without brackets all parameters belong to the header. */
function bracketed(value: string): string {
  const semi = value.indexOf(';');
  return semi < 0 ? `<${value}>` : `<${value.slice(0, semi)}>${value.slice(semi)}`;
}
