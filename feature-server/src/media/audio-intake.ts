import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Logger } from '@ringwire/common';
import { type WebSocket, WebSocketServer } from 'ws';
import { MediaServerError } from '../errors.js';

/** Longest frame that is taken; the media server sends 20 to 100 ms at a time. */
const MAX_FRAME_BYTES = 256 * 1024;
/** From the connection to the last line of its request. */
const REQUEST_DEADLINE_MS = 5_000;

/** A connection that the media server was told to make. */
export interface ExpectedAudio {
  readonly url: string;
  /** Rejects when it is given up. */
  readonly socket: Promise<WebSocket>;
  /** Refuses it from now on. */
  giveUp(reason: Error): void;
}

/**
 * Where the media server brings the sound of calls: a WebSocket server that takes nothing but connections to paths which were handed out
 * by {@link AudioIntake.expect}, each of them once.
 */
export class AudioIntake {
  readonly #expected = new Map<string, { take(socket: WebSocket): void; giveUp(reason: Error): void }>();
  readonly #sockets: WebSocketServer;

  private constructor(
    private readonly server: Server,
    private readonly host: string,
    private readonly logger: Logger,
  ) {
    this.#sockets = new WebSocketServer({
      noServer: true,
      perMessageDeflate: false,
      maxPayload: MAX_FRAME_BYTES,
      // The module is told which one by the media server's environment; whatever it asks for is right.
      handleProtocols: (protocols) => [...protocols][0] ?? false,
    });
    server.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket, head));
  }

  /** @param options `port` 0 takes a free one */
  static async open({ host, port, logger }: { host: string; port: number; logger: Logger }): Promise<AudioIntake> {
    const server = createServer(
      { headersTimeout: REQUEST_DEADLINE_MS, requestTimeout: REQUEST_DEADLINE_MS },
      (_, response) => response.writeHead(404).end(),
    );
    const intake = new AudioIntake(server, host, logger);
    server.listen(port, host);
    await once(server, 'listening');
    return intake;
  }

  /** Hands out a URL for one connection. The caller gives it up when it does not come. */
  expect(): ExpectedAudio {
    const path = `/audio/${randomBytes(18).toString('base64url')}`;
    const { port } = this.server.address() as AddressInfo;
    let giveUp = (_reason: Error): void => {};
    const socket = new Promise<WebSocket>((resolve, reject) => {
      giveUp = (reason) => {
        this.#expected.delete(path);
        reject(reason);
      };
      this.#expected.set(path, { take: resolve, giveUp });
    });
    // Who waits for it hears of it; nobody may be waiting any more.
    socket.catch(() => undefined);
    return { url: `ws://${isIPv6(this.host) ? `[${this.host}]` : this.host}:${port}${path}`, socket, giveUp };
  }

  async close(): Promise<void> {
    for (const { giveUp } of [...this.#expected.values()]) giveUp(new MediaServerError('the feature server stops'));
    for (const client of this.#sockets.clients) client.terminate();
    this.server.close();
    this.server.closeAllConnections();
    await once(this.server, 'close');
  }

  #onUpgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', (err) => this.logger.debug({ err }, 'audio connection broke'));
    const path = request.url ?? '';
    const expected = this.#expected.get(path);
    if (!expected) {
      this.logger.warn({ from: request.socket.remoteAddress }, 'an audio connection that nobody expects is refused');
      const refusal = 'HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n';
      // No timeout of the server applies any more: who does not close his side would keep the socket for ever.
      socket.end(refusal, () => socket.destroy());
      return;
    }
    this.#expected.delete(path);
    this.#sockets.handleUpgrade(request, socket, head, (webSocket) => {
      // Nothing may come before somebody listens.
      webSocket.pause();
      webSocket.on('error', (err) => this.logger.debug({ err }, 'audio connection broke'));
      expected.take(webSocket);
    });
  }
}
