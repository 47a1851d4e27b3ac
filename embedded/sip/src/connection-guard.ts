import type { Server, Socket } from 'node:net';
import type { TransportSink } from './transport.js';

/**
 * Takes a connection that a peer opened into account of its address until it closes; destroys it when there are too many.
 * @param socket as it was accepted, before any handshake
 * @param isFull the listener has no room, whoever it is
 * @returns false when it was destroyed
 */
export function admitConnection(socket: Socket, sink: TransportSink, isFull: boolean): boolean {
  const host = socket.remoteAddress ?? '';
  if (isFull || sink.guard?.admitConnection(host) === false) {
    sink.closed?.(isFull ? 'too-many' : 'limit');
    socket.destroy();
    return false;
  }
  socket.once('close', () => sink.guard?.releaseConnection(host));
  return true;
}

/**
 * Counts what a listener turns away itself: connections over its `maxConnections`, and TLS handshakes that fail (also
 * because the connection was not admitted) or take too long.
 */
export function watchHandshakes(server: Server, sink: TransportSink): void {
  server.on('drop', () => {
    sink.refused();
    sink.closed?.('too-many');
  });
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    sink.refused();
    if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') sink.closed?.('no-message');
    socket.destroy();
  });
}
