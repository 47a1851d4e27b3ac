import { tagOf } from './address.js';
import type { SipMessage } from './message.js';
import { stampReceived } from './received.js';
import { type ServerHost, ServerTransaction } from './server-transaction.js';
import type { SourceLimits } from './source-limits.js';
import { isInvalidName, type MessageSource } from './transport.js';
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
}

/** Requests that are received: what belongs to a known one (RFC 3261 §17.2.3, §9.2), and the table of their transactions. */
export class ServerRequests {
  private readonly transactions = new Map<string, ServerTransaction>();
  /** INVITE server transactions whose 2xx waits for an ACK, by dialog and CSeq. */
  private readonly awaitingAck = new Map<string, ServerTransaction>();
  private readonly host: ServerHost;

  constructor(
    private readonly around: ServerSurroundings,
    private readonly user: ServerUser,
  ) {
    const { wire, sourceLimits, ...shared } = around;
    this.host = {
      ...shared,
      transmitResponse: (bytes, { request, source }, done) => wire.transmitResponse(bytes, request, source, done),
      awaitAck: (transaction, response) => this.awaitingAck.set(ackKey(response), transaction),
      answered: (transaction, status) => {
        sourceLimits?.noteAnswer(transaction.source.host, status, transaction.method);
        if (status >= 200) this.noteClosed(transaction);
      },
      serverEnded: (transaction) => {
        this.noteClosed(transaction);
        this.transactions.delete(transaction.key);
        if (transaction.finalResponse) this.awaitingAck.delete(ackKey(transaction.finalResponse));
      },
    };
  }

  /** Live transactions. */
  get size(): number {
    return this.transactions.size;
  }

  /** Takes a request off the wire. */
  receive(request: SipMessage, source: MessageSource): void {
    const via = stampReceived(request, source);
    const { connectionId } = source;
    if (connectionId !== undefined && isInvalidName(via.host)) {
      const { transports } = this.around.wire.points;
      transports.find((t) => t.local === source.local)?.alias?.(via.host, connectionId);
    }
    const key = serverKey(request, via);
    const known = this.transactions.get(key);
    if (request.method === 'ACK') this.receiveAck(request, source, known);
    else if (known) known.receiveAgain();
    else this.start(request, source, key, via);
  }

  /** Forgets all transactions. */
  close(): void {
    for (const transaction of [...this.transactions.values()]) transaction.destroy();
  }

  private start(request: SipMessage, source: MessageSource, key: string, via: Via): void {
    const transaction = new ServerTransaction(this.host, key, request, source);
    this.transactions.set(key, transaction);
    if (request.method === 'CANCEL') {
      this.receiveCancel(transaction, via);
      return;
    }
    transaction.openAt = this.around.sourceLimits?.noteOpen(source.host);
    if (request.method === 'INVITE') transaction.reply(100);
    if (!this.user.request(transaction)) transaction.reply(503);
  }

  private noteClosed(transaction: ServerTransaction): void {
    if (transaction.openAt) this.around.sourceLimits?.noteClosed(transaction.openAt);
    transaction.openAt = undefined;
  }

  /** RFC 3261 §17.2.3 for failures; §13.3.1.4 for 2xx, found by dialog since their ACK is a transaction of its own. */
  private receiveAck(ack: SipMessage, source: MessageSource, known: ServerTransaction | undefined): void {
    const invite = known ?? this.awaitingAck.get(ackKey(ack));
    if (!invite) {
      this.host.counters.strayAcks++;
      return;
    }
    const first = invite.state === 'accepted' && !invite.acknowledged;
    invite.receiveAck(ack);
    if (first) this.user.ack(ack, source, invite);
  }

  /** RFC 3261 §9.2. */
  private receiveCancel(cancel: ServerTransaction, via: Via): void {
    const invite = this.transactions.get(serverKey(cancel.request, via, 'INVITE'));
    if (!invite) {
      this.host.counters.strayCancels++;
      cancel.reply(481);
      return;
    }
    cancel.localTag = invite.localTag;
    cancel.reply(200);
    invite.receiveCancel(cancel.request);
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
