import { EventEmitter } from 'node:events';
import { ClientRequests } from './client-requests.js';
import type { ClientTransaction } from './client-transaction.js';
import { SipCounters } from './counters.js';
import type { SipParseError } from './errors.js';
import type { SipMessage } from './message.js';
import type { ResolverOptions } from './resolver.js';
import { ServerRequests } from './server-requests.js';
import type { ServerTransaction } from './server-transaction.js';
import { makeTimers, type SipClock, type SipTimers, systemClock } from './timers.js';
import { addTo, type Endpoint, type MessageSource, type TransportCounts } from './transport.js';
import { Wire, type WireOptions } from './wire.js';

export interface TransactionLayerOptions extends WireOptions {
  timers?: Partial<SipTimers>;
  clock?: SipClock;
  counters?: SipCounters;
  /** How names of next hops are looked up. */
  dns?: ResolverOptions;
  /** Larger requests go over TCP where the URI leaves it open (RFC 3261 §18.1.1). @defaultValue 1300 */
  maxDatagramBytes?: number;
}

/** Events of {@link TransactionLayer}. */
export interface TransactionLayerEvents {
  /** A new request; an INVITE has been answered with 100. Answer with `respond`. */
  request: [ServerTransaction];
  /** The ACK of a 2xx, first time; `transaction` when its INVITE is known. */
  ack: [SipMessage, MessageSource, ServerTransaction | undefined];
  /** An ACK that belongs to no INVITE of ours: of a 2xx that was forwarded, or late. Without a listener it is counted. */
  strayAck: [SipMessage, MessageSource];
  /** A response that belongs to no transaction. */
  stray: [SipMessage, MessageSource];
  /** A request was not taken by the transport, or its connection is lost; it may go on at another address (counted too). */
  transportFailed: [Error, ClientTransaction];
  /** A connection is over. */
  connectionEnded: [connectionId: number];
  /** A listener above the layer threw: a bug there; the layer goes on. */
  listenerError: [unknown];
  /** Bytes that were no acceptable message (counted too). */
  garbage: [SipParseError, MessageSource];
}

/** RFC 3261 §17 and §18: transports, transactions and the matching between them. */
export class TransactionLayer extends EventEmitter<TransactionLayerEvents> {
  readonly counters: SipCounters;
  readonly timers: SipTimers;
  private readonly wire: Wire;
  private readonly clients: ClientRequests;
  private readonly servers: ServerRequests;

  constructor(options: TransactionLayerOptions) {
    super();
    this.counters = options.counters ?? new SipCounters();
    this.timers = makeTimers(options.timers);
    const { timers, counters } = this;
    const clock = options.clock ?? systemClock;
    this.wire = new Wire(options, counters, clock, {
      request: (request, source) => this.servers.receive(request, source),
      response: (response, source) => this.receiveResponse(response, source),
      garbage: (error, source) => {
        if (this.listenerCount('garbage') > 0) this.tell(() => this.emit('garbage', error, source));
      },
      isAwaited: (connectionId) => this.clients.isAwaited(connectionId),
      connectionEnded: (connectionId, cause) => {
        this.clients.connectionEnded(connectionId, cause);
        if (this.listenerCount('connectionEnded') > 0) this.tell(() => this.emit('connectionEnded', connectionId));
      },
    });
    const { wire } = this;
    const shared = { timers, clock, counters, wire, listenerFailed: (error: unknown) => this.listenerFailed(error) };
    const transportFailed = (transaction: ClientTransaction, cause: Error): void =>
      this.tell(() => this.emit('transportFailed', cause, transaction));
    this.clients = new ClientRequests(
      { ...shared, transportFailed },
      options.dns ?? {},
      options.maxDatagramBytes ?? 1300,
    );
    this.servers = new ServerRequests(
      { ...shared, sourceLimits: options.sourceLimits },
      {
        request: (transaction) => this.receiveRequest(transaction),
        ack: (ack, source, invite) => this.tell(() => this.emit('ack', ack, source, invite)),
        strayAck: (ack, source) => {
          if (this.listenerCount('strayAck') === 0) counters.strayAcks++;
          else this.tell(() => this.emit('strayAck', ack, source));
        },
      },
    );
  }

  /** Opens the sockets. @throws the socket's error when an address is taken; what was opened is closed again. */
  async start(): Promise<void> {
    await this.wire.open();
  }

  /** Closes the sockets and forgets all transactions. */
  async stop(): Promise<void> {
    this.clients.close();
    this.servers.close();
    await this.wire.close();
  }

  /** The addresses as peers reach them (what Via and Contact say), in the order of `listen`. */
  get addresses(): readonly Endpoint[] {
    return this.wire.points.addresses;
  }

  /** Live transactions; both return to 0 when the timers have run out. */
  get gauges(): { clientTransactions: number; serverTransactions: number } {
    return { clientTransactions: this.clients.size, serverTransactions: this.servers.size };
  }

  /** Live transactions and open connections of each transport that is listened on. Looks at each transaction. */
  get byTransport(): Record<'client' | 'server' | 'connections', TransportCounts> {
    const { transports } = this.wire.points;
    const none = (): TransportCounts => Object.fromEntries(transports.map(({ local }) => [local.transport, 0]));
    const counts = { client: none(), server: none(), connections: none() };
    this.clients.countInto(counts.client);
    this.servers.countInto(counts.server);
    for (const { local, connectionCount } of transports)
      addTo(counts.connections, local.transport, connectionCount ?? 0);
    return counts;
  }

  /** Whether a connection is open. */
  holds(connectionId: number): boolean {
    return this.wire.points.transports.some((transport) => transport.holds?.(connectionId) === true);
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.wire.connectionCount;
  }

  /**
   * Our address over a transport, or of the first listener.
   * @param peerHost whom it is told: decides between several listeners, and between local and external address
   * @param localPort rather the listener on this port
   */
  addressFor(transport: Endpoint['transport'], peerHost?: string, local?: Endpoint): Endpoint {
    return this.wire.addressFor(transport, peerHost, local);
  }

  /** Whether a host (without brackets) and port name one of our sockets, on any transport. */
  isOwnAddress(host: string, port: number): boolean {
    return this.wire.points.owns(host, port);
  }

  /**
   * Starts a client transaction. The layer puts its Via on top of the message, and Max-Forwards when there is none; the
   * caller must not change the message afterwards. Where nothing can be sent, 'transportError' comes.
   * @param options.branchSuffix what the branches of its Vias end in: a proxy's loop detection
   */
  sendRequest(request: SipMessage, options: { destination?: Endpoint; branchSuffix?: string } = {}): ClientTransaction {
    return this.clients.send(request, options.destination, options.branchSuffix);
  }

  /** Sends the ACK of a 2xx (no transaction). Send the same message again for a repeated 2xx with {@link resend}. */
  sendAck(ack: SipMessage, destination?: Endpoint): void {
    this.clients.sendAck(ack, destination);
  }

  /** Sends an ACK again, byte for byte. */
  resend(ack: SipMessage, destination?: Endpoint): void {
    this.clients.resend(ack, destination);
  }

  private receiveResponse(response: SipMessage, source: MessageSource): void {
    if (this.clients.receive(response)) return;
    this.counters.strayResponses++;
    this.tell(() => this.emit('stray', response, source));
  }

  private receiveRequest(transaction: ServerTransaction): boolean {
    if (this.listenerCount('request') === 0) return false;
    this.tell(() => this.emit('request', transaction));
    return true;
  }

  private tell(emit: () => void): void {
    try {
      emit();
    } catch (error) {
      this.listenerFailed(error);
    }
  }

  private listenerFailed(error: unknown): void {
    this.counters.listenerErrors++;
    this.emit('listenerError', error);
  }
}
