import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { TlsSettings } from '@ringwire/sip';
import { serverTlsOptions } from '@ringwire/sip/tls-settings.js';
import type { ServerCounters } from '../server-counters.js';
import { AuthenticationGuard } from './authentication-guard.js';
import type { ClientRegistry } from './client-registry.js';
import { type ControlLimits, DEFAULT_CONTROL_LIMITS } from './control-limits.js';
import { type ControlHandler, ControlProtocol, type ProtocolOptions, type SipAddresses } from './control-protocol.js';
import { OutboundConnections, type TlsTrust } from './outbound-connections.js';

/** What a control server is made of. */
export interface ControlServerOptions {
  secret: string;
  counters: ServerCounters;
  handler: ControlHandler;
  addresses: SipAddresses;
  /** Sees the SIP messages that are handed to applications. */
  onSip?: ProtocolOptions['onSip'];
  /** For connections that we open. @defaultValue servers must prove their name */
  trust?: TlsTrust;
  limits?: Partial<ControlLimits>;
  /** Idle connections are probed after so many ms; 0 for never. @defaultValue 45000 */
  keepAliveMs?: number;
}

/** Where applications are: they connect to us over TCP or TLS, or we connect to them. */
export class ControlServer {
  readonly outbound: OutboundConnections;
  private readonly protocol: ControlProtocol;
  private readonly guard: AuthenticationGuard;
  private readonly limits: ControlLimits;
  private readonly servers: Server[] = [];
  private readonly sockets = new Set<Socket>();
  /** Connections that have not authenticated, oldest first. */
  private readonly strangers = new Map<string, Socket>();

  constructor(private readonly options: ControlServerOptions) {
    const { secret, counters, handler, addresses, onSip, trust = { verifyServers: true } } = options;
    this.limits = { ...DEFAULT_CONTROL_LIMITS, ...options.limits };
    const { refuseAfterMs, failuresPerSource } = this.limits;
    this.guard = new AuthenticationGuard(failuresPerSource);
    this.protocol = new ControlProtocol({ secret, counters, handler, addresses, onSip, refuseAfterMs });
    this.outbound = new OutboundConnections(this.protocol, counters, this.limits, trust);
  }

  get registry(): ClientRegistry {
    return this.protocol.registry;
  }

  /** Whether a source brought too many wrong secrets of late. */
  bars(source: string): boolean {
    return this.guard.isBarred(source);
  }

  /** Listens; port 0 takes a free one. Returns the port. @throws the socket's error when it is taken */
  async start(host: string, port: number): Promise<number> {
    const server = createServer(this.socketOptions());
    server.on('connection', (socket) => {
      if (this.accept(socket)) this.attach(socket);
    });
    return await this.listen(server, host, port);
  }

  /** Listens for TLS as well. @throws the socket's error when the port is taken, or what is wrong with the certificate */
  async startTls(host: string, port: number, tls: TlsSettings): Promise<number> {
    const handshakeTimeout = this.limits.authenticateWithinMs;
    const server = createTlsServer({ ...this.socketOptions(), ...serverTlsOptions(tls), handshakeTimeout });
    server.on('connection', (socket: Socket) => {
      this.accept(socket);
    });
    server.on('secureConnection', (socket) => this.attach(socket));
    server.on('tlsClientError', (_err, socket) => {
      this.options.counters.tlsFailures++;
      socket.destroy();
    });
    return await this.listen(server, host, port);
  }

  async stop(): Promise<void> {
    const closed = this.servers.map(async (server) => {
      if (!server.listening) return;
      server.close();
      await once(server, 'close');
    });
    for (const socket of this.sockets) socket.destroy();
    await Promise.all([...closed, this.outbound.stop()]);
  }

  private socketOptions() {
    const { keepAliveMs = 45_000 } = this.options;
    return { noDelay: true, keepAlive: keepAliveMs > 0, keepAliveInitialDelay: keepAliveMs };
  }

  private async listen(server: Server, host: string, port: number): Promise<number> {
    this.servers.push(server);
    server.maxConnections = this.limits.connections;
    server.listen(port, host);
    await once(server, 'listening');
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : port;
  }

  /** Takes a connection on the wire, before TLS. Returns false when its source is barred. */
  private accept(socket: Socket): boolean {
    const { counters } = this.options;
    counters.controlConnections++;
    if (this.bars(socket.remoteAddress ?? '')) {
      counters.barredConnections++;
      socket.destroy();
      return false;
    }
    if (this.strangers.size >= this.limits.strangers) {
      // An application authenticates within milliseconds: the oldest is none.
      const [oldest] = this.strangers;
      if (oldest) this.strangers.delete(oldest[0]);
      oldest?.[1].destroy();
      counters.strangersClosed++;
    }
    const key = peerOf(socket);
    this.sockets.add(socket);
    this.strangers.set(key, socket);
    socket.once('close', () => {
      this.sockets.delete(socket);
      if (this.strangers.get(key) === socket) this.strangers.delete(key);
    });
    // Before TLS nobody else listens.
    socket.on('error', () => socket.destroy());
    return true;
  }

  private attach(socket: Socket): void {
    const source = socket.remoteAddress ?? '';
    const key = peerOf(socket);
    this.protocol.attach(socket, this.limits.authenticateWithinMs, {
      admitted: () => this.strangers.delete(key),
      refused: () => this.guard.failed(source),
      closed: () => {},
    });
  }
}

/** A TLS connection and the TCP connection below it are of the same peer. */
function peerOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
