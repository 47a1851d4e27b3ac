import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import type { Teardown } from './test-phone.js';

/** A connection of an audio fork as its server sees it. */
export class ForkSession {
  readonly texts: string[] = [];
  readonly binaries: Buffer[] = [];
  isClosed = false;
  closeCode: number | undefined;
  #changed: (() => void)[] = [];

  constructor(
    readonly socket: WebSocket,
    readonly request: IncomingMessage,
  ) {
    socket.on('message', (data, isBinary) => {
      if (isBinary) this.binaries.push(data as Buffer);
      else this.texts.push(String(data));
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', (code) => {
      this.isClosed = true;
      this.closeCode = code;
      this.#wake();
    });
  }

  /** All audio so far. */
  get pcm(): Int16Array {
    const bytes = Buffer.concat(this.binaries);
    return new Int16Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
  }

  /** Samples so far. */
  get length(): number {
    return this.binaries.reduce((sum, bytes) => sum + bytes.length / 2, 0);
  }

  /** Resolves when it holds; asked after each frame. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition()) await new Promise<void>((resolve) => this.#changed.push(resolve));
  }

  /** Sends a text frame. */
  say(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  /** Streams audio in frames of any size. */
  stream(pcm: Int16Array, frameBytes = 3200): void {
    const bytes = Buffer.from(pcm.buffer, pcm.byteOffset, pcm.byteLength);
    for (let at = 0; at < bytes.length; at += frameBytes) this.socket.send(bytes.subarray(at, at + frameBytes));
  }

  #wake(): void {
    for (const resolve of this.#changed.splice(0)) resolve();
  }
}

/** How a server for audio forks is. */
export interface AudioServerOptions {
  /** Certificate and key (PEM): it is `wss://` then. */
  tls?: { cert: string | Buffer; key: string | Buffer };
  /** `user:password` without which it answers 401. */
  credentials?: string;
  /** That of ws: false answers without a subprotocol. */
  handleProtocols?: () => false;
}

/** A WebSocket server for audio forks on a free port of loopback. */
export class AudioServer {
  readonly sessions: ForkSession[] = [];
  #waiting: ((session: ForkSession) => void)[] = [];

  private constructor(
    readonly server: WebSocketServer,
    /** Where it listens. */
    readonly url: string,
  ) {
    server.on('connection', (socket, request) => {
      const session = new ForkSession(socket, request);
      this.sessions.push(session);
      this.#waiting.shift()?.(session);
    });
  }

  /** Listens. */
  static async start(
    t: Teardown,
    { tls, credentials, handleProtocols }: AudioServerOptions = {},
  ): Promise<AudioServer> {
    const http = tls ? createTlsServer(tls) : createServer();
    // A client that does not like our certificate.
    http.on('tlsClientError', () => undefined);
    const server = new WebSocketServer({
      server: http,
      ...(handleProtocols ? { handleProtocols } : {}),
      ...(credentials
        ? { verifyClient: ({ req }: { req: IncomingMessage }) => credentialsOf(req) === credentials }
        : {}),
    });
    http.listen(0, '127.0.0.1');
    await once(http, 'listening');
    t.teardown(() => {
      for (const client of server.clients) client.terminate();
      server.close();
      http.closeAllConnections();
      http.close();
    });
    return new AudioServer(server, `${tls ? 'wss' : 'ws'}://127.0.0.1:${(http.address() as AddressInfo).port}`);
  }

  /** The next connection. */
  next(): Promise<ForkSession> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

function credentialsOf({ headers }: IncomingMessage): string {
  return Buffer.from((headers.authorization ?? '').replace(/^Basic /, ''), 'base64').toString();
}
