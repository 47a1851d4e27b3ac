import { isUtf8 } from 'node:buffer';
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type Server } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { isIP, type Socket } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { admitConnection, watchHandshakes } from './connection-guard.js';
import { SipTransportError } from './errors.js';
import { InvalidNames } from './invalid-names.js';
import type { ParseLimits } from './parse-message.js';
import { DEFAULT_TCP_LIMITS } from './tcp-transport.js';
import { type SipClock, systemClock } from './timers.js';
import { clientTlsOptions, serverTlsOptions, type TlsSettings } from './tls-settings.js';
import {
  bracketed,
  type CloseReason,
  type Endpoint,
  isInvalidName,
  type MessageSource,
  type Transport,
  type TransportSink,
} from './transport.js';
import { WebSocketFrames } from './websocket-frames.js';

/** Bounds of the WebSocket transport. */
export interface WebSocketLimits {
  maxConnections: number;
  /** Bytes waiting for a slow reader before its connection is given up. */
  maxQueuedBytes: number;
  /** For the TCP connection, TLS and the WebSocket handshake together. */
  connectTimeoutMs: number;
  /** A connection that a peer opened must bring an acceptable message so soon after its handshake, unless it answers a ping. */
  firstMessageMs: number;
  /** One that answers pings has so long: a page that is open, whose user registers later. While more than half of
   * `maxConnections` are taken, those that were silent longest make room for new ones. */
  silentMs: number;
  /** A message must be complete so long after its first byte (against peers that drip). */
  partialMs: number;
  /** How often a silent peer is pinged; one that leaves a ping without answer until the next is cut off. */
  pingMs: number;
}

export const DEFAULT_WEBSOCKET_LIMITS: WebSocketLimits = {
  maxConnections: DEFAULT_TCP_LIMITS.maxConnections,
  maxQueuedBytes: DEFAULT_TCP_LIMITS.maxQueuedBytes,
  connectTimeoutMs: DEFAULT_TCP_LIMITS.connectTimeoutMs,
  firstMessageMs: DEFAULT_TCP_LIMITS.firstMessageMs,
  silentMs: 600_000,
  partialMs: DEFAULT_TCP_LIMITS.partialMs,
  pingMs: 30_000,
};

/** The WebSocket subprotocol of SIP (RFC 7118 §4.1). */
const SUBPROTOCOL = 'sip';
/** The handshake is a few hundred bytes; cookies of the web application may come with it. */
const MAX_HTTP_HEAD_BYTES = 16_384;

interface Connection {
  id: number;
  key: string;
  socket: WebSocket;
  peer: { host: string; port: number };
  /** Heard since the last ping. */
  alive: boolean;
  /** What was sent before the connection was open. */
  waiting: Array<() => void>;
  /** Sends that are not confirmed. */
  unconfirmed: Set<(error?: Error) => void>;
  /** Why it failed, or we closed it. */
  cause: Error | undefined;
  firstMessageTimer: unknown;
  partialTimer: unknown;
  /** It has answered a ping. */
  ponged: boolean;
}

/** What is listened on and with which bounds. */
export interface WebSocketOptions {
  host: string;
  port: number;
  sink: TransportSink;
  parseLimits: ParseLimits;
  limits?: Partial<WebSocketLimits> | undefined;
  /** Runs the deadline of the first message. @defaultValue the system's */
  clock?: SipClock | undefined;
  /** Makes it `wss`. */
  tls?: TlsSettings | undefined;
}

/** SIP over WebSocket (RFC 7118): one WebSocket message is one SIP message; peers are reached on the connection they opened. */
export class WebSocketTransport implements Transport {
  private readonly byKey = new Map<string, Connection>();
  private readonly byId = new Map<number, Connection>();
  /** Those that have not brought an acceptable message, the oldest first. */
  private readonly silent = new Set<Connection>();
  private readonly pinger: NodeJS.Timeout;
  readonly names: InvalidNames;

  private constructor(
    private readonly server: Server,
    private readonly upgrader: WebSocketServer,
    readonly local: Endpoint,
    private readonly options: WebSocketOptions,
    private readonly limits: WebSocketLimits,
    private readonly clock: SipClock,
  ) {
    this.names = new InvalidNames(clock);
    this.pinger = setInterval(() => this.ping(), limits.pingMs);
  }

  /** Listens; port 0 takes a free one. @throws the server's error when the address is taken. */
  static async open(options: WebSocketOptions): Promise<WebSocketTransport> {
    const { host, port, tls, sink, clock = systemClock } = options;
    const limits = { ...DEFAULT_WEBSOCKET_LIMITS, ...options.limits };
    const http = { maxHeaderSize: MAX_HTTP_HEAD_BYTES, headersTimeout: 10_000, requestTimeout: 10_000 };
    const server = tls
      ? createHttpsServer({ ...http, handshakeTimeout: limits.firstMessageMs, ...serverTlsOptions(tls) })
      : createHttpServer(http);
    server.maxConnections = limits.maxConnections;
    // Only WebSocket is spoken here.
    server.on('request', (_request, response) => {
      sink.refused();
      response.writeHead(426, { Upgrade: 'websocket', Connection: 'close' }).end();
    });
    watchHandshakes(server, sink);
    const upgrader = new WebSocketServer({
      server,
      maxPayload: maxMessageBytes(options),
      perMessageDeflate: false,
      handleProtocols: () => SUBPROTOCOL,
      verifyClient: ({ req }, decide) => {
        if (!offersSip(req)) sink.refused();
        decide(offersSip(req), 400, 'Subprotocol sip expected');
      },
    });
    upgrader.on('error', () => sink.refused());
    upgrader.on('wsClientError', () => sink.refused());
    server.listen({ port, host, ipv6Only: isIP(host) === 6 });
    await once(server, 'listening');
    const bound = server.address();
    const local: Endpoint = {
      transport: tls ? 'wss' : 'ws',
      host,
      port: typeof bound === 'object' && bound ? bound.port : port,
    };
    const transport = new WebSocketTransport(server, upgrader, local, options, limits, clock);
    server.on('connection', (socket: Socket) => {
      if (!admitConnection(socket, sink, transport.isFull) && !tls) sink.refused();
    });
    upgrader.on('connection', (socket, request) => transport.accept(socket, request));
    return transport;
  }

  get connectionCount(): number {
    return this.byId.size;
  }

  private get isFull(): boolean {
    return this.byId.size >= this.limits.maxConnections;
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
    const connection = this.find(to, connectionId);
    if (!connection) {
      queueMicrotask(() => done(new SipTransportError(`no connection to ${to.host}:${to.port}`)));
      return undefined;
    }
    const { socket, unconfirmed } = connection;
    if (socket.bufferedAmount > this.limits.maxQueuedBytes || connection.waiting.length > 100) {
      this.drop(connection, 'slow-reader');
      queueMicrotask(() => done(new SipTransportError(`${connection.key} does not read`)));
      return undefined;
    }
    unconfirmed.add(done);
    const write = (): void => {
      // RFC 7118 §5: text or binary; browsers expect text, which has to be UTF-8.
      socket.send(bytes, { binary: !isUtf8(bytes) }, (error) => {
        // Why it failed is known once the connection is closed.
        if (!error && unconfirmed.delete(done)) done();
      });
    };
    if (socket.readyState === WebSocket.CONNECTING) connection.waiting.push(write);
    else write();
    return connection.id;
  }

  async close(): Promise<void> {
    clearInterval(this.pinger);
    for (const { socket } of this.byId.values()) socket.terminate();
    this.upgrader.close();
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    this.server.closeAllConnections();
    await closed;
  }

  private find(to: Endpoint, connectionId: number | undefined): Connection | undefined {
    const known = connectionId === undefined ? undefined : this.byId.get(connectionId);
    // Who connected from a browser cannot be dialled: with its connection it is gone.
    if (known || connectionId !== undefined) return known;
    if (isInvalidName(to.host)) return this.byId.get(this.names.find(to.host) ?? Number.NaN);
    return this.byKey.get(`${to.host}:${to.port}`) ?? this.dial(to);
  }

  private accept(socket: WebSocket, request: IncomingMessage): void {
    const { remoteAddress: host = '', remotePort: port = 0 } = request.socket;
    request.socket.setNoDelay(true);
    this.makeRoom();
    const connection = this.adopt(socket, { host, port });
    this.silent.add(connection);
    connection.firstMessageTimer = this.clock.setTimeout(
      () => this.firstMessageDue(connection),
      this.limits.firstMessageMs,
    );
    // Whoever answers may stay silent for longer.
    socket.ping();
    const frames = new WebSocketFrames();
    // Ahead of the WebSocket's own listener: frames of control and pieces of messages count too.
    request.socket.prependListener('data', (chunk: Buffer) => {
      if (this.options.sink.guard?.admitBytes(host, chunk.length) === false) this.drop(connection, 'limit');
      this.watchPartial(connection, frames.push(chunk), frames.isMidMessage);
    });
  }

  private firstMessageDue(connection: Connection): void {
    const { firstMessageMs, silentMs } = this.limits;
    if (!connection.ponged || silentMs <= firstMessageMs) {
      this.drop(connection, 'no-message');
      return;
    }
    connection.firstMessageTimer = this.clock.setTimeout(
      () => this.drop(connection, 'no-message'),
      silentMs - firstMessageMs,
    );
  }

  /** While there are many connections, the one that was silent longest goes for a new one. */
  private makeRoom(): void {
    if (this.byId.size < this.limits.maxConnections / 2) return;
    const [longest] = this.silent;
    if (longest) this.drop(longest, 'no-message');
  }

  private watchPartial(connection: Connection, completed: boolean, isMidMessage: boolean): void {
    if (completed || !isMidMessage) {
      this.clock.clearTimeout(connection.partialTimer);
      connection.partialTimer = undefined;
    }
    if (!isMidMessage || connection.partialTimer !== undefined || connection.socket.readyState !== WebSocket.OPEN)
      return;
    connection.partialTimer = this.clock.setTimeout(() => this.drop(connection, 'partial'), this.limits.partialMs);
  }

  private drop(connection: Connection, reason: CloseReason): void {
    if (connection.socket.readyState > WebSocket.OPEN) return;
    this.options.sink.closed?.(reason);
    connection.cause ??= new SipTransportError(`connection closed: ${reason}`);
    connection.socket.terminate();
  }

  private dial(to: Endpoint): Connection | undefined {
    if (this.isFull || to.port <= 0 || to.port > 65_535) return undefined;
    const { tls } = this.options;
    const socket = new WebSocket(`${this.local.transport}://${bracketed(to.host)}:${to.port}/`, SUBPROTOCOL, {
      perMessageDeflate: false,
      maxPayload: maxMessageBytes(this.options),
      handshakeTimeout: this.limits.connectTimeoutMs,
      ...(tls ? clientTlsOptions(tls, to) : {}),
    });
    return this.adopt(socket, to);
  }

  private adopt(socket: WebSocket, peer: { host: string; port: number }): Connection {
    const key = `${peer.host}:${peer.port}`;
    const id = this.options.sink.nextConnectionId();
    const { host, port } = peer;
    const connection: Connection = {
      id,
      key,
      socket,
      peer: { host, port },
      alive: true,
      waiting: [],
      unconfirmed: new Set(),
      cause: undefined,
      firstMessageTimer: undefined,
      partialTimer: undefined,
      ponged: false,
    };
    this.byId.set(id, connection);
    this.byKey.set(key, connection);
    socket.on('open', () => {
      for (const write of connection.waiting.splice(0)) write();
    });
    socket.on('pong', () => {
      connection.alive = true;
      connection.ponged = true;
    });
    socket.on('message', (data) => this.receive(connection, data));
    // 'close' carries the consequence; an unheard 'error' would end the process.
    socket.on('error', (error: NodeJS.ErrnoException) => {
      connection.cause ??= SipTransportError.of(error);
      this.options.sink.refused();
      if (error.code?.startsWith('WS_ERR_')) this.options.sink.closed?.('unframeable');
    });
    socket.on('close', () => {
      this.clock.clearTimeout(connection.firstMessageTimer);
      this.clock.clearTimeout(connection.partialTimer);
      this.silent.delete(connection);
      this.byId.delete(id);
      if (this.byKey.get(key) === connection) this.byKey.delete(key);
      this.names.forget(id);
      // However it ended: nobody opens another one to answer what came on it.
      const cause = connection.cause ?? new SipTransportError('WebSocket closed');
      for (const done of connection.unconfirmed) done(cause);
      connection.unconfirmed.clear();
      this.options.sink.connectionEnded?.(id, cause);
    });
    return connection;
  }

  private receive(connection: Connection, data: WebSocket.RawData): void {
    const { id, socket, peer } = connection;
    // What came along with the bytes for which it was dropped.
    if (socket.readyState !== WebSocket.OPEN) return;
    connection.alive = true;
    const bytes = Array.isArray(data) ? Buffer.concat(data) : Buffer.isBuffer(data) ? data : Buffer.from(data);
    // RFC 5626 §4.4.1 keep-alive, as some clients send it over WebSocket too.
    if (bytes.length <= 4 && /^[\r\n]*$/.test(bytes.toString('latin1'))) {
      this.options.sink.keepAlive();
      if (bytes.length === 4 && socket.bufferedAmount < this.limits.maxQueuedBytes) socket.send('\r\n');
      return;
    }
    const source: MessageSource = {
      transport: this.local.transport,
      ...peer,
      local: this.local,
      connectionId: id,
    };
    if (this.options.sink.message(bytes, source) !== true || connection.firstMessageTimer === undefined) return;
    this.clock.clearTimeout(connection.firstMessageTimer);
    connection.firstMessageTimer = undefined;
    this.silent.delete(connection);
  }

  private ping(): void {
    for (const connection of this.byId.values()) {
      if (connection.socket.readyState !== WebSocket.OPEN) continue;
      if (!connection.alive) this.drop(connection, 'idle');
      else {
        connection.alive = false;
        connection.socket.ping();
      }
    }
  }
}

function maxMessageBytes({ parseLimits }: WebSocketOptions): number {
  return parseLimits.maxHeadBytes + parseLimits.maxBodyBytes;
}

/** RFC 7118 §4.1: the client has to offer the subprotocol. */
function offersSip(request: IncomingMessage): boolean {
  const offered = request.headers['sec-websocket-protocol'] ?? '';
  return offered.split(',').some((name) => name.trim().toLowerCase() === SUBPROTOCOL);
}
