import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A connection to the control port that speaks drachtio's frames (`<bytes>#<text>`) and nothing more. */
export class ControlLink {
  private pending: Buffer = Buffer.alloc(0);

  private constructor(
    private readonly socket: Socket,
    private readonly hear: (frame: string) => void,
  ) {
    socket.on('data', (chunk) => this.receive(chunk));
    // 'close' follows; what is written to it afterwards is lost, as it would be for an application.
    socket.on('error', () => socket.destroy());
  }

  /** Connects and authenticates. */
  static async open(port: number, secret: string, hear: (frame: string) => void): Promise<ControlLink> {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    await once(socket, 'connect');
    const link = new ControlLink(socket, hear);
    link.send(`0|authenticate|${secret}|`);
    return link;
  }

  get isClosed(): boolean {
    return this.socket.destroyed || this.socket.closed;
  }

  send(text: string): void {
    this.sendRaw(Buffer.from(`${Buffer.byteLength(text)}#${text}`));
  }

  sendRaw(bytes: Buffer): void {
    if (!this.isClosed) this.socket.write(bytes);
  }

  /** Resolves when it is gone. */
  async close(): Promise<void> {
    if (this.socket.closed) return;
    const closed = new Promise<void>((resolve) => this.socket.once('close', () => resolve()));
    this.socket.destroy();
    await closed;
  }

  private receive(chunk: Buffer): void {
    this.pending = this.pending.length === 0 ? chunk : Buffer.concat([this.pending, chunk]);
    for (;;) {
      const mark = this.pending.indexOf(0x23);
      if (mark < 0) return;
      const end = mark + 1 + Number(this.pending.toString('latin1', 0, mark));
      if (this.pending.length < end) return;
      const frame = this.pending.toString('utf8', mark + 1, end);
      this.pending = this.pending.subarray(end);
      this.hear(frame);
    }
  }
}
