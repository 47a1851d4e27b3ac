import type { Socket } from 'node:net';
import type { ApiCommands } from '../api/api-commands.js';
import type { Channel } from '../channel/channel.js';
import type { ChannelRegistry } from '../channel/channel-registry.js';
import type { ServerCounters } from '../counters.js';
import { CLIENT_LIMITS, CommandParser, type EslCommand, STRANGER_LIMITS } from './command-parser.js';
import { findCommand } from './commands.js';
import { type EslEvent, encodeHeaders } from './event.js';
import type { EventBus, EventReceiver } from './event-bus.js';
import type { Admission, LoginGuard } from './login-guard.js';
import { EventSubscription } from './subscription.js';

/** What a connection needs of the server. */
export interface ConnectionContext {
  bus: EventBus;
  channels: ChannelRegistry;
  api: ApiCommands;
  counters: ServerCounters;
  guard: LoginGuard;
}

/** What may wait for a client that does not read: above the first events are lost, above the second it is cut off. */
const MAX_UNSENT_EVENT_BYTES = 8 * 1024 * 1024;
const MAX_UNSENT_BYTES = 32 * 1024 * 1024;
/** Lost events in a row after which a client is cut off: it cannot know the state of its calls any more. FreeSWITCH's number. */
const MAX_LOST_EVENTS = 500;
/** Commands that may wait for their turn; then we stop reading until they are done. */
const MAX_WAITING_COMMANDS = 500;
/** How long a socket may linger after its channel's end when the client asked for no particular time. */
const DEFAULT_LINGER_MS = 30_000;
const GOODBYE = 'Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n';

/**
 * One event socket, of either kind: a client that connected to us, or our connection to a client's listener for one channel.
 * Commands are obeyed one after the other, as they came.
 */
export class EslConnection implements EventReceiver {
  readonly subscription = new EventSubscription();
  readonly context: ConnectionContext;
  /** The channel of an outbound connection. */
  readonly channel: Channel | undefined;
  /** Address of the peer, for the guard. */
  readonly peer: string;
  /** How long to stay after the channel's end, `default` as long as is reasonable; undefined is not at all. */
  lingerMs: number | 'default' | undefined;
  /** Whether `log` is on. No log lines are sent, but `nolog` answers to it. */
  isLogging = false;
  readonly #socket: Socket;
  readonly #parser: CommandParser;
  readonly #waiting: EslCommand[] = [];
  #isAuthenticated: boolean;
  /** Whether the guard lets it be asked for the password. */
  #admission: Admission = 'now';
  readonly #onTurn = (): void => this.#askPassword();
  #authTimer: NodeJS.Timeout | undefined;
  #busy = false;
  #closing = false;
  #lostEvents = 0;

  constructor(socket: Socket, context: ConnectionContext, channel?: Channel) {
    this.#socket = socket;
    this.context = context;
    this.channel = channel;
    this.peer = socket.remoteAddress ?? '';
    this.#isAuthenticated = channel !== undefined;
    this.#parser = new CommandParser(channel ? CLIENT_LIMITS : STRANGER_LIMITS);
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#closing = true;
      clearTimeout(this.#authTimer);
      context.bus.detach(this);
      if (this.#admission === 'later') context.guard.giveUp(this.peer, this.#onTurn);
      else if (this.#admission === 'now' && !this.#isAuthenticated) context.guard.leave(this.peer);
    });
    if (channel) context.bus.attach(this);
    else this.#greet();
  }

  /** Whether it has given the password, or needs none. */
  get isAuthenticated(): boolean {
    return this.#isAuthenticated;
  }

  /** The password was right. */
  authenticate(): void {
    clearTimeout(this.#authTimer);
    this.context.guard.leave(this.peer);
    this.#isAuthenticated = true;
    this.#parser.limits = CLIENT_LIMITS;
    this.context.bus.attach(this);
  }

  #greet(): void {
    this.#admission = this.context.guard.enter(this.peer, this.#onTurn);
    if (this.#admission === 'now') this.#askPassword();
    else if (this.#admission === 'later') {
      // Nothing of it is read before its turn.
      this.#socket.pause();
      this.#limitTime();
    } else {
      const text = 'Access Denied, go away.\n';
      this.#write(`Content-Type: text/rude-rejection\nContent-Length: ${text.length}\n\n${text}`);
      this.#end();
    }
  }

  #askPassword(): void {
    this.#admission = 'now';
    this.#socket.resume();
    this.#write('Content-Type: auth/request\n\n');
    this.#limitTime();
  }

  /** For waiting to be asked, and anew for the password. */
  #limitTime(): void {
    clearTimeout(this.#authTimer);
    this.#authTimer = setTimeout(() => this.disconnect(), this.context.guard.authTimeoutMs).unref();
  }

  /** Whether events of that name are worth making for it. */
  mayWant(name: string): boolean {
    return this.subscription.wantsName(name);
  }

  /** The channels whose events alone it may want. */
  get channels(): ReadonlySet<string> | undefined {
    return this.subscription.channels;
  }

  /** Sends an event if the client wants it. */
  offer(event: EslEvent): void {
    if (!this.subscription.wants(event)) return;
    const { counters } = this.context;
    if (this.#socket.writableLength > MAX_UNSENT_EVENT_BYTES) {
      counters.eslEventsLost++;
      if (++this.#lostEvents > MAX_LOST_EVENTS) this.destroy();
      return;
    }
    this.#lostEvents = 0;
    counters.eslEventsSent++;
    this.#write(event.encode(this.subscription.format));
  }

  /** Answers a command. */
  reply(text: string, headers: ReadonlyMap<string, string> = new Map()): void {
    this.#write(`Content-Type: command/reply\nReply-Text: ${text}\n${encodeHeaders(headers)}\n`);
  }

  /** Answers an api command. */
  replyApi(body: string): void {
    this.#write(`Content-Type: api/response\nContent-Length: ${Buffer.byteLength(body)}\n\n${body}`);
  }

  /** Answers `connect` with the channel's data. */
  replyChannelData(headers: ReadonlyMap<string, string>): void {
    this.#write(
      `Content-Type: command/reply\nReply-Text: +OK\nSocket-Mode: async\nControl: full\n${encodeHeaders(headers)}\n`,
    );
  }

  /** The channel is gone: says so and closes, now or after the time that the client asked for. */
  endOfChannel(): void {
    const { channel, lingerMs } = this;
    if (!channel || this.#closing) return;
    if (lingerMs === undefined) {
      this.disconnect();
      return;
    }
    this.#write(
      `Content-Type: text/disconnect-notice\nControlled-Session-UUID: ${channel.uuid}\nContent-Disposition: linger\n` +
        `Channel-Name: ${channel.name}\nLinger-Time: ${lingerMs === 'default' ? -1 : Math.round(lingerMs / 1000)}\n` +
        'Content-Length: 0\n\n',
    );
    setTimeout(() => this.disconnect(), lingerMs === 'default' ? DEFAULT_LINGER_MS : lingerMs).unref();
  }

  /** Says goodbye and closes. */
  disconnect(): void {
    if (this.#closing) return;
    const of = this.channel ? `Controlled-Session-UUID: ${this.channel.uuid}\nContent-Disposition: disconnect\n` : '';
    this.#write(
      `Content-Type: text/disconnect-notice\n${of}Content-Length: ${Buffer.byteLength(GOODBYE)}\n\n${GOODBYE}`,
    );
    this.#end();
  }

  /** Closes without a word. */
  destroy(): void {
    this.#closing = true;
    this.#socket.destroy();
  }

  #end(): void {
    this.#closing = true;
    this.#socket.end();
    // A client that does not close its side must not keep ours.
    setTimeout(() => this.#socket.destroy(), 1000).unref();
  }

  #write(data: string | Buffer): void {
    if (this.#closing || this.#socket.destroyed) return;
    if (this.#socket.writableLength > MAX_UNSENT_BYTES) {
      this.destroy();
      return;
    }
    this.#socket.write(data);
  }

  #receive(bytes: Buffer): void {
    for (const parsed of this.#parser.push(bytes)) {
      if (parsed.type === 'error') {
        this.context.counters.eslBadCommands++;
        this.reply(`-ERR ${parsed.reason}`);
        this.disconnect();
        return;
      }
      if (parsed.badLength) this.context.counters.eslBadCommands++;
      this.#waiting.push(parsed.command);
    }
    if (this.#waiting.length > MAX_WAITING_COMMANDS) this.#socket.pause();
    if (!this.#busy) void this.#work();
  }

  async #work(): Promise<void> {
    this.#busy = true;
    for (let next = this.#waiting.shift(); next && !this.#closing; next = this.#waiting.shift()) {
      try {
        await this.#obey(next);
      } catch (error) {
        this.context.counters.eslBadCommands++;
        this.reply(`-ERR ${error instanceof Error ? error.name : 'failed'}`);
      }
    }
    this.#busy = false;
    this.#socket.resume();
  }

  async #obey(command: EslCommand): Promise<void> {
    this.context.counters.eslCommands++;
    const [, verb = '', args = ''] = /^(\S+)\s*(.*)$/s.exec(command.line) ?? [];
    const handler = findCommand(verb.toLowerCase(), this.#isAuthenticated);
    if (!handler) {
      this.context.counters.eslBadCommands++;
      this.reply('-ERR command not found');
      return;
    }
    const reply = await handler(this, args.trim(), command);
    // What it wants may have changed.
    if (this.#isAuthenticated && !this.#closing) this.context.bus.attach(this);
    if (typeof reply !== 'string') return;
    if (reply.startsWith('-ERR')) this.context.counters.eslBadCommands++;
    this.reply(reply);
  }
}
