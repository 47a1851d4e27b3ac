import { connect } from 'node:net';
import { WebSocket } from 'ws';

/** So many may be open at once. */
const MAX_OPEN = 16;

/** Sends each input on a connection of its own that ends right after it; several at a time. */
export class ShortConnections {
  private open = 0;
  private waiting: (() => void) | undefined;

  /** Resolves when the next input may be sent. */
  async tcp(port: number, bytes: Buffer): Promise<void> {
    const ended = await this.begin();
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => socket.destroy());
    socket.resume();
    socket.once('close', ended);
    socket.end(bytes, () => setImmediate(() => socket.destroy()));
  }

  /** The same over WebSocket, in one message. */
  async webSocket(port: number, bytes: Buffer): Promise<void> {
    const ended = await this.begin();
    const socket = new WebSocket(`ws://127.0.0.1:${port}/`, 'sip', { perMessageDeflate: false });
    socket.on('error', () => socket.terminate());
    socket.once('close', ended);
    socket.once('open', () => socket.send(bytes, () => setImmediate(() => socket.terminate())));
  }

  private async begin(): Promise<() => void> {
    if (this.open >= MAX_OPEN) {
      await new Promise<void>((resolve) => {
        this.waiting = resolve;
      });
    }
    this.open++;
    return () => {
      this.open--;
      this.waiting?.();
      this.waiting = undefined;
    };
  }
}
