import type { Endpoint } from '@ringwire/sip';
import { addressOf, hostPort } from './ladder.js';
import { maskSecrets } from './mask-secrets.js';
import type { TraceFilter } from './trace-filter.js';
import { drawArrow, drawNames } from './trace-layout.js';
import type { TraceOutput } from './trace-output.js';
import { headerOf, headOf, readWireMessage, type WireMessage } from './wire-message.js';

/** What a trace shows, and how. */
export interface TraceOptions {
  /** `full` prints each message under its arrow. */
  detail: 'ladder' | 'full';
  filter: TraceFilter | undefined;
  /** A colour per call. */
  colour: boolean;
  /** Columns of the terminal; asked for each row, since windows are dragged. */
  width: () => number;
}

/** A call whose ladder is being drawn. */
interface TracedCall {
  number: number;
  startedAtUs: number;
  /** Participants, from left to right. */
  columns: string[];
  /** Rows drawn, of all calls, when its names were written last. */
  namedAtRow: number;
}

/** Ladders under way; of more, the oldest begins anew when it goes on. */
const MAX_CALLS = 500;
/** After so many rows the names have scrolled away. */
const NAME_EVERY_ROWS = 30;
/** A message printed in full is cut here. */
const MAX_FULL_CHARS = 8_192;
const SERVER = 'server';
const COLOURS = [36, 32, 33, 35, 34, 96, 92, 93, 95, 94];
/** Where applications have no address: only the name is shown. */
const APPLICATION: Endpoint = { transport: 'tcp', host: '', port: 0 };

/** Draws the ladder of every call as it happens: peers, this server, and the application that handles the call. */
export class Trace {
  private readonly calls = new Map<string, TracedCall>();
  private lastNumber = 0;
  private rows = 0;
  /** The application whose command is being carried out. */
  private commander: string | undefined;

  constructor(
    private readonly output: TraceOutput,
    private readonly options: TraceOptions,
  ) {}

  /** A message of the network. */
  take(message: WireMessage): void {
    const peer = hostPort(message.peer);
    if (message.direction === 'in') {
      this.show(message, peer, SERVER);
      return;
    }
    const { commander } = this;
    this.commander = undefined;
    // What an application orders goes to the network at once: the order is the same message.
    if (commander !== undefined) this.show(message, commander, SERVER, false);
    this.show(message, SERVER, peer);
  }

  /** A message that is handed to an application. */
  toApplication(name: string, text: string): void {
    this.show(readWireMessage('out', Buffer.from(text), APPLICATION, APPLICATION), SERVER, name, false);
  }

  /** Carries out an application's command: what it makes the server send first came from there. */
  command(name: string, run: () => void): void {
    this.commander = name;
    try {
      run();
    } finally {
      this.commander = undefined;
    }
  }

  /** A line that belongs to no call. */
  say(text: string): void {
    this.print([text]);
  }

  close(): void {
    this.output.close();
  }

  private show(message: WireMessage, from: string, to: string, mayBeFull = true): void {
    const known = this.calls.get(message.callId);
    const { filter } = this.options;
    if (!known && filter && !filter(headOf(message.bytes))) return;
    if (!this.output.admit()) return;
    if (message.callId === '') {
      this.print([`         ??    ${from} → ${to}: ${message.bytes.length} bytes that are no SIP message`]);
      return;
    }
    const head = headOf(maskSecrets(message.bytes));
    const call = known ?? this.begin(message, from === SERVER ? to : from);
    const lines = known ? [] : titleOf(call, message, head);
    const isNew = this.seat(call, from) || this.seat(call, to);
    if (!known || isNew || this.rows - call.namedAtRow > NAME_EVERY_ROWS) {
      lines.push(drawNames(call.columns, this.options.width()));
      call.namedAtRow = this.rows;
    }
    const arrow = { from: call.columns.indexOf(from), to: call.columns.indexOf(to), text: labelOf(message, head) };
    const seconds = Math.max(0, message.atUs - call.startedAtUs) / 1e6;
    lines.push(drawArrow(arrow, { seconds, number: call.number, columns: call.columns.length }, this.options.width()));
    if (this.options.detail === 'full' && mayBeFull) lines.push(...textOf(message));
    this.print(lines, call);
  }

  private begin({ callId, atUs }: WireMessage, first: string): TracedCall {
    if (this.calls.size >= MAX_CALLS) {
      const [oldest = ''] = this.calls.keys();
      this.calls.delete(oldest);
    }
    const columns = [first, SERVER];
    const call = { number: ++this.lastNumber, startedAtUs: atUs, columns, namedAtRow: this.rows };
    this.calls.set(callId, call);
    return call;
  }

  /** Returns whether a column was added. */
  private seat(call: TracedCall, name: string): boolean {
    if (call.columns.includes(name)) return false;
    call.columns.push(name);
    return true;
  }

  private print(lines: readonly string[], call?: TracedCall): void {
    this.rows += lines.length;
    const colour = this.options.colour && call ? COLOURS[call.number % COLOURS.length] : undefined;
    this.output.print(colour === undefined ? lines : lines.map((line) => `\u001b[${colour}m${line}\u001b[0m`));
  }
}

function titleOf({ number }: TracedCall, { callId }: WireMessage, head: string): string[] {
  const [from, to] = [addressOf(headerOf(head, 'from|f')), addressOf(headerOf(head, 'to|t'))];
  return ['', `#${number} ${printable(from)} → ${printable(to)}  Call-ID ${printable(callId)}`];
}

/** `INVITE 1 sdp`, `200 INVITE 1`. */
function labelOf({ method, status }: WireMessage, head: string): string {
  const seq = /^\d{1,10}/.exec(headerOf(head, 'cseq'))?.[0] ?? '?';
  const [body = ''] = /^[^;\s]*/.exec(headerOf(head, 'content-type|c')) ?? [];
  const type = body === '' ? '' : ` ${body.replace(/^.*\//, '')}`;
  return printable(status === 0 ? `${method} ${seq}${type}` : `${status} ${method} ${seq}${type}`);
}

function textOf({ bytes }: WireMessage): string[] {
  const text = maskSecrets(bytes).toString('utf8');
  const shown = text.length > MAX_FULL_CHARS ? `${text.slice(0, MAX_FULL_CHARS)}\n… (${text.length} characters)` : text;
  return shown
    .trimEnd()
    .split(/\r?\n/)
    .map((line) => `               ┊ ${printable(line)}`.trimEnd());
}

/** What a peer says must not move the cursor or change colours of somebody's terminal. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is being removed.
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]+/g, ' ');
}
