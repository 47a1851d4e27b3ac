import { createHash, timingSafeEqual } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { ServerCounters } from '../server-counters.js';
import { ClientRegistry } from './client-registry.js';
import { ControlClient } from './control-client.js';

/** The release of drachtio-server whose protocol this is; clients switch features by it. */
const PROTOCOL_VERSION = 'v0.9.10';
/** A connection that has not authenticated by then is closed. */
const AUTHENTICATE_WITHIN_MS = 10_000;
/** More connections are refused: each may hold buffers. */
const MAX_CONNECTIONS = 1024;

/** What the SIP side does with commands. */
export interface ControlHandler {
  /** `msgId|sip|transactionId|dialogId|route\r\n<message>` of an authenticated client. */
  sip(client: ControlClient, messageId: string, parts: readonly string[], message: string): void;
  /** The connection of an authenticated client is gone. */
  lost(client: ControlClient): void;
}

/** The TCP side of drachtio's control protocol: authentication, routes, ping; `sip` goes to the handler. */
export class ControlServer {
  readonly registry = new ClientRegistry();
  private readonly sockets = new Set<Socket>();
  private server: Server | undefined;
  private readonly secretHash: Buffer;

  constructor(
    secret: string,
    private readonly counters: ServerCounters,
    private readonly handler: ControlHandler,
    /** SIP addresses as the answer to authenticate tells them: `udp/127.0.0.1:5070,…`. */
    private readonly sipAddresses: string,
  ) {
    this.secretHash = hash(secret);
  }

  /** Listens; port 0 takes a free one. Returns the port. @throws the socket's error when it is taken */
  async start(host: string, port: number): Promise<number> {
    const server = createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 });
    this.server = server;
    server.maxConnections = MAX_CONNECTIONS;
    server.on('connection', (socket) => this.accept(socket));
    server.listen(port, host);
    await once(server, 'listening');
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : port;
  }

  async stop(): Promise<void> {
    const { server } = this;
    if (!server) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.sockets) socket.destroy();
    await closed;
  }

  private accept(socket: Socket): void {
    this.counters.controlConnections++;
    this.sockets.add(socket);
    const client = new ControlClient(socket, this.counters);
    const timer = setTimeout(() => client.destroy(), AUTHENTICATE_WITHIN_MS);
    socket.on('data', (chunk) => client.receive(chunk, (frame) => this.receive(client, frame)));
    // 'close' follows and does what there is to do.
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      clearTimeout(timer);
      this.sockets.delete(socket);
      const wasAdmitted = client.authenticated;
      client.destroy();
      if (!wasAdmitted) return;
      this.registry.remove(client);
      this.handler.lost(client);
    });
    client.onAdmitted = () => clearTimeout(timer);
  }

  private receive(client: ControlClient, frame: string): void {
    const lineEnd = frame.indexOf('\r\n');
    const line = lineEnd < 0 ? frame : frame.slice(0, lineEnd);
    const parts = line.split('|');
    const [messageId = '', command = ''] = parts;
    if (command === 'authenticate') this.authenticate(client, messageId, parts);
    else if (!client.authenticated) {
      this.counters.unauthenticatedCommands++;
      client.reply(messageId, 'NO', 'not authenticated');
      client.end();
    } else this.command(client, messageId, command, parts, lineEnd < 0 ? '' : frame.slice(lineEnd + 2));
  }

  private command(client: ControlClient, messageId: string, command: string, parts: string[], message: string): void {
    switch (command) {
      case 'sip':
        this.handler.sip(client, messageId, parts.slice(2), message);
        break;
      case 'ping':
        client.reply(messageId, 'OK', 'pong');
        break;
      case 'route':
        if (parts[2]) {
          this.registry.route(client, parts[2]);
          client.reply(messageId, 'OK');
        } else client.reply(messageId, 'NO', 'route: no method');
        break;
      case 'remove_route':
        this.registry.unroute(client);
        client.reply(messageId, 'OK');
        break;
      case 'proxy':
        this.counters.refusedCommands++;
        client.reply(messageId, 'NOK', 'proxying is not supported by this server');
        break;
      default:
        this.counters.unknownCommands++;
        client.reply(messageId, 'NO', 'Unknown message type');
        client.end();
    }
  }

  private authenticate(client: ControlClient, messageId: string, parts: string[]): void {
    if (!timingSafeEqual(hash(parts[2] ?? ''), this.secretHash)) {
      this.counters.authenticationFailures++;
      client.reply(messageId, 'NO', 'incorrect secret');
      client.end();
      return;
    }
    const tags = (parts[3] ?? '').split(',').filter((tag) => tag !== '');
    client.admit(tags);
    this.registry.add(client);
    client.reply(
      messageId,
      'OK',
      `${this.sipAddresses}|${PROTOCOL_VERSION}|${this.sipAddresses.replace(/\w+\//g, '')}`,
    );
  }
}

/** Equal lengths for the constant-time comparison. */
function hash(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
