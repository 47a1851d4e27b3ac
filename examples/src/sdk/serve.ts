import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

/** Where an example listens. Both have defaults: this machine, and a free port. */
export interface ListenOptions {
  host?: string;
  port?: number;
}

/** An example that runs. */
export interface RunningExample {
  /** What to write into an application's `call_hook`. */
  callHook: string;
  /** What to write into its `call_status_hook`. */
  callStatusHook: string;
  close(): Promise<void>;
}

/** Listens, and says where. `scheme` is `ws` for applications over a WebSocket. */
export async function serve(
  handler: RequestListener | Server,
  { host = '127.0.0.1', port = 0 }: ListenOptions,
  scheme: 'http' | 'ws' = 'http',
): Promise<RunningExample> {
  const server = typeof handler === 'function' ? createServer(handler) : handler;
  // A WebSocket is no HTTP connection any more, so the server itself would wait for its end.
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const at = `${host}:${(server.address() as AddressInfo).port}`;
  return {
    callHook: `${scheme}://${at}/`,
    callStatusHook: `${scheme}://${at}/status`,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
