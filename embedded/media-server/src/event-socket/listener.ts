import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import type { Channel } from '../channel/channel.js';
import { type ConnectionContext, EslConnection } from './connection.js';

/** How long a client's listener may take to accept us: drachtio-fsmrf gives up after 4 s. */
const CONNECT_TIMEOUT_MS = 3000;

/** The event socket's port: clients that connect to us. */
export class EslListener {
  readonly #server: Server;
  readonly #connections = new Set<EslConnection>();

  constructor(context: ConnectionContext) {
    this.#server = createServer((socket) => {
      const connection = new EslConnection(socket, context);
      this.#connections.add(connection);
      socket.on('close', () => this.#connections.delete(connection));
    });
  }

  /** Binds; port 0 takes a free one. Resolves with the port. */
  async listen(host: string, port: number): Promise<number> {
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /** Clients connected now. */
  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Closes the port and every connection. */
  async close(): Promise<void> {
    for (const connection of this.#connections) connection.destroy();
    if (!this.#server.listening) return;
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/**
 * Connects a channel to its client's listener, as the dialplan's `socket host:port async full`. Resolves with the connection;
 * rejects when the listener cannot be reached in time. `onLost` is called when the connection closes, by whomever.
 */
export function connectOutbound(
  target: { host: string; port: number },
  channel: Channel,
  context: ConnectionContext,
  onLost: () => void,
): Promise<EslConnection> {
  return new Promise((resolve, reject) => {
    const socket = connect(target);
    const timer = setTimeout(() => socket.destroy(new Error('connecting took too long')), CONNECT_TIMEOUT_MS);
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.once('close', onLost);
      resolve(new EslConnection(socket, context, channel));
    });
  });
}
