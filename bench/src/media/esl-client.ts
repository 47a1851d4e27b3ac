import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** An answer of the event socket: headers, and the body where there is one. */
export interface EslReply {
  headers: ReadonlyMap<string, string>;
  body: string;
}

/** A lean event socket client, for either direction: commands are answered in their order, events are handed on. */
export class EslClient {
  readonly #socket: Socket;
  readonly #waiting: Array<{ resolve: (reply: EslReply) => void; reject: (error: Error) => void }> = [];
  #received = '';
  #isClosed = false;

  /** `onEvent` gets the body of each event as it came. */
  constructor(
    socket: Socket,
    readonly onEvent: (body: string) => void = () => {},
  ) {
    this.#socket = socket;
    socket.setNoDelay(true);
    // Bodies are counted in bytes: latin1 keeps one character for each.
    socket.setEncoding('latin1');
    socket.on('data', (text: string) => this.#receive(text));
    socket.on('error', () => {
      // 'close' follows.
    });
    socket.on('close', () => {
      this.#isClosed = true;
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('the event socket was closed'));
    });
  }

  /** Connects to a server and logs in. */
  static async connect(
    { host, port, password }: { host: string; port: number; password: string },
    onEvent?: (body: string) => void,
  ): Promise<EslClient> {
    const socket = connect(port, host);
    await once(socket, 'connect');
    const client = new EslClient(socket, onEvent);
    const { headers } = await client.command(`auth ${password}`);
    if (!headers.get('Reply-Text')?.startsWith('+OK')) throw new Error('the event socket refuses the password');
    return client;
  }

  /** Sends a command; resolves with its answer. */
  command(text: string): Promise<EslReply> {
    if (this.#isClosed) return Promise.reject(new Error('the event socket is closed'));
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#socket.write(`${text}\n\n`);
    });
  }

  /** Runs an api command; rejects when it answers with an error. */
  async api(text: string): Promise<string> {
    const { body } = await this.command(`api ${text}`);
    if (body.startsWith('-')) throw new Error(`api ${text}: ${body.trim()}`);
    return body;
  }

  /** Starts an application on the channel of an outbound socket, as often in a row as `loops` says. */
  async execute(application: string, argument = '', loops = 1): Promise<void> {
    const argumentLine = argument === '' ? '' : `\nexecute-app-arg: ${argument}`;
    await this.command(
      `sendmsg\ncall-command: execute\nexecute-app-name: ${application}${argumentLine}\nloops: ${loops}`,
    );
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(text: string): void {
    this.#received += text;
    for (;;) {
      const end = this.#received.indexOf('\n\n');
      if (end < 0) return;
      const headers = readHeaders(this.#received.slice(0, end));
      const length = Number(headers.get('Content-Length') ?? 0);
      if (this.#received.length < end + 2 + length) return;
      const body = this.#received.slice(end + 2, end + 2 + length);
      this.#received = this.#received.slice(end + 2 + length);
      this.#take(headers, body);
    }
  }

  #take(headers: Map<string, string>, body: string): void {
    const type = headers.get('Content-Type') ?? '';
    if (type.startsWith('text/event')) this.onEvent(body);
    else if (type === 'command/reply' || type === 'api/response') this.#waiting.shift()?.resolve({ headers, body });
    // The answer to `connect` is the channel's data, which has no type of its own where it was asked for at once.
    else if (headers.has('Reply-Text') || headers.has('Unique-ID')) this.#waiting.shift()?.resolve({ headers, body });
  }
}

function readHeaders(text: string): Map<string, string> {
  const headers = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon > 0) headers.set(line.slice(0, colon), line.slice(colon + 1).trim());
  }
  return headers;
}

/** A value of an answer as it was before it was percent-encoded. */
export function decodeValue(value: string | undefined): string {
  return decodeURIComponent(value ?? '');
}
