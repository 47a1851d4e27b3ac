import { checkMessage, statusOfFault } from './check-message.js';
import type { SipCounters } from './counters.js';
import { SipParseError, SipStateError, SipTransportError } from './errors.js';
import { newTag } from './ids.js';
import { type ListenOptions, openListeners } from './listeners.js';
import { ListeningPoints } from './listening-points.js';
import type { SipMessage } from './message.js';
import { DEFAULT_LIMITS, type ParseLimits, parseMessage } from './parse-message.js';
import { reasonPhrase } from './reasons.js';
import { responseEndpoint, stampReceived } from './received.js';
import { createResponse } from './response.js';
import type { Admission, SourceLimits } from './source-limits.js';
import type { TcpLimits } from './tcp-transport.js';
import type { SipClock } from './timers.js';
import type { TlsSettings } from './tls-settings.js';
import {
  bracketed,
  type Endpoint,
  isReliable,
  type MessageSource,
  type TransportName,
  type TransportSink,
} from './transport.js';
import type { Via } from './via.js';

/**
 * Sees every message as it comes in and goes out, also those that are refused or repeated, but not those over a limit of
 * their source, nor the 503 that such a one gets. It runs inside the reading or sending of a message: it must not block,
 * nor throw, nor keep `bytes` without copying them.
 * @param peer where the message came from or goes to
 * @param local our listening socket
 */
export type WireTap = (direction: 'in' | 'out', bytes: Buffer, peer: Endpoint, local: Endpoint) => void;

export interface WireOptions {
  /** Entries with port 0 on the same host share one free port over UDP and TCP. */
  listen: ListenOptions[];
  limits?: Partial<ParseLimits>;
  /** Needed for `tls` and `wss` entries of `listen`. */
  tls?: TlsSettings;
  /** Bounds of connections and their deadlines, of TLS and WebSocket too. */
  tcp?: Partial<TcpLimits>;
  /** What one address may do; without it there is no limit. */
  sourceLimits?: SourceLimits | undefined;
  /** How a request over a source's limit is answered: 503 with Retry-After, or not at all. @defaultValue '503' */
  overLimit?: '503' | 'drop';
  /** Sees all messages; without it nothing is spent on it. */
  tap?: WireTap | undefined;
}

/** Who takes what the wire brings; called with messages that hold what `checkMessage` asks for. */
export interface WireUser {
  /** A request; its Via is as it came. */
  request(message: SipMessage, source: MessageSource): void;
  response(message: SipMessage, source: MessageSource): void;
  /** Bytes that were no acceptable message; counted and, where possible, answered already. */
  garbage(error: SipParseError, source: MessageSource): void;
  /** As {@link TransportSink.isAwaited} and {@link TransportSink.connectionEnded}. */
  isAwaited(connectionId: number): boolean;
  connectionEnded(connectionId: number, cause: Error | undefined): void;
}

/**
 * RFC 3261 §18: the listening sockets, and the one way of every message: in through limits, parser and check, out to the
 * socket that reaches its destination.
 */
export class Wire {
  private readonly limits: ParseLimits;
  /** Our sockets and their names. */
  points = new ListeningPoints([], []);

  constructor(
    private readonly options: WireOptions,
    private readonly counters: SipCounters,
    private readonly clock: SipClock,
    private readonly user: WireUser,
  ) {
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
  }

  /** Opens the sockets. @throws the socket's error when an address is taken; what was opened is closed again. */
  async open(): Promise<void> {
    let lastConnection = 0;
    const sink: TransportSink = {
      message: (bytes, source) => this.receive(bytes, source),
      unframeable: (reason, source, bytes) =>
        this.receiveUnframeable(new SipParseError(reason, 'stream'), source, bytes),
      keepAlive: () => this.counters.keepAlives++,
      refused: () => this.counters.connectionsRefused++,
      closed: (reason) => this.counters.countClosed(reason),
      guard: this.options.sourceLimits,
      nextConnectionId: () => ++lastConnection,
      isAwaited: (connectionId) => this.user.isAwaited(connectionId),
      connectionEnded: (connectionId, cause) => this.user.connectionEnded(connectionId, cause),
    };
    const { listen, tls } = this.options;
    const tcp = { limits: this.options.tcp, clock: this.clock };
    this.points = new ListeningPoints(await openListeners(listen, sink, this.limits, tcp, tls), listen);
  }

  async close(): Promise<void> {
    const { transports } = this.points;
    // What is still sent is named after our addresses, and fails.
    this.points = this.points.closed();
    await Promise.all(transports.map((transport) => transport.close()));
  }

  /** Connections that are open. */
  get connectionCount(): number {
    return this.points.transports.reduce((sum, transport) => sum + (transport.connectionCount ?? 0), 0);
  }

  /** Our address as {@link ListeningPoints.addressFor} finds it, else that of the first listener. */
  addressFor(transport: TransportName, peerHost?: string, local?: Endpoint): Endpoint {
    const found = this.points.addressFor(transport, peerHost, local) ?? this.points.addresses[0];
    if (!found) throw new SipStateError('not started');
    return found;
  }

  /** Our Via for a request to this destination. */
  viaFor(destination: Endpoint | undefined, branch: string): string {
    const socket = destination && this.points.choose(destination);
    const transport = socket?.local.transport ?? destination?.transport ?? 'udp';
    const { host, port } = socket
      ? this.points.advertised(socket, destination.host)
      : this.addressFor(transport, destination?.host, destination?.from);
    return `SIP/2.0/${transport.toUpperCase()} ${bracketed(host)}:${port};branch=${branch};rport`;
  }

  /**
   * Sends a message.
   * @param source of the request that a response answers: it leaves by the same socket and connection
   * @param done called once, with the error when nothing was sent; never before this returns
   * @returns the connection that takes it; undefined without one
   */
  transmit(
    bytes: Buffer,
    to: Endpoint,
    source: MessageSource | undefined,
    done: (error?: Error) => void = () => {},
  ): number | undefined {
    return this.send(bytes, to, source, this.options.tap, done);
  }

  private send(
    bytes: Buffer,
    to: Endpoint,
    source: MessageSource | undefined,
    tap: WireTap | undefined,
    done: (error?: Error) => void,
  ): number | undefined {
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
      return undefined;
    }
    // What goes back on a connection goes to its other end, whatever port a Via names.
    tap?.('out', bytes, source?.connectionId === undefined ? to : source, transport.local);
    return transport.send(bytes, to, source?.connectionId ?? to.connectionId, report);
  }

  /** Returns whether it was an acceptable message. */
  private receive(bytes: Buffer, source: MessageSource): boolean {
    const admission = this.admit(bytes, source);
    // A flood must not push everything else out of what is traced.
    if (admission === 'drop') return false;
    if (admission === 'refuse') {
      this.refuseOverLimit(bytes, source);
      return false;
    }
    this.options.tap?.('in', bytes, source, source.local);
    const parsed = parseMessage(bytes, this.limits);
    if (!parsed.ok) {
      this.garbage(parsed.error, source);
      if (parsed.message?.isRequest) this.refuse(parsed.message, source, parsed.error);
      else this.options.sourceLimits?.noteAnswer(source.host, 400);
      return false;
    }
    const { message } = parsed;
    const fault = checkMessage(message) ?? checkTransport(message, source);
    if (fault) {
      this.garbage(fault, source);
      if (message.isRequest) this.refuse(message, source, fault);
      return false;
    }
    if (message.isRequest) {
      this.counters.requestsReceived++;
      this.user.request(message, source);
    } else {
      this.counters.responsesReceived++;
      this.user.response(message, source);
    }
    return true;
  }

  /** Limits per source, before anything is parsed; whatever does not start as a response counts as a request. */
  private admit(bytes: Buffer, source: MessageSource): Admission {
    const { sourceLimits, overLimit = '503' } = this.options;
    if (!sourceLimits) return 'admit';
    // Streams are counted as they come, by the transport.
    if (source.transport === 'udp' && !sourceLimits.admitBytes(source.host, bytes.length)) return 'drop';
    if (bytes[0] === 0x53 && bytes[1] === 0x49 && bytes[2] === 0x50 && bytes[3] === 0x2f) return 'admit';
    const isAck = bytes[0] === 0x41 && bytes[1] === 0x43 && bytes[2] === 0x4b;
    const admission = sourceLimits.admitRequest(source.host, isAck, bytes, source.connectionId !== undefined);
    if (admission === 'admit') return 'admit';
    // Who connected knows that there is somebody, and sends nothing twice.
    const mayHear = admission === 'refuse' || isReliable(source.transport);
    return overLimit === '503' && !isAck && mayHear ? 'refuse' : 'drop';
  }

  private refuseOverLimit(bytes: Buffer, source: MessageSource): void {
    const parsed = parseMessage(bytes, this.limits);
    if (!parsed.ok || !parsed.message.isRequest || checkMessage(parsed.message)) return;
    const { message } = parsed;
    const via = stampReceived(message, source);
    const response = createResponse(message, 503, undefined, STATELESS_TAG).add('Retry-After', RETRY_AFTER_SECONDS);
    this.counters.responsesSent++;
    this.send(response.toBuffer(), responseEndpoint(via, source), source, undefined, () => {});
  }

  /** RFC 4475 §3.1.2.3, §3.3.9: as far as it can be read, a request without a clear end is answered before the connection ends. */
  private receiveUnframeable(fault: SipParseError, source: MessageSource, bytes: Buffer): void {
    this.options.tap?.('in', bytes, source, source.local);
    this.garbage(fault, source);
    const parsed = parseMessage(bytes, this.limits);
    const { message } = parsed;
    const isRepeatable = message?.isRequest && message.method !== '' && message.has('CSeq');
    if (isRepeatable) this.refuse(message, source, fault);
    else this.options.sourceLimits?.noteAnswer(source.host, 400);
  }

  /** Answers what cannot become a transaction (RFC 3261 §8.2.7) as far as its Via says where to; never answers an ACK. */
  private refuse(request: SipMessage, source: MessageSource, fault: SipParseError): void {
    const header = request.headers.find((h) => h.key === 'via');
    if (!header || request.method === 'ACK') return;
    // What we answer is SIP/2.0, whatever the request claimed to be.
    if (fault.reason === 'bad-version') header.value = header.value.replace(/^SIP\s*\/\s*\d+\.\d+/i, 'SIP/2.0');
    if (!request.topVia) return;
    const via = stampReceived(request, source);
    const status = statusOfFault(fault);
    this.options.sourceLimits?.noteAnswer(source.host, status, request.method);
    const reason = `${reasonPhrase(status)} (${fault.reason})`;
    this.answer(createResponse(request, status, reason, STATELESS_TAG), via, source);
  }

  private answer(response: SipMessage, via: Via, source: MessageSource): void {
    this.counters.responsesSent++;
    this.transmit(response.toBuffer(), responseEndpoint(via, source), source);
  }

  private garbage(error: SipParseError, source: MessageSource): void {
    this.counters.countParseError(error.reason);
    this.user.garbage(error, source);
  }
}

/** Stands for "no next hop": sending there fails like any other transport error. */
export const NOWHERE: Endpoint = { transport: 'udp', host: '', port: 0 };

/** What a source over its limits is told to wait. */
const RETRY_AFTER_SECONDS = 10;

/** The To tag of stateless answers: the same for every repetition of a request (RFC 3261 §8.2.7). */
const STATELESS_TAG = newTag();

/**
 * RFC 7118 §5.1: what comes over a WebSocket says so in its Via. Applications tell browsers by it, and a page writes what it likes. WS for WSS is
 * let through: TLS may have ended at a proxy before us.
 */
function checkTransport(message: SipMessage, { transport }: MessageSource): SipParseError | undefined {
  if (!message.isRequest || (transport !== 'ws' && transport !== 'wss')) return undefined;
  const said = message.topVia?.transport;
  return said === 'WS' || said === 'WSS' ? undefined : new SipParseError('bad-via', 'no WebSocket');
}
