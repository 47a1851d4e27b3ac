import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** A connection to a FreeSWITCH's event socket that sends `api` commands, one after the other. */
export class EventSocketClient {
  #received = '';
  #answers: ((body: string) => void)[] = [];

  private constructor(private readonly socket: Socket) {
    // Content-Length counts bytes: so does a string of Latin-1.
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#receive(text));
    socket.on('error', () => undefined);
    // It must not keep a test's process from ending.
    socket.unref();
  }

  /**
   * Connects and logs in.
   * @throws Error where nobody listens or the password is wrong
   */
  static async connect({ host, port, password }: { host: string; port: number; password: string }) {
    const socket = connect(port, host);
    await once(socket, 'connect');
    const client = new EventSocketClient(socket);
    const answer = await client.#send(`auth ${password}`);
    if (!answer.startsWith('+OK')) throw new Error(`the event socket at ${host}:${port} refuses the password`);
    return client;
  }

  /** Sends a command; resolves with the text of its answer, whatever that says. */
  api(command: string): Promise<string> {
    return this.#send(`api ${command}`);
  }

  close(): void {
    this.socket.destroy();
  }

  #send(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const closed = (): void => reject(new Error(`the event socket was closed before it answered "${line}"`));
      if (this.socket.destroyed) return closed();
      this.socket.once('close', closed);
      this.#answers.push((body) => {
        this.socket.off('close', closed);
        resolve(body);
      });
      this.socket.write(`${line}\n\n`);
    });
  }

  #receive(text: string): void {
    this.#received += text;
    for (;;) {
      const end = this.#received.indexOf('\n\n');
      if (end < 0) return;
      const head = this.#received.slice(0, end);
      const bytes = Number(/^Content-Length: (\d+)/m.exec(head)?.[1] ?? 0);
      if (this.#received.length < end + 2 + bytes) return;
      const body = this.#received.slice(end + 2, end + 2 + bytes);
      this.#received = this.#received.slice(end + 2 + bytes);
      const reply = /^Reply-Text: (.*)/m.exec(head)?.[1];
      if (reply !== undefined || /^Content-Type: api\/response/m.test(head)) this.#answers.shift()?.(reply ?? body);
    }
  }
}
