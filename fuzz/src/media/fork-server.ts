import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

/** What RFC 6455 §4.2.2 hashes with the key. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/** A WebSocket server for audio forks that sends any bytes after the handshake, and throws away what comes. */
export class RawForkServer {
  /** Open connections by the path that they asked for. */
  readonly sessions = new Map<string, Socket>();
  opened = 0;

  private constructor(private readonly server: Server) {
    server.on('connection', (socket) => this.welcome(socket));
  }

  static async start(): Promise<RawForkServer> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new RawForkServer(server);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  stop(): void {
    this.server.close();
    for (const socket of this.sessions.values()) socket.destroy();
  }

  private welcome(socket: Socket): void {
    socket.setNoDelay(true);
    socket.on('error', () => socket.destroy());
    let head = '';
    const take = (bytes: Buffer): void => {
      head += bytes.toString('latin1');
      if (!head.includes('\r\n\r\n')) return;
      socket.off('data', take);
      socket.resume();
      const key = /^sec-websocket-key: *(\S+)/im.exec(head)?.[1] ?? '';
      const accept = createHash('sha1')
        .update(key + GUID)
        .digest('base64');
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n` +
          'Sec-WebSocket-Protocol: audio.drachtio.org\r\n\r\n',
      );
      const path = /^GET (\S+)/.exec(head)?.[1] ?? '';
      this.sessions.get(path)?.destroy();
      this.sessions.set(path, socket);
      this.opened++;
      socket.on('close', () => {
        if (this.sessions.get(path) === socket) this.sessions.delete(path);
      });
    };
    socket.on('data', take);
  }
}
