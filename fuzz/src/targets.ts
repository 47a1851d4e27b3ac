import { deepStrictEqual } from 'node:assert/strict';
import {
  checkMessage,
  DEFAULT_LIMITS,
  formatNameAddr,
  formatUri,
  formatVia,
  parseCSeq,
  parseMessage,
  parseNameAddr,
  parseUri,
  parseVia,
  type SipMessage,
  StreamFramer,
} from '@ringwire/sip';
import type { Random } from './random.js';

/** Parser: never throws; what it accepts is read the same when it is written again. */
export function parserTarget(bytes: Buffer): void {
  const parsed = parseMessage(bytes);
  if (!parsed.ok) return;
  const { message } = parsed;
  readEverything(message);
  if (checkMessage(message)) return;
  // A Content-Length may have been added.
  const again = parseMessage(message.toBuffer(), { ...DEFAULT_LIMITS, maxHeaders: DEFAULT_LIMITS.maxHeaders + 1 });
  if (!again.ok) throw new Error(`written again it is refused: ${again.error.message}`);
  deepStrictEqual(facts(again.message), facts(message));
}

function readEverything(message: SipMessage): void {
  parseUri(message.uri);
  for (const name of new Set(message.headers.map(({ key }) => key))) {
    for (const item of message.getList(name)) {
      parseCSeq(item);
      const via = parseVia(item);
      if (via) formatVia(via);
      const address = parseNameAddr(item);
      if (!address) continue;
      formatNameAddr(address);
      const uri = parseUri(address.uri);
      if (uri) formatUri(uri);
    }
  }
  message.clone().toString();
}

function facts(message: SipMessage): unknown {
  // Control characters of a reason phrase are not written again.
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for.
  const reason = message.reason.replace(/[\x00-\x1f\x7f]+/g, ' ').trim();
  const headers = message.headers.filter(({ key }) => key !== 'content-length');
  return {
    line: [message.method, message.uri, message.status, reason],
    headers: headers.map(({ name, value }) => [name, value]),
    body: message.body.toString('latin1'),
  };
}

/** Framer: pieces give what the whole gives, and the buffer is bounded. */
export function framerTarget(bytes: Buffer, random: Random): void {
  const limits = { maxHeadBytes: 8192, maxBodyBytes: 4096, maxHeaders: 100 };
  const whole = new StreamFramer(limits);
  const framed = whole.push(Buffer.from(bytes));
  const pieces = new StreamFramer(limits);
  const found: string[] = [];
  let fault: string | undefined;
  for (let at = 0; at < bytes.length && fault === undefined; ) {
    const end = Math.min(bytes.length, at + 1 + random.below(random.below(200) + 1));
    const part = pieces.push(Buffer.from(bytes.subarray(at, end)));
    found.push(...part.messages.map((message) => message.toString('latin1')));
    fault = part.fault;
    if (pieces.bufferedBytes > limits.maxHeadBytes + limits.maxBodyBytes + 4)
      throw new Error('the buffer is not bounded');
    at = end;
  }
  const wanted = framed.messages.map((message) => message.toString('latin1'));
  // A fault may be seen earlier or later in pieces; what was cut before it is the same.
  const common =
    fault === undefined && framed.fault === undefined ? wanted.length : Math.min(wanted.length, found.length);
  deepStrictEqual(found.slice(0, fault === undefined ? undefined : common), wanted.slice(0, common));
}
