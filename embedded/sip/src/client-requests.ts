import { type ClientHost, ClientTransaction } from './client-transaction.js';
import { nextHop } from './destination.js';
import { newBranch } from './ids.js';
import { LargeRequests } from './large-requests.js';
import { SipMessage } from './message.js';
import { type ResolverOptions, SipResolver } from './resolver.js';
import { ShortLivedMap } from './short-lived-map.js';
import { addTo, type Endpoint, type TransportCounts, type TransportName } from './transport.js';
import { parseCSeq, parseVia } from './via.js';
import { NOWHERE, type Wire } from './wire.js';

/** What the client transactions of a layer share with its other parts. */
export type ClientSurroundings = Pick<
  ClientHost,
  'timers' | 'clock' | 'counters' | 'listenerFailed' | 'transportFailed'
> & { wire: Wire };

/** Requests that are sent: their Via, the addresses of their next hop (RFC 3263), and the table of their transactions. */
export class ClientRequests {
  private readonly transactions = new ShortLivedMap<string, ClientTransaction>();
  /** Those without final response, by the connection on which their request went out. */
  private readonly byConnection = new Map<number, ShortLivedMap<string, ClientTransaction>>();
  private readonly resolver: SipResolver;
  private readonly largeRequests: LargeRequests;
  private readonly host: ClientHost;
  private readonly wire: Wire;

  /** @param maxDatagramBytes larger requests go over TCP where the URI leaves it open */
  constructor(around: ClientSurroundings, dns: ResolverOptions, maxDatagramBytes: number) {
    const { wire, ...shared } = around;
    this.wire = wire;
    this.host = {
      ...shared,
      transmit: (bytes, to, done) => wire.transmit(bytes, to, undefined, done),
      startCancel: (cancel, destination) => this.startCancel(cancel, destination),
      sentOn: (transaction, connectionId) => this.await(transaction, connectionId),
      clientEnded: (transaction) => {
        this.transactions.delete(transaction.key);
        this.leaveConnection(transaction);
      },
      tryNext: (transaction, refusal) => this.tryNext(transaction, refusal),
    };
    const speaks = (transport: TransportName, family: 4 | 6): boolean => wire.points.speaks(transport, family);
    this.resolver = new SipResolver(dns, speaks);
    this.largeRequests = new LargeRequests(maxDatagramBytes, speaks);
  }

  /** Live transactions. */
  get size(): number {
    return this.transactions.size;
  }

  /** Adds the live transactions to the counts of their transports. Looks at each. */
  countInto(counts: TransportCounts): void {
    for (const { destination } of this.transactions.values()) addTo(counts, destination.transport);
  }

  /** Starts a transaction; see `TransactionLayer.sendRequest`. */
  send(
    request: SipMessage,
    destination: Endpoint | undefined = nextHop(request),
    branchSuffix = '',
  ): ClientTransaction {
    const branch = this.stampVia(request, destination, branchSuffix);
    if (!request.has('Max-Forwards')) request.add('Max-Forwards', '70');
    const transaction = this.add(request, branch, destination ?? NOWHERE);
    transaction.branchSuffix = branchSuffix;
    if (!destination || !SipResolver.isName(destination)) {
      this.begin(transaction, [transaction.destination]);
    } else {
      void this.targetsOf(destination).then((targets) => this.begin(transaction, targets));
    }
    return transaction;
  }

  /** Sends the ACK of a 2xx (no transaction). */
  sendAck(ack: SipMessage, destination: Endpoint | undefined = nextHop(ack)): void {
    this.stampVia(ack, destination);
    if (!ack.has('Max-Forwards')) ack.add('Max-Forwards', '70');
    this.host.counters.requestsSent++;
    this.transmitAck(ack, destination);
  }

  /** Sends an ACK again, byte for byte. */
  resend(ack: SipMessage, destination: Endpoint | undefined = nextHop(ack)): void {
    this.host.counters.countRepeat('sent', destination?.transport ?? 'udp');
    this.transmitAck(ack, destination);
  }

  /** Gives a response to its transaction (RFC 3261 §17.1.3); false when it belongs to none. */
  receive(response: SipMessage): boolean {
    const via = response.topVia;
    const method = parseCSeq(response.get('CSeq')!)?.method ?? '';
    const transaction = via && this.transactions.get(`${via.branch}|${method}`);
    transaction?.receive(response);
    if (transaction?.finalResponse) this.leaveConnection(transaction);
    return transaction !== undefined;
  }

  /** Whether a request that went out on this connection has no final response. */
  isAwaited(connectionId: number): boolean {
    return this.byConnection.has(connectionId);
  }

  /**
   * A connection is over: what went out on it failed (RFC 3261 §8.1.3.1, §17.1.4). Where the peer ended it in an orderly way
   * it may still answer over a connection of its own (§18.2.2).
   */
  connectionEnded(connectionId: number, cause: Error | undefined): void {
    const waiting = this.byConnection.get(connectionId);
    if (!waiting) return;
    this.byConnection.delete(connectionId);
    for (const transaction of [...waiting.values()]) {
      // It may begin anew on another connection.
      transaction.connectionId = undefined;
      if (cause) transaction.connectionLost(cause);
    }
  }

  /** Forgets all transactions. */
  close(): void {
    for (const transaction of [...this.transactions.values()]) transaction.destroy();
    this.resolver.close();
  }

  /** The ACK of a 2xx has no transaction that would go on: whatever address does not take it is followed by the next (RFC 3263 §4). */
  private transmitAck(ack: SipMessage, destination: Endpoint = NOWHERE): void {
    if (!SipResolver.isName(destination)) {
      this.wire.transmit(ack.toBuffer(), destination, undefined);
      return;
    }
    void this.targetsOf(destination).then((targets) => this.transmitAckTo(ack, destination.transport, targets));
  }

  private async targetsOf(destination: Endpoint): Promise<Endpoint[]> {
    const targets = await this.resolver.targets(destination);
    const { from } = destination;
    return from === undefined ? targets : targets.map((target) => ({ ...target, from }));
  }

  private transmitAckTo(ack: SipMessage, viaTransport: TransportName, targets: readonly Endpoint[]): void {
    const [target = NOWHERE, ...others] = targets;
    if (target !== NOWHERE && target.transport !== viaTransport) {
      ack.headers.find((header) => header.key === 'via')!.value = this.wire.viaFor(target, newBranch());
    }
    this.wire.transmit(ack.toBuffer(), target, undefined, (error) => {
      if (!error || others.length === 0) return;
      this.host.counters.failovers++;
      this.transmitAckTo(ack, target.transport, others);
    });
  }

  private stampVia(request: SipMessage, destination: Endpoint | undefined, branchSuffix = ''): string {
    const branch = newBranch(branchSuffix);
    request.prepend('Via', this.wire.viaFor(destination, branch));
    return branch;
  }

  private add(request: SipMessage, branch: string, destination: Endpoint): ClientTransaction {
    const key = `${branch}|${request.method}`;
    const transaction = new ClientTransaction(this.host, key, request, destination);
    this.transactions.set(key, transaction);
    return transaction;
  }

  private await(transaction: ClientTransaction, connectionId: number): void {
    this.leaveConnection(transaction);
    transaction.connectionId = connectionId;
    const waiting = this.byConnection.get(connectionId) ?? new ShortLivedMap();
    waiting.set(transaction.key, transaction);
    this.byConnection.set(connectionId, waiting);
  }

  private leaveConnection(transaction: ClientTransaction): void {
    const { connectionId } = transaction;
    if (connectionId === undefined) return;
    transaction.connectionId = undefined;
    const waiting = this.byConnection.get(connectionId);
    if (waiting?.delete(transaction.key) && waiting.size === 0) this.byConnection.delete(connectionId);
  }

  private startCancel(cancel: SipMessage, destination: Endpoint): ClientTransaction {
    const branch = parseVia(cancel.getList('Via')[0]!)?.branch ?? '';
    const transaction = this.add(cancel, branch, destination);
    transaction.start();
    return transaction;
  }

  /** Sends a new request to the first of its addresses; the others are for when that fails. */
  private begin(transaction: ClientTransaction, targets: readonly Endpoint[]): void {
    // Ended while its name was looked up.
    if (transaction.state !== 'initial') return;
    const [first = NOWHERE, ...others] = this.largeRequests.plan(targets, transaction.requestBytes);
    transaction.alternatives = others;
    if (first === transaction.destination) transaction.start();
    else this.moveTo(transaction, first);
  }

  /** A new branch for each address: to those there it is a new transaction (RFC 3263 §4.3). */
  private moveTo(transaction: ClientTransaction, target: Endpoint): void {
    const { request } = transaction;
    const branch = newBranch(transaction.branchSuffix);
    // Vias of proxied requests stand below ours and stay.
    request.headers.find((header) => header.key === 'via')!.value = this.wire.viaFor(target, branch);
    const key = `${branch}|${request.method}`;
    this.transactions.delete(transaction.key);
    this.transactions.set(key, transaction);
    this.leaveConnection(transaction);
    transaction.restart(key, target);
  }

  private tryNext(transaction: ClientTransaction, refusal: SipMessage | undefined): boolean {
    const next = transaction.alternatives.shift();
    if (!next) return false;
    const { key, destination, request } = transaction;
    this.host.counters.failovers++;
    this.largeRequests.failed(destination, refusal !== undefined);
    if (refusal) {
      const copy = SipMessage.request(request.method, request.uri);
      for (const { name, value } of request.headers) copy.add(name, value);
      const left = new ClientTransaction(this.host, key, copy, destination);
      this.moveTo(transaction, next);
      this.transactions.set(key, left);
      left.absorb(refusal);
    } else this.moveTo(transaction, next);
    return true;
  }
}
