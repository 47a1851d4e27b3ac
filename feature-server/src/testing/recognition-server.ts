/** A customer's own recognition server (`custom:<name>`) for tests: real WebSocket on loopback, keeps what it is told. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { Test } from 'tap';
import { type WebSocket, WebSocketServer } from 'ws';
import { Channel } from './fakes.js';

/** One connection of a recognizer. */
export class RecognitionClient {
  readonly texts: Record<string, unknown>[] = [];
  /** Samples that have come. */
  samples = new Int16Array();
  isClosed = false;
  readonly #listeners: (() => void)[] = [];

  constructor(
    readonly socket: WebSocket,
    readonly authorization: string | undefined,
  ) {
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) {
        const joined = new Int16Array(this.samples.length + data.length / 2);
        joined.set(this.samples);
        for (let at = 0; at < data.length; at += 2) joined[this.samples.length + at / 2] = data.readInt16LE(at);
        this.samples = joined;
      } else {
        const text = JSON.parse(String(data)) as Record<string, unknown>;
        this.texts.push(text);
        if (text.type === 'stop') socket.close();
      }
      for (const listener of this.#listeners) listener();
    });
    socket.on('close', () => {
      this.isClosed = true;
      for (const listener of this.#listeners) listener();
    });
  }

  /** Resolves when that is so; asked again with everything that comes. */
  until(isSo: () => boolean): Promise<void> {
    if (isSo()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the recognizer did not get there within 10 s')), 10_000);
      this.#listeners.push(() => {
        if (!isSo()) return;
        clearTimeout(timer);
        resolve();
      });
    });
  }

  say(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  hear(transcript: string, { isFinal = true, confidence = 0.9 } = {}): void {
    this.say({ type: 'transcription', is_final: isFinal, alternatives: [{ transcript, confidence }], channel: 1 });
  }
}

/** The server. */
export class RecognitionServer {
  readonly #clients = new Channel<RecognitionClient>();

  private constructor(private readonly server: WebSocketServer) {
    server.on('connection', (socket, request) =>
      this.#clients.post(new RecognitionClient(socket, request.headers.authorization)),
    );
  }

  /** Ends with the test. */
  static async start(t: Test): Promise<RecognitionServer> {
    const server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    t.teardown(async () => {
      for (const client of server.clients) client.terminate();
      server.close();
      await once(server, 'close');
    });
    return new RecognitionServer(server);
  }

  get url(): string {
    return `ws://127.0.0.1:${(this.server.address() as AddressInfo).port}/stt`;
  }

  /** The next connection. */
  next(): Promise<RecognitionClient> {
    return this.#clients.take('connection of a recognizer');
  }
}
