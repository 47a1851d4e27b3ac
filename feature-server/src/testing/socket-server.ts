/** A customer's WebSocket server for tests: real sockets on loopback; every connection and message is posted to a channel. */
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { PayloadCheck } from '@ringwire/verb-specs/testing/payload-check.js';
import { type WebSocket, WebSocketServer } from 'ws';
import { Channel } from './fakes.js';

/** A message as it came. */
export interface SocketMessage {
  type: string;
  msgid: string;
  call_sid: string;
  hook?: string;
  data: Record<string, unknown>;
  b3: string;
}

/** One connection as the customer's server has it. */
export class ServerSocket {
  readonly messages = new Channel<SocketMessage>();
  readonly closed: Promise<{ code: number; reason: string }>;

  constructor(
    readonly ws: WebSocket,
    readonly path: string,
    readonly headers: IncomingHttpHeaders,
    private readonly payloads?: PayloadCheck,
  ) {
    ws.on('message', (data: Buffer) => {
      const message = JSON.parse(data.toString()) as SocketMessage;
      payloads?.see({
        type: message.type,
        payload: message.data,
        ...(message.hook !== undefined && { hook: message.hook }),
      });
      this.messages.post(message);
    });
    ws.on('error', () => {});
    this.closed = new Promise((resolve) => {
      ws.on('close', (code: number, reason: Buffer) => resolve({ code, reason: reason.toString() }));
    });
  }

  /** The next message of a type; those of other types before it are dropped. */
  async next(type: string): Promise<SocketMessage> {
    for (;;) {
      const message = await this.messages.take(`message ${type}`);
      if (message.type === type) return message;
    }
  }

  send(message: unknown): void {
    this.payloads?.learn((message as { data?: unknown }).data);
    this.ws.send(JSON.stringify(message));
  }

  ack({ msgid }: SocketMessage, data?: unknown): void {
    this.send({ type: 'ack', msgid, ...(data !== undefined && { data }) });
  }

  command(command: string, data?: unknown, more: Record<string, unknown> = {}): void {
    this.send({ type: 'command', command, ...(data !== undefined && { data }), ...more });
  }
}

/** A running server. */
export class SocketServer {
  readonly sockets = new Channel<ServerSocket>();
  /** When set, decides about handshakes instead of accepting them. */
  onUpgrade: ((request: IncomingMessage, socket: Duplex, accept: () => void) => void) | undefined;
  readonly #wss = new WebSocketServer({ noServer: true, handleProtocols: (offered) => [...offered][0] ?? false });
  readonly #http = createServer((_request, response) => response.writeHead(405).end());
  readonly #connections = new Set<Socket>();
  #port = 0;

  /** @param onWrongPayload hears of messages that are not as jambonz publishes them */
  static async start(onWrongPayload?: (fault: string) => void): Promise<SocketServer> {
    const server = new SocketServer();
    const payloads = onWrongPayload && new PayloadCheck(onWrongPayload);
    server.#http.on('connection', (socket) => {
      server.#connections.add(socket);
      // One that is cut before its handshake is nobody's business.
      socket.on('error', () => {});
      socket.on('close', () => server.#connections.delete(socket));
    });
    server.#http.on('upgrade', (request, socket, head) => {
      const accept = (): void =>
        server.#wss.handleUpgrade(request, socket, head, (ws) => {
          server.sockets.post(new ServerSocket(ws, request.url ?? '', request.headers, payloads));
        });
      if (server.onUpgrade) server.onUpgrade(request, socket, accept);
      else accept();
    });
    await server.listen();
    return server;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.#port}`;
  }

  /** The next connection, in order of arrival. */
  next(): Promise<ServerSocket> {
    return this.sockets.take('connection');
  }

  /** Listens, again on the port that it had. */
  async listen(): Promise<void> {
    this.#http.listen(this.#port, '127.0.0.1');
    await once(this.#http, 'listening');
    this.#port = (this.#http.address() as AddressInfo).port;
  }

  /** Cuts every connection and takes no more. */
  async stop(): Promise<void> {
    const closed = this.#http.listening ? once(this.#http, 'close') : undefined;
    if (closed) this.#http.close();
    for (const socket of this.#connections) socket.destroy();
    await closed;
  }
}
