import { ControlLink } from './control-link.js';
import type { Random } from './random.js';

const SDP = 'v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n';
const WITH_SDP = `Content-Type: application/sdp\r\n\r\n${SDP}`;
const METHODS = 'invite ack bye cancel options register info prack update refer subscribe notify message publish';
/** Dialogs that it keeps; older ones are hung up. */
const MAX_DIALOGS = 50;

/** Ways to answer an INVITE; each line of a list is a response of its own. */
const INVITE_ANSWERS = [
  [`SIP/2.0 200 OK\r\n${WITH_SDP}`],
  ['SIP/2.0 180 Ringing\r\n\r\n', `SIP/2.0 200 OK\r\n${WITH_SDP}`],
  [`SIP/2.0 183 Session Progress\r\nRequire: 100rel\r\n${WITH_SDP}`, 'SIP/2.0 486 Busy Here\r\n\r\n'],
  [`SIP/2.0 183 Session Progress\r\nRequire: 100rel\r\n${WITH_SDP}`, `SIP/2.0 200 OK\r\n${WITH_SDP}`],
  ['SIP/2.0 302 Moved Temporarily\r\nContact: <sip:x@127.0.0.1>\r\n\r\n'],
  ['SIP/2.0 401 Unauthorized\r\nWWW-Authenticate: Digest realm="r", nonce="n"\r\n\r\n'],
  ['SIP/2.0 486 Busy Here\r\n\r\n', 'SIP/2.0 200 OK\r\n\r\n'],
  [`SIP/2.0 200 OK\r\nRequire: timer\r\nSession-Expires: 90;refresher=uas\r\n${WITH_SDP}`],
];

/** Requests inside dialogs. */
const IN_DIALOG = [
  'BYE sip:placeholder SIP/2.0\r\n\r\n',
  `INVITE sip:placeholder SIP/2.0\r\n${WITH_SDP}`,
  `UPDATE sip:placeholder SIP/2.0\r\n${WITH_SDP}`,
  'INFO sip:placeholder SIP/2.0\r\nContent-Type: application/dtmf-relay\r\n\r\nSignal=1\r\n',
  'NOTIFY sip:placeholder SIP/2.0\r\nEvent: refer\r\nSubscription-State: active\r\n\r\n',
  'REFER sip:placeholder SIP/2.0\r\nRefer-To: <sip:x@127.0.0.1>\r\n\r\n',
];

/**
 * An application of the server under test: answers every request in one of many ways, calls the peer now and then, does
 * things inside the calls that come about, and hangs them up in the end.
 */
export class Application {
  /** Transactions and dialogs that it heard of last: what a mutated command may name. */
  readonly ids: string[] = [];
  private readonly dialogs: string[] = [];
  private commands = 0;
  private link: ControlLink | undefined;

  /** @param peerPort where calls of its own go */
  constructor(
    private readonly controlPort: number,
    private readonly secret: string,
    private readonly peerPort: number,
  ) {}

  async connect(): Promise<void> {
    this.link = await ControlLink.open(this.controlPort, this.secret, (frame) => this.hear(frame));
    for (const method of METHODS.split(' ')) this.link.send(`r|route|${method}`);
  }

  /** What it had is lost with its connection: the server has to end it. */
  async disconnect(): Promise<void> {
    await this.link?.close();
    this.dialogs.length = 0;
    this.ids.length = 0;
  }

  /** Something of its own accord. */
  act(random: Random): void {
    const dialog = this.dialogs.length > 0 ? random.pick(this.dialogs) : undefined;
    if (dialog !== undefined && random.below(3) > 0) this.sip('', dialog, random.pick(IN_DIALOG));
    else if (random.below(4) > 0) {
      this.sip('', '', `INVITE sip:peer@127.0.0.1:${this.peerPort} SIP/2.0\r\n${WITH_SDP}`);
    } else this.sip('', '', `OPTIONS sip:peer@127.0.0.1:${this.peerPort} SIP/2.0\r\n\r\n`);
    while (this.dialogs.length > MAX_DIALOGS) this.sip('', this.dialogs.shift()!, IN_DIALOG[0]!);
  }

  private sip(transactionId: string, dialogId: string, message: string): void {
    this.link?.send(`c${this.commands++}|sip|${transactionId}|${dialogId}\r\n${message}`);
  }

  private hear(frame: string): void {
    const [line = ''] = frame.split('\r\n', 1);
    const parts = line.split('|');
    if (parts[1] === 'response') {
      // `uuid|response|msgId|OK|application|…|transactionId|dialogId||Msg sent:|`
      if (parts[4] === 'application') this.remember(parts[10], parts[11], frame);
      return;
    }
    const message = frame.slice(line.length + 2);
    if (message.startsWith('SIP/')) {
      this.remember(parts[8], parts[9], frame);
      return;
    }
    const transactionId = parts[8] ?? '';
    const method = message.slice(0, message.indexOf(' '));
    if (method === 'ACK' || method === 'CANCEL') return;
    this.remember(transactionId, undefined, frame);
    const answers = method === 'INVITE' ? INVITE_ANSWERS[message.length % INVITE_ANSWERS.length]! : undefined;
    for (const answer of answers ?? ['SIP/2.0 200 OK\r\n\r\n']) this.sip(transactionId, '', answer);
  }

  private remember(transactionId: string | undefined, dialogId: string | undefined, frame: string): void {
    for (const id of [transactionId, dialogId]) if (id) this.ids.push(id);
    if (this.ids.length > 100) this.ids.splice(0, 50);
    const makesDialog = frame.includes('\r\nSIP/2.0 200') && /\r\nCSeq: \d+ INVITE/i.test(frame);
    if (dialogId && makesDialog && !this.dialogs.includes(dialogId)) this.dialogs.push(dialogId);
  }
}
