import { once } from 'node:events';
import { connect, createServer, isIP, type Server, type Socket } from 'node:net';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { admitConnection, watchHandshakes } from './connection-guard.js';
import { SipTransportError } from './errors.js';
import type { ParseLimits } from './parse-message.js';
import { StreamFramer } from './stream-framer.js';
import { type SipClock, systemClock } from './timers.js';
import { clientTlsOptions, serverTlsOptions, type TlsSettings } from './tls-settings.js';
import type { CloseReason, Endpoint, MessageSource, Transport, TransportSink } from './transport.js';

/** Bounds of the TCP transport. */
export interface TcpLimits {
  /** That peers opened. */
  maxConnections: number;
  /** That we opened. */
  maxOutgoing: number;
  /** Bytes waiting for a slow reader before its connection is given up. */
  maxQueuedBytes: number;
  connectTimeoutMs: number;
  /** A connection without traffic for so long is closed; peers reconnect for the next request. */
  idleMs: number;
  /** A message must be complete so long after its first byte (against peers that drip). */
  partialMs: number;
  /** A connection that a peer opened must bring an acceptable message so soon; a TLS handshake before it may take as long again. */
  firstMessageMs: number;
  /** How often a connection that we opened gets a double CRLF (RFC 5626 §4.4.1). */
  keepAliveMs: number;
  /** A peer that answered one before must answer the next so soon, else the connection is given up. */
  pongMs: number;
}

/** What a TCP transport may be opened with. */
export interface TcpOptions {
  limits?: Partial<TcpLimits> | undefined;
  /** Runs the deadlines. @defaultValue the system's */
  clock?: SipClock | undefined;
  /** Makes it `tls`. */
  tls?: TlsSettings | undefined;
}

export const DEFAULT_TCP_LIMITS: TcpLimits = {
  maxConnections: 4096,
  maxOutgoing: 1024,
  maxQueuedBytes: 1_048_576,
  connectTimeoutMs: 5000,
  idleMs: 900_000,
  partialMs: 30_000,
  firstMessageMs: 30_000,
  keepAliveMs: 100_000,
  pongMs: 10_000,
};

interface Connection {
  id: number;
  key: string;
  socket: Socket;
  framer: StreamFramer;
  partialTimer: unknown;
  firstMessageTimer: unknown;
  idleTimer: unknown;
  /** Of connections that we opened: the next ping, or the deadline of its answer. */
  keepAliveTimer: unknown;
  isOutgoing: boolean;
  /** A ping was answered once: the peer knows of them. */
  ponged: boolean;
  /** Nothing was heard since the last ping. */
  awaitsPong: boolean;
  /** Traffic since the idle timer was armed. */
  active: boolean;
  /** Sends that the socket has not confirmed. */
  unconfirmed: Set<(error?: Error) => void>;
  /** Anything came on it. */
  heard: boolean;
  /** The peer sends nothing more. */
  ended: boolean;
  /** Why it failed, or we closed it. */
  cause: Error | undefined;
}

/** SIP over TCP or, with settings for it, TLS: frames the stream, keeps connections in both directions and reuses them by remote address. */
export class TcpTransport implements Transport {
  private readonly byKey = new Map<string, Connection>();
  private readonly byId = new Map<number, Connection>();
  private outgoing = 0;

  private constructor(
    private readonly server: Server,
    readonly local: Endpoint,
    private readonly sink: TransportSink,
    private readonly parseLimits: ParseLimits,
    private readonly limits: TcpLimits,
    private readonly clock: SipClock,
    private readonly tls: TlsSettings | undefined,
  ) {}

  /** Listens; port 0 takes a free one. @throws the server's error when the address is taken. */
  static async open(
    host: string,
    port: number,
    sink: TransportSink,
    parseLimits: ParseLimits,
    { limits, clock = systemClock, tls }: TcpOptions = {},
  ): Promise<TcpTransport> {
    const bounds = { ...DEFAULT_TCP_LIMITS, ...limits };
    const server = tls
      ? createTlsServer({ noDelay: true, handshakeTimeout: bounds.firstMessageMs, ...serverTlsOptions(tls) })
      : createServer(HALF_OPEN);
    // Counts also those that have not shaken hands.
    if (tls) server.maxConnections = bounds.maxConnections;
    // IPv4 peers of an IPv6 wildcard would appear under mapped addresses.
    server.listen({ port, host, ipv6Only: isIP(host) === 6 });
    await once(server, 'listening');
    const bound = server.address();
    const local: Endpoint = {
      transport: tls ? 'tls' : 'tcp',
      host,
      port: typeof bound === 'object' && bound ? bound.port : port,
    };
    const transport = new TcpTransport(server, local, sink, parseLimits, bounds, clock, tls);
    server.on('connection', (socket) => {
      const admitted = admitConnection(socket, sink, transport.isFull);
      if (tls) return;
      if (admitted) transport.accept(socket);
      else sink.refused();
    });
    if (tls) server.on('secureConnection', (socket: Socket) => transport.accept(socket));
    watchHandshakes(server, sink);
    server.on('error', () => sink.refused());
    return transport;
  }

  get connectionCount(): number {
    return this.byId.size;
  }

  private get isFull(): boolean {
    return this.byId.size - this.outgoing >= this.limits.maxConnections;
  }

  holds(connectionId: number): boolean {
    return this.byId.has(connectionId);
  }

  send(
    bytes: Buffer,
    to: Endpoint,
    connectionId: number | undefined,
    done: (error?: Error) => void,
  ): number | undefined {
    const known = connectionId === undefined ? undefined : this.byId.get(connectionId);
    const connection = known ?? this.byKey.get(keyOf(to)) ?? this.dial(to);
    if (!connection) {
      queueMicrotask(() => done(new SipTransportError('too many connections')));
      return undefined;
    }
    if (connection.socket.writableLength > this.limits.maxQueuedBytes) {
      this.drop(connection, 'slow-reader');
      queueMicrotask(() => done(new SipTransportError(`${connection.key} does not read`)));
      return undefined;
    }
    const { unconfirmed } = connection;
    unconfirmed.add(done);
    connection.socket.write(bytes, (error) => {
      // Why it failed is known once the connection is closed: a socket that is destroyed confirms anything.
      if (!error && !connection.socket.destroyed && unconfirmed.delete(done)) done();
    });
    return connection.id;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const connection of this.byId.values()) connection.socket.destroy();
    await closed;
  }

  private accept(socket: Socket): void {
    const connection = this.adopt(socket, `${socket.remoteAddress}:${socket.remotePort}`);
    connection.firstMessageTimer = this.clock.setTimeout(
      () => this.drop(connection, 'no-message'),
      this.limits.firstMessageMs,
    );
  }

  private drop(connection: Connection, reason: CloseReason): void {
    // Two deadlines at once are one end.
    if (connection.socket.destroyed) return;
    this.sink.closed?.(reason);
    connection.cause ??= new SipTransportError(`connection closed: ${reason}`);
    connection.socket.destroy();
  }

  /** Re-armed only when it fires, so that traffic costs no timer. */
  private watchIdle(connection: Connection): void {
    connection.active = false;
    connection.idleTimer = this.clock.setTimeout(() => {
      if (connection.active) this.watchIdle(connection);
      else this.drop(connection, 'idle');
    }, this.limits.idleMs);
  }

  private dial(to: Endpoint): Connection | undefined {
    if (this.outgoing >= this.limits.maxOutgoing || to.port <= 0 || to.port > 65_535) return undefined;
    const socket = this.tls
      ? connectTls({ host: to.host, port: to.port, ...clientTlsOptions(this.tls, to) }).setNoDelay(true)
      : connect({ ...HALF_OPEN, host: to.host, port: to.port });
    const timer = setTimeout(
      () => socket.destroy(new SipTransportError('connect timed out')),
      this.limits.connectTimeoutMs,
    );
    socket.once('close', () => {
      clearTimeout(timer);
      this.outgoing--;
    });
    this.outgoing++;
    const connection = this.adopt(socket, keyOf(to), true);
    socket.once(this.tls ? 'secureConnect' : 'connect', () => {
      clearTimeout(timer);
      this.keepAlive(connection);
    });
    return connection;
  }

  /** RFC 5626 §4.4.1 keeps what lies between open and notices that it is not. Peers that never answered are not held to it. */
  private keepAlive(connection: Connection): void {
    const { keepAliveMs, pongMs } = this.limits;
    connection.keepAliveTimer = this.clock.setTimeout(() => {
      connection.awaitsPong = true;
      connection.socket.write('\r\n\r\n');
      connection.keepAliveTimer = this.clock.setTimeout(() => {
        if (connection.awaitsPong && connection.ponged) this.drop(connection, 'no-pong');
        else this.keepAlive(connection);
      }, pongMs);
    }, keepAliveMs);
  }

  private adopt(socket: Socket, key: string, isOutgoing = false): Connection {
    const connection: Connection = {
      id: this.sink.nextConnectionId(),
      key,
      socket,
      framer: new StreamFramer(this.parseLimits),
      partialTimer: undefined,
      firstMessageTimer: undefined,
      idleTimer: undefined,
      keepAliveTimer: undefined,
      isOutgoing,
      ponged: false,
      awaitsPong: false,
      active: false,
      unconfirmed: new Set(),
      heard: false,
      ended: false,
      cause: undefined,
    };
    this.byId.set(connection.id, connection);
    this.byKey.set(key, connection);
    this.watchIdle(connection);
    socket.on('data', (chunk) => this.receive(connection, chunk));
    socket.on('end', () => this.peerEnded(connection));
    // 'close' carries the consequence; an unheard 'error' would end the process.
    socket.on('error', (error) => {
      connection.cause ??= SipTransportError.of(error);
      this.sink.refused();
    });
    socket.on('close', () => {
      this.clock.clearTimeout(connection.partialTimer);
      this.clock.clearTimeout(connection.firstMessageTimer);
      this.clock.clearTimeout(connection.idleTimer);
      this.clock.clearTimeout(connection.keepAliveTimer);
      this.byId.delete(connection.id);
      if (this.byKey.get(key) === connection) this.byKey.delete(key);
      const cause = this.causeOfEnd(connection);
      for (const done of connection.unconfirmed) done(cause);
      connection.unconfirmed.clear();
      this.sink.connectionEnded?.(connection.id, cause);
    });
    return connection;
  }

  /**
   * The peer has ended the connection. It may have taken what we sent last, and answer over a connection of its own (RFC
   * 3261 §18.2.2); or that crossed its end and is refused: the refusal is on its way then, and the next write meets it.
   */
  private peerEnded(connection: Connection): void {
    const { id, key, socket } = connection;
    connection.ended = true;
    if (this.byKey.get(key) === connection) this.byKey.delete(key);
    // TLS is over with either side.
    if (this.tls !== undefined || this.sink.isAwaited?.(id) !== true) {
      socket.end();
      return;
    }
    this.clock.clearTimeout(connection.partialTimer);
    connection.partialTimer = this.clock.setTimeout(() => socket.end('\r\n'), REFUSAL_MS);
  }

  /** Why a connection that is closed failed; undefined when its peer ended it in an orderly way. */
  private causeOfEnd({ cause, unconfirmed, ended, heard }: Connection): Error | undefined {
    if (cause) return cause;
    if (!ended || unconfirmed.size > 0) return new SipTransportError('connection closed');
    // A server that does not want our certificate may do no more than close after the handshake.
    if (this.tls && !heard) return new SipTransportError('connection closed by the peer before it said anything');
    return undefined;
  }

  private receive(connection: Connection, chunk: Buffer): void {
    const { socket, framer } = connection;
    connection.heard = true;
    // More of what could not be framed.
    if (socket.writableEnded || socket.destroyed) return;
    const source: MessageSource = {
      transport: this.local.transport,
      host: socket.remoteAddress ?? '',
      port: socket.remotePort ?? 0,
      local: this.local,
      connectionId: connection.id,
    };
    const isPong = connection.awaitsPong && framer.bufferedBytes === 0 && chunk[0] === 13 && chunk[1] === 10;
    if (isPong) connection.ponged = true;
    connection.awaitsPong = false;
    // Our own pings keep nothing alive that nobody uses.
    if (!isPong || chunk.length > 4) connection.active = true;
    if (this.sink.guard?.admitBytes(source.host, chunk.length) === false) {
      this.drop(connection, 'limit');
      return;
    }
    const framed = framer.push(chunk);
    if (framed.keepAlives > 0) {
      this.sink.keepAlive();
      if (socket.writableLength < this.limits.maxQueuedBytes) socket.write('\r\n');
    }
    for (const message of framed.messages) {
      if (this.sink.message(message, source) !== true || connection.firstMessageTimer === undefined) continue;
      this.clock.clearTimeout(connection.firstMessageTimer);
      connection.firstMessageTimer = undefined;
    }
    if (framed.messages.length > 0 || framer.bufferedBytes === 0) {
      this.clock.clearTimeout(connection.partialTimer);
      connection.partialTimer = undefined;
    }
    if (framed.fault) {
      this.sink.unframeable(framed.fault, source, framed.faulty ?? NOTHING);
      this.sink.closed?.('unframeable');
      // What was answered leaves first.
      socket.end();
      connection.partialTimer = this.clock.setTimeout(() => socket.destroy(), LAST_WORDS_MS);
    } else if (framer.bufferedBytes > 0 && connection.partialTimer === undefined) {
      connection.partialTimer = this.clock.setTimeout(() => this.drop(connection, 'partial'), this.limits.partialMs);
    }
  }
}

const NOTHING = Buffer.alloc(0);

/** We end our side of TCP ourselves when the peer has ended its own. */
const HALF_OPEN = { noDelay: true, allowHalfOpen: true };

/** How long a refusal of bytes that crossed the end of a connection may take: a round trip. */
const REFUSAL_MS = 200;

/** How long the last answer may take to leave before a connection is cut. */
const LAST_WORDS_MS = 2000;

/** A connection that proved one name is not used for another at the same address (RFC 5923 §9.3). */
function keyOf(to: Endpoint): string {
  return `${to.host}:${to.port}${to.serverName === undefined ? '' : `/${to.serverName}`}`;
}
