/** A command of an event socket client: its first line, its header lines and its body. */
export interface EslCommand {
  /** First line without the line end and what blanks are before it, such as `api sofia status`. */
  line: string;
  /** Header lines after it; names in lower case. */
  headers: Map<string, string>;
  /** The same with names as they were written, in order. */
  fields: [string, string][];
  body: string;
}

/** What comes out of the parser. A framing error cannot be recovered from: the connection must be closed. */
export type EslParsed =
  | {
      type: 'command';
      command: EslCommand /** Its Content-Length was no number and was ignored. */;
      badLength: boolean;
    }
  | { type: 'error'; reason: string };

/** Longest command with its headers, and longest body. */
export interface CommandLimits {
  headBytes: number;
  bodyBytes: number;
}

/** Before a client has given the password: its `auth` line fits in. */
export const STRANGER_LIMITS: CommandLimits = { headBytes: 2048, bodyBytes: 0 };
/** Of a client that we know. Larger gives one client too much of our memory. */
export const CLIENT_LIMITS: CommandLimits = { headBytes: 1024 * 1024, bodyBytes: 4 * 1024 * 1024 };
const NEWLINE = 0x0a;
const RETURN = 0x0d;

/** Cuts the byte stream of a client into commands: lines up to an empty line, then a body of Content-Length bytes. */
export class CommandParser {
  limits: CommandLimits;
  #buffer: Buffer = Buffer.alloc(0);
  #searched = 0;
  #pending: { command: EslCommand; badLength: boolean; bodyBytes: number } | undefined;

  constructor(limits: CommandLimits) {
    this.limits = limits;
  }

  /** Takes bytes and returns the commands that they complete. After an error nothing more is parsed. */
  push(bytes: Buffer): EslParsed[] {
    this.#buffer = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes]);
    const found: EslParsed[] = [];
    for (;;) {
      const next = this.#pending ? this.#takeBody(this.#pending) : this.#takeHead();
      if (!next) return found;
      if (next === 'again') continue;
      found.push(next);
      if (next.type === 'error') {
        this.#buffer = Buffer.alloc(0);
        return found;
      }
    }
  }

  #takeHead(): EslParsed | 'again' | undefined {
    this.#skipEmptyLines();
    const end = findHeadEnd(this.#buffer, this.#searched);
    if (!end) {
      if (this.#buffer.length > this.limits.headBytes) return { type: 'error', reason: 'the command is too long' };
      this.#searched = Math.max(0, this.#buffer.length - 3);
      return undefined;
    }
    const head = this.#buffer.toString('utf8', 0, end.start);
    this.#buffer = this.#buffer.subarray(end.next);
    this.#searched = 0;
    const command = parseHead(head);
    const length = command.headers.get('content-length');
    const badLength = length !== undefined && !/^\d+$/.test(length);
    const bodyBytes = length === undefined || badLength ? 0 : Number(length);
    if (bodyBytes > this.limits.bodyBytes) return { type: 'error', reason: 'the body is too long' };
    if (bodyBytes === 0) return { type: 'command', command, badLength };
    this.#pending = { command, badLength, bodyBytes };
    return 'again';
  }

  #takeBody(pending: { command: EslCommand; badLength: boolean; bodyBytes: number }): EslParsed | undefined {
    if (this.#buffer.length < pending.bodyBytes) return undefined;
    pending.command.body = this.#buffer.toString('utf8', 0, pending.bodyBytes);
    this.#buffer = this.#buffer.subarray(pending.bodyBytes);
    this.#pending = undefined;
    return { type: 'command', command: pending.command, badLength: pending.badLength };
  }

  #skipEmptyLines(): void {
    let at = 0;
    while (this.#buffer[at] === NEWLINE || this.#buffer[at] === RETURN) at++;
    if (at === 0) return;
    this.#buffer = this.#buffer.subarray(at);
    this.#searched = Math.max(0, this.#searched - at);
  }
}

function findHeadEnd(buffer: Buffer, from: number): { start: number; next: number } | undefined {
  for (let at = buffer.indexOf(NEWLINE, from); at >= 0; at = buffer.indexOf(NEWLINE, at + 1)) {
    if (buffer[at + 1] === NEWLINE) return { start: at, next: at + 2 };
    if (buffer[at + 1] === RETURN && buffer[at + 2] === NEWLINE) return { start: at, next: at + 3 };
  }
  return undefined;
}

function parseHead(head: string): EslCommand {
  const [line = '', ...rest] = head.split(/\r?\n/);
  const headers = new Map<string, string>();
  const fields: [string, string][] = [];
  for (const header of rest) {
    const colon = header.indexOf(':');
    if (colon <= 0) continue;
    const field: [string, string] = [header.slice(0, colon).trim(), header.slice(colon + 1).trim()];
    fields.push(field);
    headers.set(field[0].toLowerCase(), field[1]);
  }
  return { line: line.trimStart().replace(/\r$/, ''), headers, fields, body: '' };
}
