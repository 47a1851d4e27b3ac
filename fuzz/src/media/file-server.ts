import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

const MAX_KEPT = 200;

/** Answers each path with the bytes that were put there, whatever they are. */
export class RawFileServer {
  private readonly answers = new Map<string, Buffer>();
  private readonly open = new Set<Socket>();
  served = 0;

  private constructor(private readonly server: Server) {
    server.on('connection', (socket) => this.serve(socket));
  }

  static async start(): Promise<RawFileServer> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new RawFileServer(server);
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Puts bytes under a path; the oldest go. */
  put(path: string, bytes: Buffer): void {
    this.answers.delete(path);
    this.answers.set(path, bytes);
    const [oldest] = this.answers.keys();
    if (this.answers.size > MAX_KEPT) this.answers.delete(oldest!);
  }

  stop(): void {
    this.server.close();
    for (const socket of this.open) socket.destroy();
  }

  private serve(socket: Socket): void {
    this.open.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.open.delete(socket));
    socket.once('data', (request) => {
      const path = /^\w+ (\S+)/.exec(request.toString('latin1'))?.[1] ?? '';
      this.served++;
      socket.end(this.answers.get(path) ?? 'HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n');
    });
  }
}
