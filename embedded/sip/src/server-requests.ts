import { parseNameAddr, parseUri, tagOf } from './address.js';
import type { InvalidNames } from './invalid-names.js';
import type { SipMessage } from './message.js';
import { ownText } from './own-text.js';
import { responseEndpoint, stampReceived } from './received.js';
import { RetiredTransactions } from './retired-transactions.js';
import { type ServerHost, ServerTransaction } from './server-transaction.js';
import { ShortLivedMap } from './short-lived-map.js';
import type { SourceLimits } from './source-limits.js';
import { addTo, isInvalidName, type MessageSource, type TransportCounts } from './transport.js';
import { parseCSeq, type Via } from './via.js';
import type { Wire } from './wire.js';

/** What the server transactions of a layer share with its other parts. */
export type ServerSurroundings = Pick<ServerHost, 'timers' | 'clock' | 'counters' | 'listenerFailed'> & {
  wire: Wire;
  sourceLimits: SourceLimits | undefined;
};

/** Who answers the requests. */
export interface ServerUser {
  /** A new request; an INVITE has been answered with 100. False when nobody takes it. */
  request(transaction: ServerTransaction): boolean;
  /** The first ACK of a 2xx. */
  ack(ack: SipMessage, source: MessageSource, invite: ServerTransaction): void;
  /** The ACK of a 2xx that is not ours. */
  strayAck(ack: SipMessage, source: MessageSource): void;
}

/** Requests that are received: what belongs to a known one (RFC 3261 §17.2.3, §9.2), and the table of their transactions. */
export class ServerRequests {
  private readonly transactions = new ShortLivedMap<string, ServerTransaction>();
  /** INVITE server transactions whose 2xx waits for an ACK, by dialog and CSeq. */
  private readonly awaitingAck = new ShortLivedMap<string, ServerTransaction>();
  /** INVITEs whose 2xx is acknowledged, and other requests with a final response: each kind lingers equally long. */
  private readonly acknowledged: RetiredTransactions;
  private readonly answered: RetiredTransactions;
  private readonly host: ServerHost;

  constructor(
    private readonly around: ServerSurroundings,
    private readonly user: ServerUser,
  ) {
    const { wire, sourceLimits, ...shared } = around;
    this.acknowledged = new RetiredTransactions(shared.clock);
    this.answered = new RetiredTransactions(shared.clock);
    this.host = {
      ...shared,
      transmitResponse: (bytes, { responseTo, source }, done) => wire.transmit(bytes, responseTo, source, done),
      awaitAck: (transaction, response) => {
        transaction.ackKey = ackKey(response);
        this.awaitingAck.set(transaction.ackKey, transaction);
      },
      retire: (transaction, answer, lingerMs) => this.retire(transaction, answer, lingerMs),
      answered: (transaction, status) => {
        sourceLimits?.noteAnswer(transaction.source.host, status, transaction.method);
        if (status >= 200) this.noteClosed(transaction);
        if (status >= 200 && status < 300 && transaction.method === 'REGISTER') this.proveNames(transaction);
      },
      serverEnded: (transaction) => {
        this.noteClosed(transaction);
        this.retiredOf(transaction.method).delete(transaction.key);
        this.forget(transaction);
      },
    };
  }

  /** Live transactions. */
  get size(): number {
    return this.transactions.size + this.acknowledged.size + this.answered.size;
  }

  /** Adds the live transactions to the counts of their transports. Looks at each. */
  countInto(counts: TransportCounts): void {
    for (const live of [this.transactions, this.acknowledged, this.answered]) {
      for (const { source } of live.values()) addTo(counts, source.transport);
    }
  }

  /** Takes a request off the wire. */
  receive(request: SipMessage, source: MessageSource): void {
    const via = stampReceived(request, source);
    const { connectionId } = source;
    if (connectionId !== undefined && isInvalidName(via.host)) this.namesAt(source)?.say(via.host, connectionId);
    const key = serverKey(request, via);
    const known = this.transactions.get(key);
    if (request.method === 'ACK') this.receiveAck(request, source, known, key);
    else if (known) known.receiveAgain();
    else if (!this.receiveRepeated(request, key)) this.start(request, source, key, via);
  }

  /** Forgets all transactions. */
  close(): void {
    for (const transaction of [...this.transactions.values()]) transaction.destroy();
    this.acknowledged.clear();
    this.answered.clear();
  }

  private start(request: SipMessage, source: MessageSource, key: string, via: Via): void {
    const transaction = new ServerTransaction(this.host, key, request, source);
    transaction.responseTo = responseEndpoint(via, source);
    this.transactions.set(key, transaction);
    if (request.method === 'CANCEL') {
      this.receiveCancel(transaction, via);
      return;
    }
    transaction.openAt = this.around.sourceLimits?.noteOpen(source.host);
    if (request.method === 'INVITE') transaction.reply(100);
    if (!this.user.request(transaction)) transaction.reply(503);
  }

  private namesAt(source: MessageSource): InvalidNames | undefined {
    return this.around.wire.points.transports.find(({ local }) => local === source.local)?.names;
  }

  /** Who answers a REGISTER with success has checked whose it is: the made-up names in it are those of its address of record. */
  private proveNames({ request, source }: ServerTransaction): void {
    const { connectionId } = source;
    const names = this.namesAt(source);
    if (connectionId === undefined || !names) return;
    const { user = '', host = '' } = parseUri(parseNameAddr(request.get('To') ?? '')?.uri ?? '') ?? {};
    const contacts = request.getList('Contact').map((contact) => parseUri(parseNameAddr(contact)?.uri ?? '')?.host);
    for (const name of new Set([request.topVia?.host, ...contacts])) {
      if (name !== undefined && isInvalidName(name)) names.prove(name, connectionId, `${user}@${host.toLowerCase()}`);
    }
  }

  private noteClosed(transaction: ServerTransaction): void {
    if (transaction.openAt) this.around.sourceLimits?.noteClosed(transaction.openAt);
    transaction.openAt = undefined;
  }

  /** RFC 3261 §17.2.3 for failures; §13.3.1.4 for 2xx, found by dialog since their ACK is a transaction of its own. */
  private receiveAck(ack: SipMessage, source: MessageSource, known: ServerTransaction | undefined, key: string): void {
    const invite = known ?? this.awaitingAck.get(ackKey(ack));
    // Some peers send the ACK of a 2xx with the branch of the INVITE.
    if (!invite || (invite.state === 'accepted' && invite.isForwarded)) {
      const isRepeat = !invite && (this.acknowledged.get(key) ?? this.acknowledged.ofAck(ackKey(ack)));
      if (isRepeat) this.host.counters.countRepeat('received', source.transport);
      else this.user.strayAck(ack, source);
      return;
    }
    const first = invite.state === 'accepted' && !invite.acknowledged;
    invite.receiveAck(ack);
    if (first) this.user.ack(ack, source, invite);
  }

  /** RFC 3261 §9.2. */
  private receiveCancel(cancel: ServerTransaction, via: Via): void {
    const key = serverKey(cancel.request, via, 'INVITE');
    const invite = this.transactions.get(key);
    const known = invite ?? this.acknowledged.get(key);
    if (!known) {
      this.host.counters.strayCancels++;
      cancel.reply(481);
      return;
    }
    cancel.localTag = known.localTag;
    cancel.reply(200);
    invite?.receiveCancel(cancel.request);
  }

  /** A repeat of a request that is done; false when it is none. */
  private receiveRepeated({ method }: SipMessage, key: string): boolean {
    const { counters } = this.host;
    const retired = this.retiredOf(method).get(key);
    if (!retired) return false;
    counters.countRepeat('received', retired.source.transport);
    if (retired.answer !== undefined) {
      counters.countRepeat('sent', retired.source.transport);
      this.around.wire.transmit(Buffer.from(retired.answer, 'latin1'), retired.to, retired.source);
    }
    return true;
  }

  private retire(transaction: ServerTransaction, answer: Buffer | undefined, lingerMs: number): void {
    const { key, ackKey, responseTo: to, source, localTag, method } = transaction;
    this.forget(transaction);
    const retired = {
      key: ownText(key),
      ackKey: ackKey === undefined ? undefined : ownText(ackKey),
      answer: answer?.toString('latin1'),
      to,
      source,
      localTag: ownText(localTag),
      endsAtMs: 0,
    };
    this.retiredOf(method).add(retired, lingerMs);
  }

  private forget({ key, ackKey }: ServerTransaction): void {
    this.transactions.delete(key);
    if (ackKey !== undefined) this.awaitingAck.delete(ackKey);
  }

  private retiredOf(method: string): RetiredTransactions {
    return method === 'INVITE' ? this.acknowledged : this.answered;
  }
}

/** RFC 3261 §17.2.3: branch and sent-by, or, for peers of RFC 2543, what their messages have in common. */
function serverKey(request: SipMessage, via: Via, asMethod?: string): string {
  const method = asMethod ?? (request.method === 'ACK' ? 'INVITE' : request.method);
  if (via.branch.startsWith('z9hG4bK')) return `${via.branch}|${via.host}:${via.port ?? ''}|${method}`;
  const seq = parseCSeq(request.get('CSeq')!)?.seq;
  return `2543|${request.get('Call-ID')}|${tagOf(request.get('From'))}|${seq}|${via.host}:${via.port ?? ''}|${method}`;
}

/** What a 2xx and its ACK share. */
function ackKey(message: SipMessage): string {
  const seq = parseCSeq(message.get('CSeq') ?? '')?.seq;
  return `${message.get('Call-ID')}|${tagOf(message.get('From'))}|${tagOf(message.get('To'))}|${seq}`;
}
