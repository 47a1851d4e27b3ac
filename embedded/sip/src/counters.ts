import type { SipParseReason } from './errors.js';
import { addTo, type CloseReason, type TransportCounts, type TransportName } from './transport.js';

/** What happened on the wire since the start; read by metrics, written by the layer. All are counts of messages but the gauges. */
export class SipCounters {
  requestsReceived = 0;
  requestsSent = 0;
  responsesReceived = 0;
  responsesSent = 0;
  /** Bytes that were no acceptable message, by reason. */
  readonly parseErrors: Partial<Record<SipParseReason, number>> = {};
  /** Messages that came, or were sent, again, by transport. */
  readonly repeats: Record<'received' | 'sent', TransportCounts> = { received: {}, sent: {} };
  /** Responses that belong to no transaction. */
  strayResponses = 0;
  /** ACKs that belong to no INVITE. */
  strayAcks = 0;
  /** CANCELs that belong to no INVITE. */
  strayCancels = 0;
  /** Datagrams or stream messages over the size limits. */
  oversize = 0;
  transportErrors = 0;
  timeouts = 0;
  /** Requests that went on to the next address of their next hop, or from TCP back to UDP. */
  failovers = 0;
  /** Events that a transaction ignores in its state. */
  ignoredEvents = 0;
  /** Exceptions thrown by listeners of the layer; each is a bug above it. */
  listenerErrors = 0;
  connectionsRefused = 0;
  keepAlives = 0;
  /** Connections that we closed or did not take, by reason. */
  readonly connectionsClosed: Partial<Record<CloseReason, number>> = {};

  countClosed(reason: CloseReason): void {
    this.connectionsClosed[reason] = (this.connectionsClosed[reason] ?? 0) + 1;
  }

  countRepeat(direction: 'received' | 'sent', transport: TransportName): void {
    addTo(this.repeats[direction], transport);
  }

  /** Over all transports. */
  get retransmissionsReceived(): number {
    return sum(this.repeats.received);
  }

  get retransmissionsSent(): number {
    return sum(this.repeats.sent);
  }

  countParseError(reason: SipParseReason): void {
    this.parseErrors[reason] = (this.parseErrors[reason] ?? 0) + 1;
    if (reason === 'too-large') this.oversize++;
  }

  /** Sum over all reasons. */
  get parseErrorTotal(): number {
    return sum(this.parseErrors);
  }
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
