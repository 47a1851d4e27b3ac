import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** An answer of the event socket. */
export interface EslAnswer {
  headers: ReadonlyMap<string, string>;
  body: string;
}

/** One event socket, of either direction, that hands on answers in their order and throws events away. */
export class EslLink {
  private readonly waiting: ((answer: EslAnswer | undefined) => void)[] = [];
  private received: Buffer = Buffer.alloc(0);
  isClosed = false;
  readonly closed: Promise<void>;

  constructor(readonly socket: Socket) {
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.receive(bytes));
    socket.on('error', () => socket.destroy());
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.isClosed = true;
        for (const settle of this.waiting.splice(0)) settle(undefined);
        resolve();
      });
    });
  }

  /** Connects and gives the password. @throws when it is refused */
  static async open(port: number, password = 'ClueCon'): Promise<EslLink> {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    const link = new EslLink(socket);
    const answer = await link.command(`auth ${password}`);
    if (!answer?.headers.get('reply-text')?.startsWith('+OK')) throw new Error('the event socket refuses the password');
    return link;
  }

  /** Sends a command; resolves with its answer, with undefined when the connection is gone. */
  command(text: string): Promise<EslAnswer | undefined> {
    if (this.isClosed) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.socket.write(`${text}\n\n`);
    });
  }

  /** What an api command answers. */
  async api(text: string): Promise<string> {
    return (await this.command(`api ${text}`))?.body ?? '';
  }

  /** Sends whatever; its answers belong to nobody. */
  sendRaw(bytes: Buffer): void {
    if (!this.isClosed) this.socket.write(bytes);
  }

  close(): void {
    this.socket.destroy();
  }

  private receive(bytes: Buffer): void {
    this.received = this.received.length === 0 ? bytes : Buffer.concat([this.received, bytes]);
    for (;;) {
      const end = this.received.indexOf('\n\n');
      if (end < 0) return;
      const headers = readHeaders(this.received.toString('latin1', 0, end));
      const length = Number(headers.get('content-length') ?? 0);
      if (this.received.length < end + 2 + length) return;
      const body = this.received.toString('utf8', end + 2, end + 2 + length);
      this.received = this.received.subarray(end + 2 + length);
      const type = headers.get('content-type') ?? '';
      // The answer to `connect` is the channel's data, which has no type of its own.
      if (type === 'command/reply' || type === 'api/response' || headers.has('unique-id'))
        this.waiting.shift()?.({ headers, body });
    }
  }
}

function readHeaders(text: string): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  return headers;
}
