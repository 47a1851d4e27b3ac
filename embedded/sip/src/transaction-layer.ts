import { EventEmitter } from 'node:events';
import { isIP } from 'node:net';
import { tagOf } from './address.js';
import { checkMessage, statusOfFault } from './check-message.js';
import { type ClientHost, ClientTransaction } from './client-transaction.js';
import { SipCounters } from './counters.js';
import { nextHop } from './destination.js';
import { SipParseError, SipStateError, SipTransportError } from './errors.js';
import { newBranch, newTag } from './ids.js';
import { LargeRequests } from './large-requests.js';
import { type ListenOptions, openListeners } from './listeners.js';
import { ListeningPoints } from './listening-points.js';
import { SipMessage } from './message.js';
import { DEFAULT_LIMITS, type ParseLimits, parseMessage } from './parse-message.js';
import { reasonPhrase } from './reasons.js';
import { type ResolverOptions, SipResolver } from './resolver.js';
import { createResponse } from './response.js';
import { type ServerHost, ServerTransaction } from './server-transaction.js';
import type { SourceLimits } from './source-limits.js';
import type { TcpLimits } from './tcp-transport.js';
import { makeTimers, type SipClock, type SipTimers, systemClock } from './timers.js';
import type { TlsSettings } from './tls-settings.js';
import {
  bracketed,
  type Endpoint,
  isInvalidName,
  type MessageSource,
  type TransportName,
  type TransportSink,
  unbracketed,
} from './transport.js';
import { formatVia, parseCSeq, parseVia, type Via } from './via.js';

export interface TransactionLayerOptions {
  /** Entries with port 0 on the same host share one free port over UDP and TCP. */
  listen: ListenOptions[];
  timers?: Partial<SipTimers>;
  clock?: SipClock;
  limits?: Partial<ParseLimits>;
  counters?: SipCounters;
  /** Needed for `tls` and `wss` entries of `listen`. */
  tls?: TlsSettings;
  /** How names of next hops are looked up. */
  dns?: ResolverOptions;
  /** Larger requests go over TCP where the URI leaves it open (RFC 3261 §18.1.1). @defaultValue 1300 */
  maxDatagramBytes?: number;
  /** Bounds of connections and their deadlines, of TLS and WebSocket too. */
  tcp?: Partial<TcpLimits>;
  /** What one address may do; without it there is no limit. */
  sourceLimits?: SourceLimits | undefined;
  /** How a request over a source's limit is answered: 503 with Retry-After, or not at all. @defaultValue '503' */
  overLimit?: '503' | 'drop';
}

/** Events of {@link TransactionLayer}. */
export interface TransactionLayerEvents {
  /** A new request; an INVITE has been answered with 100. Answer with `respond`. */
  request: [ServerTransaction];
  /** The ACK of a 2xx, first time; `transaction` when its INVITE is known. */
  ack: [SipMessage, MessageSource, ServerTransaction | undefined];
  /** A response that belongs to no transaction. */
  stray: [SipMessage, MessageSource];
  /** A listener above the layer threw: a bug there; the layer goes on. */
  listenerError: [unknown];
  /** Bytes that were no acceptable message (counted too). */
  garbage: [SipParseError, MessageSource];
}

/** RFC 3261 §17 and §18: transports, transactions and the matching between them. */
export class TransactionLayer extends EventEmitter<TransactionLayerEvents> {
  readonly counters: SipCounters;
  readonly timers: SipTimers;
  private readonly clock: SipClock;
  private readonly limits: ParseLimits;
  private points = new ListeningPoints([], []);
  private readonly resolver: SipResolver;
  private readonly largeRequests: LargeRequests;
  private readonly clients = new Map<string, ClientTransaction>();
  private readonly servers = new Map<string, ServerTransaction>();
  private readonly host: ClientHost & ServerHost;
  /** INVITE server transactions whose 2xx waits for an ACK, by dialog and CSeq. */
  private readonly awaitingAck = new Map<string, ServerTransaction>();

  constructor(private readonly options: TransactionLayerOptions) {
    super();
    this.counters = options.counters ?? new SipCounters();
    this.timers = makeTimers(options.timers);
    this.clock = options.clock ?? systemClock;
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.host = this.makeHost();
    const speaks = (transport: TransportName, family: 4 | 6): boolean => this.points.speaks(transport, family);
    this.resolver = new SipResolver(options.dns ?? {}, speaks);
    this.largeRequests = new LargeRequests(options.maxDatagramBytes ?? 1300, speaks);
  }

  /** Opens the sockets. @throws the socket's error when an address is taken; what was opened is closed again. */
  async start(): Promise<void> {
    let lastConnection = 0;
    const sink: TransportSink = {
      message: (bytes, source) => this.receive(bytes, source),
      unframeable: (reason, source) => this.garbage(new SipParseError(reason, 'stream'), source),
      keepAlive: () => this.counters.keepAlives++,
      refused: () => this.counters.connectionsRefused++,
      closed: (reason) => this.counters.countClosed(reason),
      guard: this.options.sourceLimits,
      nextConnectionId: () => ++lastConnection,
    };
    const { listen, tls } = this.options;
    const tcp = { limits: this.options.tcp, clock: this.clock };
    this.points = new ListeningPoints(await openListeners(listen, sink, this.limits, tcp, tls), listen);
  }

  /** The addresses as peers reach them (what Via and Contact say), in the order of `listen`. */
  get addresses(): readonly Endpoint[] {
    return this.points.addresses;
  }

  /** Live transactions; both return to 0 when the timers have run out. */
  get gauges(): { clientTransactions: number; serverTransactions: number } {
    return { clientTransactions: this.clients.size, serverTransactions: this.servers.size };
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.points.transports.reduce((sum, transport) => sum + (transport.connectionCount ?? 0), 0);
  }

  /**
   * Our address over a transport, or of the first listener.
   * @param peerHost whom it is told: decides between several listeners, and between local and external address
   * @param localPort rather the listener on this port
   */
  addressFor(transport: Endpoint['transport'], peerHost?: string, localPort?: number): Endpoint {
    const found = this.points.addressFor(transport, peerHost, localPort) ?? this.points.addresses[0];
    if (!found) throw new SipStateError('not started');
    return found;
  }

  /**
   * Starts a client transaction. The layer puts its Via on top of the message, and Max-Forwards when there is none; the
   * caller must not change the message afterwards. Where nothing can be sent, 'transportError' comes.
   */
  sendRequest(request: SipMessage, options: { destination?: Endpoint } = {}): ClientTransaction {
    const destination = options.destination ?? nextHop(request);
    const branch = this.stampVia(request, destination);
    if (!request.has('Max-Forwards')) request.add('Max-Forwards', '70');
    const transaction = this.addClient(request, branch, destination ?? NOWHERE);
    if (!destination || !SipResolver.isName(destination)) {
      this.begin(transaction, [transaction.destination]);
    } else {
      void this.resolver.targets(destination).then((targets) => this.begin(transaction, targets));
    }
    return transaction;
  }

  /** Sends the ACK of a 2xx (no transaction). Send the same message again for a repeated 2xx with {@link resend}. */
  sendAck(ack: SipMessage, destination: Endpoint | undefined = nextHop(ack)): void {
    this.stampVia(ack, destination);
    if (!ack.has('Max-Forwards')) ack.add('Max-Forwards', '70');
    this.counters.requestsSent++;
    this.transmitAck(ack, destination);
  }

  /** Sends an ACK again, byte for byte. */
  resend(ack: SipMessage, destination: Endpoint | undefined = nextHop(ack)): void {
    this.counters.retransmissionsSent++;
    this.transmitAck(ack, destination);
  }

  /** Closes the sockets and forgets all transactions. */
  async stop(): Promise<void> {
    for (const transaction of [...this.clients.values(), ...this.servers.values()]) transaction.destroy();
    this.resolver.close();
    const { transports } = this.points;
    // What is still sent is named after our addresses, and fails.
    this.points = this.points.closed();
    await Promise.all(transports.map((transport) => transport.close()));
  }

  private transmitAck(ack: SipMessage, destination: Endpoint = NOWHERE): void {
    if (!SipResolver.isName(destination)) {
      this.transmit(ack.toBuffer(), destination, undefined, () => {});
      return;
    }
    void this.resolver.targets(destination).then(([target = NOWHERE]) => {
      if (target.transport !== destination.transport) ack.set('Via', this.viaFor(target, newBranch()));
      this.transmit(ack.toBuffer(), target, undefined, () => {});
    });
  }

  private stampVia(request: SipMessage, destination: Endpoint | undefined): string {
    const branch = newBranch();
    request.prepend('Via', this.viaFor(destination, branch));
    return branch;
  }

  private viaFor(destination: Endpoint | undefined, branch: string): string {
    const transport = destination?.transport ?? 'udp';
    const socket = destination && this.points.choose(destination);
    const { host, port } = socket
      ? this.points.advertised(socket, destination.host)
      : this.addressFor(transport, destination?.host);
    return `SIP/2.0/${transport.toUpperCase()} ${bracketed(host)}:${port};branch=${branch};rport`;
  }

  private addClient(request: SipMessage, branch: string, destination: Endpoint): ClientTransaction {
    const key = `${branch}|${request.method}`;
    const transaction = new ClientTransaction(this.host, key, request, destination);
    this.clients.set(key, transaction);
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
    const branch = newBranch();
    // Vias of proxied requests stand below ours and stay.
    request.headers.find((header) => header.key === 'via')!.value = this.viaFor(target, branch);
    const key = `${branch}|${request.method}`;
    this.clients.delete(transaction.key);
    this.clients.set(key, transaction);
    transaction.restart(key, target);
  }

  private tryNext(transaction: ClientTransaction, refusal: SipMessage | undefined): boolean {
    const next = transaction.alternatives.shift();
    if (!next) return false;
    const { key, destination, request } = transaction;
    this.counters.failovers++;
    this.largeRequests.failed(destination, refusal !== undefined);
    if (refusal) {
      const copy = SipMessage.request(request.method, request.uri);
      for (const { name, value } of request.headers) copy.add(name, value);
      const left = new ClientTransaction(this.host, key, copy, destination);
      this.moveTo(transaction, next);
      this.clients.set(key, left);
      left.absorb(refusal);
    } else this.moveTo(transaction, next);
    return true;
  }

  private makeHost(): ClientHost & ServerHost {
    const { timers, clock, counters } = this;
    return {
      timers,
      clock,
      counters,
      transmit: (bytes, to, done) => this.transmit(bytes, to, undefined, done),
      transmitResponse: (bytes, transaction, done) => {
        this.transmit(bytes, responseEndpoint(transaction.request, transaction.source), transaction.source, done);
      },
      startCancel: (cancel, destination) => {
        const branch = parseVia(cancel.getList('Via')[0]!)?.branch ?? '';
        const transaction = this.addClient(cancel, branch, destination);
        transaction.start();
        return transaction;
      },
      awaitAck: (transaction, response) => this.awaitingAck.set(ackKey(response), transaction),
      tryNext: (transaction, refusal) => this.tryNext(transaction, refusal),
      answered: (transaction, status) => this.options.sourceLimits?.noteAnswer(transaction.source.host, status),
      clientEnded: (transaction) => this.clients.delete(transaction.key),
      serverEnded: (transaction) => {
        this.servers.delete(transaction.key);
        if (transaction.finalResponse) this.awaitingAck.delete(ackKey(transaction.finalResponse));
      },
      listenerFailed: (error) => this.listenerFailed(error),
    };
  }

  private transmit(
    bytes: Buffer,
    to: Endpoint,
    source: MessageSource | undefined,
    done: (error?: Error) => void,
  ): void {
    const transport =
      this.points.transports.find((t) => source !== undefined && t.local === source.local) ?? this.points.choose(to);
    const report = (error?: Error): void => {
      if (error) this.counters.transportErrors++;
      done(error);
    };
    if (to === NOWHERE || !transport) {
      queueMicrotask(() =>
        report(new SipTransportError(to === NOWHERE ? 'no destination' : `no ${to.transport} here`)),
      );
      return;
    }
    transport.send(bytes, to, source?.connectionId ?? to.connectionId, report);
  }

  /** Returns whether it was an acceptable message. */
  private receive(bytes: Buffer, source: MessageSource): boolean {
    if (!this.isWithinLimits(bytes, source)) return true;
    const parsed = parseMessage(bytes, this.limits);
    if (!parsed.ok) {
      this.garbage(parsed.error, source);
      if (parsed.message?.isRequest) this.refuseStateless(parsed.message, source, parsed.error);
      else this.options.sourceLimits?.noteAnswer(source.host, 400);
      return false;
    }
    const { message } = parsed;
    const fault = checkMessage(message);
    if (message.kind === 'response') {
      if (fault) this.garbage(fault, source);
      else this.receiveResponse(message, source);
      return !fault;
    }
    if (fault) {
      this.garbage(fault, source);
      this.refuseStateless(message, source, fault);
    } else this.receiveRequest(message, source);
    return !fault;
  }

  /** Limits per source, before anything is parsed; whatever does not start as a response counts as a request. */
  private isWithinLimits(bytes: Buffer, source: MessageSource): boolean {
    const { sourceLimits, overLimit = '503' } = this.options;
    if (!sourceLimits) return true;
    // Streams are counted as they come, by the transport.
    if (source.transport === 'udp' && !sourceLimits.admitBytes(source.host, bytes.length)) return false;
    if (bytes[0] === 0x53 && bytes[1] === 0x49 && bytes[2] === 0x50 && bytes[3] === 0x2f) return true;
    const isAck = bytes[0] === 0x41 && bytes[1] === 0x43 && bytes[2] === 0x4b;
    if (sourceLimits.admitRequest(source.host, isAck)) return true;
    if (overLimit === '503' && !isAck) this.refuseOverLimit(bytes, source);
    return false;
  }

  private refuseOverLimit(bytes: Buffer, source: MessageSource): void {
    const parsed = parseMessage(bytes, this.limits);
    if (!parsed.ok || !parsed.message.isRequest || checkMessage(parsed.message)) return;
    const { message } = parsed;
    stampReceived(message, source);
    const response = createResponse(message, 503, undefined, STATELESS_TAG).add('Retry-After', RETRY_AFTER_SECONDS);
    this.counters.responsesSent++;
    this.transmit(response.toBuffer(), responseEndpoint(message, source), source, () => {});
  }

  private receiveResponse(response: SipMessage, source: MessageSource): void {
    this.counters.responsesReceived++;
    const via = parseVia(response.getList('Via')[0]!);
    const method = parseCSeq(response.get('CSeq')!)?.method ?? '';
    const transaction = via && this.clients.get(`${via.branch}|${method}`);
    if (transaction) transaction.receive(response);
    else {
      this.counters.strayResponses++;
      this.tell(() => this.emit('stray', response, source));
    }
  }

  private receiveRequest(request: SipMessage, source: MessageSource): void {
    this.counters.requestsReceived++;
    const via = stampReceived(request, source);
    const { connectionId } = source;
    if (connectionId !== undefined && isInvalidName(via.host)) {
      this.points.transports.find((t) => t.local === source.local)?.alias?.(via.host, connectionId);
    }
    const key = serverKey(request, via);
    const known = this.servers.get(key);
    if (request.method === 'ACK') this.receiveAck(request, source, known);
    else if (known) known.receiveAgain();
    else this.startServer(request, source, key, via);
  }

  private startServer(request: SipMessage, source: MessageSource, key: string, via: Via): void {
    const transaction = new ServerTransaction(this.host, key, request, source);
    this.servers.set(key, transaction);
    if (request.method === 'CANCEL') {
      this.receiveCancel(transaction, via);
      return;
    }
    if (request.method === 'INVITE') transaction.reply(100);
    if (this.listenerCount('request') === 0) transaction.reply(503);
    else this.tell(() => this.emit('request', transaction));
  }

  /** RFC 3261 §17.2.3 for failures; §13.3.1.4 for 2xx, found by dialog since their ACK is a transaction of its own. */
  private receiveAck(ack: SipMessage, source: MessageSource, known: ServerTransaction | undefined): void {
    const invite = known ?? this.awaitingAck.get(ackKey(ack));
    if (!invite) {
      this.counters.strayAcks++;
      return;
    }
    const first = invite.state === 'accepted' && !invite.acknowledged;
    invite.receiveAck(ack);
    if (first) this.tell(() => this.emit('ack', ack, source, invite));
  }

  /** RFC 3261 §9.2. */
  private receiveCancel(cancel: ServerTransaction, via: Via): void {
    const invite = this.servers.get(serverKey(cancel.request, via, 'INVITE'));
    if (!invite) {
      this.counters.strayCancels++;
      cancel.reply(481);
      return;
    }
    cancel.localTag = invite.localTag;
    cancel.reply(200);
    invite.receiveCancel(cancel.request);
  }

  /** Answers what cannot become a transaction (RFC 3261 §8.2.7) as far as its Via says where to; never answers an ACK. */
  private refuseStateless(request: SipMessage, source: MessageSource, fault: SipParseError): void {
    const header = request.headers.find((h) => h.key === 'via');
    if (!header || request.method === 'ACK') return;
    // What we answer is SIP/2.0, whatever the request claimed to be.
    if (fault.reason === 'bad-version') header.value = header.value.replace(/^SIP\s*\/\s*\d+\.\d+/i, 'SIP/2.0');
    if (!parseVia(request.getList('Via')[0] ?? '')) return;
    stampReceived(request, source);
    const status = statusOfFault(fault);
    this.options.sourceLimits?.noteAnswer(source.host, status);
    const response = createResponse(request, status, `${reasonPhrase(status)} (${fault.reason})`, STATELESS_TAG);
    this.counters.responsesSent++;
    this.transmit(response.toBuffer(), responseEndpoint(request, source), source, () => {});
  }

  private garbage(error: SipParseError, source: MessageSource): void {
    this.counters.countParseError(error.reason);
    if (this.listenerCount('garbage') > 0) this.tell(() => this.emit('garbage', error, source));
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

/** What a source over its limits is told to wait. */
const RETRY_AFTER_SECONDS = 10;

/** The To tag of stateless answers: the same for every repetition of a request (RFC 3261 §8.2.7). */
const STATELESS_TAG = newTag();

/** Stands for "no next hop": sending there fails like any other transport error. */
const NOWHERE: Endpoint = { transport: 'udp', host: '', port: 0 };

/** RFC 3261 §18.2.1 and RFC 3581 §4: `received` and `rport` into the top Via; returns it as it was. */
function stampReceived(request: SipMessage, source: MessageSource): Via {
  const header = request.headers.find((h) => h.key === 'via')!;
  const comma = request.getList('Via');
  const via = parseVia(comma[0]!)!;
  const wantsPort = via.params.has('rport');
  const stamped: Via = { ...via, params: new Map(via.params) };
  if (wantsPort) stamped.params.set('rport', String(source.port));
  if (wantsPort || !isSameHost(via.host, source.host)) stamped.params.set('received', source.host);
  header.value = formatVia(stamped) + header.value.slice(header.value.indexOf(comma[0]!) + comma[0]!.length);
  return stamped;
}

/** RFC 3261 §18.2.2, RFC 3581 §4. */
function responseEndpoint(request: SipMessage, source: MessageSource): Endpoint {
  const via = parseVia(request.getList('Via')[0] ?? '');
  const rport = via?.params.get('rport');
  const port = rport && source.transport === 'udp' ? Number(rport) : (via?.port ?? 5060);
  return { transport: source.transport, host: source.host, port };
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

/** Whether a sent-by names an address; IPv6 has many spellings (RFC 5118 §4.5). */
function isSameHost(sentBy: string, address: string): boolean {
  const host = unbracketed(sentBy);
  return (
    host === address || (isIP(host) === 6 && isIP(address) === 6 && canonicalIpv6(host) === canonicalIpv6(address))
  );
}

function canonicalIpv6(address: string): string {
  return new URL(`http://[${address}]/`).hostname;
}
