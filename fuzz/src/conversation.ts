import { parseCSeq, parseMessage, type SipMessage } from '@ringwire/sip';
import type { Random } from './random.js';

const SDP = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4002 RTP/AVP 0\r\n';
const MAX_HEARD = 64;
const STATUSES = ['100 Trying', '180 Ringing', '183 Session Progress', '200 OK', '202 Accepted', '302 Moved', '401 No'];
const FAILURES = [
  '404 Not Found',
  '407 No',
  '481 Gone',
  '486 Busy Here',
  '487 Terminated',
  '491 Pending',
  '503 No',
  '600 No',
];
const FOLLOWING = ['ACK', 'ACK', 'BYE', 'INVITE', 'UPDATE', 'INFO', 'PRACK', 'CANCEL', 'NOTIFY', 'REFER', 'OPTIONS'];

/**
 * The far side of live calls: keeps what the server said last, and makes of it what a peer might say next. Thus inputs
 * have the branches, tags and Call-IDs of transactions and dialogs that exist.
 */
export class Conversation {
  private readonly heard: SipMessage[] = [];
  private sent = 0;

  constructor(private readonly port: () => number) {}

  hear(bytes: Buffer): void {
    const parsed = parseMessage(bytes);
    if (!parsed.ok) return;
    this.heard.push(parsed.message);
    if (this.heard.length > MAX_HEARD) this.heard.splice(0, MAX_HEARD / 2);
  }

  /** The next message; undefined while nothing was heard. */
  next(random: Random): Buffer | undefined {
    if (this.heard.length === 0) return undefined;
    const message = random.pick(this.heard);
    const text = message.isRequest ? this.answer(message, random) : this.goOn(message, random);
    return Buffer.from(text, 'latin1');
  }

  private answer(request: SipMessage, random: Random): string {
    const status = random.below(3) > 0 ? random.pick(STATUSES) : random.pick(FAILURES);
    const to = request.get('To') ?? '';
    const tagged = /;\s*tag=/i.test(to) || status.startsWith('100') ? to : `${to};tag=peer${random.below(3)}`;
    const reliable = random.below(4) === 0 ? [`Require: 100rel`, `RSeq: ${1 + random.below(3)}`] : [];
    return this.format([
      `SIP/2.0 ${status}`,
      ...request.getAll('Via').map((via) => `Via: ${via}`),
      ...request.getAll('Record-Route').map((route) => `Record-Route: ${route}`),
      `From: ${request.get('From')}`,
      `To: ${tagged}`,
      `Call-ID: ${request.get('Call-ID')}`,
      `CSeq: ${request.get('CSeq')}`,
      ...reliable,
    ]);
  }

  private goOn(response: SipMessage, random: Random): string {
    const method = random.pick(FOLLOWING);
    const seq = parseCSeq(response.get('CSeq') ?? '');
    const same = method === 'ACK' || method === 'CANCEL';
    const via = response.getList('Via')[0] ?? '';
    const branch = /branch=([^;]*)/.exec(via)?.[1] ?? 'z9hG4bKx';
    const target = /<([^>]*)>/.exec(response.get('Contact') ?? '')?.[1] ?? 'sip:100@127.0.0.1';
    return this.format([
      `${method} ${target} SIP/2.0`,
      same && random.below(2) === 0
        ? `Via: ${via.replace(/;(?:received|rport)(?:=[^;]*)?/g, '')};rport`
        : `Via: SIP/2.0/UDP 127.0.0.1:${this.port()};branch=${random.below(8) === 0 ? branch : `z9hG4bKn${this.sent++}`};rport`,
      'Max-Forwards: 70',
      `From: ${response.get('From')}`,
      `To: ${response.get('To')}`,
      `Call-ID: ${response.get('Call-ID')}`,
      `CSeq: ${(seq?.seq ?? 1) + (same ? 0 : random.below(3))} ${method}`,
      ...(method === 'PRACK' ? [`RAck: ${response.get('RSeq') ?? 1} ${response.get('CSeq')}`] : []),
      ...(method === 'REFER' ? ['Refer-To: <sip:x@127.0.0.1>'] : []),
      ...(method === 'NOTIFY' ? ['Event: refer', 'Subscription-State: active'] : []),
    ]);
  }

  private format(lines: string[]): string {
    const body = /INVITE|UPDATE|200 OK|183/.test(lines[0]!) ? SDP : '';
    return [
      ...lines,
      `Contact: <sip:peer@127.0.0.1:${this.port()}>`,
      ...(body === '' ? [] : ['Content-Type: application/sdp']),
      `Content-Length: ${body.length}`,
      '',
      body,
    ].join('\r\n');
  }
}
