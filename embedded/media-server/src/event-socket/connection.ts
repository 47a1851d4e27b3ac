import { randomUUID } from 'node:crypto';
import type { Socket } from 'node:net';
import type { ApiCommands } from '../api/api-commands.js';
import type { Channel } from '../channel/channel.js';
import type { ChannelRegistry } from '../channel/channel-registry.js';
import type { ServerCounters } from '../counters.js';
import { CommandParser, type EslCommand } from './command-parser.js';
import { type EslEvent, type EventFormat, encodeHeaders } from './event.js';
import type { EventBus, EventReceiver } from './event-bus.js';
import { EventSubscription } from './subscription.js';

/** What a connection needs of the server. */
export interface ConnectionContext {
  bus: EventBus;
  channels: ChannelRegistry;
  api: ApiCommands;
  counters: ServerCounters;
  password: string;
}

/** A client that does not read is cut off when this much waits for it. */
const MAX_UNSENT_BYTES = 32 * 1024 * 1024;
/** How long a socket may linger after its channel's end when the client asked for no particular time. */
const DEFAULT_LINGER_MS = 30_000;
const GOODBYE = 'Disconnected, goodbye.\nSee you at ClueCon! http://www.cluecon.com/\n';

type Handler = (connection: EslConnection, args: string, command: EslCommand) => string | undefined | Promise<void>;

/**
 * One event socket, of either kind: a client that connected to us, or our connection to a client's listener for one channel.
 * Commands are obeyed one after the other, as they came.
 */
export class EslConnection implements EventReceiver {
  readonly subscription = new EventSubscription();
  readonly context: ConnectionContext;
  /** The channel of an outbound connection. */
  readonly channel: Channel | undefined;
  isAuthenticated: boolean;
  /** How long to stay after the channel's end; undefined is not at all. */
  lingerMs: number | undefined;
  readonly #socket: Socket;
  readonly #parser = new CommandParser();
  readonly #waiting: EslCommand[] = [];
  #busy = false;
  #closing = false;

  constructor(socket: Socket, context: ConnectionContext, channel?: Channel) {
    this.#socket = socket;
    this.context = context;
    this.channel = channel;
    this.isAuthenticated = channel !== undefined;
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.#receive(bytes));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => {
      this.#closing = true;
      context.bus.detach(this);
    });
    context.bus.attach(this);
    if (!channel) this.#write('Content-Type: auth/request\n\n');
  }

  /** Sends an event if the client wants it. */
  offer(event: EslEvent): void {
    if (!this.subscription.isActive || !this.isAuthenticated || !this.subscription.wants(event)) return;
    this.context.counters.eslEventsSent++;
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
    const { channel } = this;
    if (!channel || this.#closing) return;
    const linger = this.lingerMs;
    const disposition = linger === undefined ? 'disconnect' : 'linger';
    this.#write(
      `Content-Type: text/disconnect-notice\nControlled-Session-UUID: ${channel.uuid}\nContent-Disposition: ${disposition}\n` +
        `Channel-Name: ${encodeURIComponent(channel.name)}\n` +
        `${linger === undefined ? '' : `Linger-Time: ${Math.round(linger / 1000)}\n`}` +
        `Content-Length: ${Buffer.byteLength(GOODBYE)}\n\n${GOODBYE}`,
    );
    if (linger === undefined) this.#end();
    else setTimeout(() => this.#end(), linger || DEFAULT_LINGER_MS).unref();
  }

  /** Says goodbye and closes. */
  disconnect(): void {
    if (this.#closing) return;
    this.#write(`Content-Type: text/disconnect-notice\nContent-Length: ${Buffer.byteLength(GOODBYE)}\n\n${GOODBYE}`);
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
  }

  async #obey(command: EslCommand): Promise<void> {
    this.context.counters.eslCommands++;
    const [, verb = '', args = ''] = /^(\S+)\s*(.*)$/s.exec(command.line) ?? [];
    const handler = findHandler(verb.toLowerCase(), this.isAuthenticated);
    if (!handler) {
      this.context.counters.eslBadCommands++;
      this.reply('-ERR command not found');
      return;
    }
    const reply = await handler(this, args.trim(), command);
    if (typeof reply !== 'string') return;
    if (reply.startsWith('-ERR')) this.context.counters.eslBadCommands++;
    this.reply(reply);
  }
}

function findHandler(verb: string, isAuthenticated: boolean): Handler | undefined {
  if (!isAuthenticated && verb !== 'auth' && verb !== 'exit') return undefined;
  return HANDLERS.get(verb);
}

const HANDLERS: ReadonlyMap<string, Handler> = new Map<string, Handler>([
  ['auth', authenticate],
  ['exit', exit],
  ['...', exit],
  ['api', api],
  ['bgapi', bgapi],
  ['event', subscribe],
  ['nixevent', unsubscribe],
  ['noevents', noEvents],
  ['filter', filter],
  ['myevents', myEvents],
  ['connect', connect],
  ['linger', linger],
  ['nolinger', noLinger],
  ['sendmsg', sendMessage],
  ['sendevent', sendEvent],
  ['getvar', (connection, name) => (connection.channel ? safe(connection.channel.getVariable(name) ?? '') : '-ERR')],
  ['resume', (connection) => (connection.channel ? '+OK' : '-ERR')],
  ['divert_events', (_connection, how) => (/^(on|off)$/.test(how) ? '+OK' : '-ERR invalid arg')],
  ['log', (_connection, level) => `+OK log level ${level || 'debug'} [7]`],
  ['nolog', () => '+OK no longer logging'],
]);

function authenticate(connection: EslConnection, password: string): string | undefined {
  if (connection.isAuthenticated) return '-ERR command not found';
  if (password === connection.context.password) {
    connection.isAuthenticated = true;
    return '+OK accepted';
  }
  connection.context.counters.eslAuthFailures++;
  connection.reply('-ERR invalid');
  connection.disconnect();
  return undefined;
}

function exit(connection: EslConnection): undefined {
  connection.reply('+OK bye');
  connection.disconnect();
  return undefined;
}

async function api(connection: EslConnection, args: string): Promise<void> {
  connection.replyApi(await connection.context.api.run(args));
}

function bgapi(connection: EslConnection, args: string, command: EslCommand): string | undefined {
  if (args === '') return '-ERR command not found';
  const job = command.headers.get('job-uuid') ?? randomUUID();
  connection.reply(`+OK Job-UUID: ${job}`, new Map([['Job-UUID', job]]));
  const { api: commands, bus } = connection.context;
  const [, name = '', rest = ''] = /^(\S+)\s*(.*)$/s.exec(args) ?? [];
  void commands.run(args).then((body) => {
    const headers: [string, string][] = [
      ['Job-UUID', job],
      ['Job-Command', name],
    ];
    if (rest) headers.push(['Job-Command-Arg', rest]);
    bus.emit('BACKGROUND_JOB', headers, body);
  });
  return undefined;
}

function subscribe(connection: EslConnection, args: string): string {
  const words = args.split(/[\s,]+/).filter(Boolean);
  let format: EventFormat = 'plain';
  if (/^(plain|json|xml)$/i.test(words[0] ?? '')) format = words.shift()!.toLowerCase() as EventFormat;
  if (words.length === 0 || connection.subscription.add(words) === 0) return '-ERR no keywords supplied';
  connection.subscription.format = format;
  return `+OK event listener enabled ${format}`;
}

function unsubscribe(connection: EslConnection, args: string): string {
  const words = args.split(/[\s,]+/).filter(Boolean);
  return connection.subscription.remove(words) === 0 ? '-ERR no keywords supplied' : '+OK events nixed';
}

function noEvents(connection: EslConnection): string {
  if (!connection.subscription.isActive) return '-ERR not listening for events';
  connection.subscription.clear();
  return '+OK no longer listening for events';
}

function filter(connection: EslConnection, args: string): string {
  const [, header = '', value = ''] = /^(\S+)\s*(.*)$/s.exec(args) ?? [];
  if (header === 'delete') {
    const [, name = '', text] = /^(\S+)(?:\s+(.*))?$/s.exec(value) ?? [];
    if (name === '') return '-ERR invalid syntax';
    connection.subscription.deleteFilter(name, text);
    return `+OK filter deleted. [${safe(name)}]=[${safe(text ?? '')}]`;
  }
  if (value === '' || !connection.subscription.addFilter(header, value)) return '-ERR invalid syntax';
  return `+OK filter added. [${safe(header)}]=[${safe(value)}]`;
}

function myEvents(connection: EslConnection, args: string): string {
  const words = args.split(/\s+/).filter(Boolean);
  const format = words.find((word) => /^(plain|json|xml)$/i.test(word));
  const uuid = connection.channel?.uuid ?? words.find((word) => word !== format);
  if (!uuid || !connection.context.channels.get(uuid)) return '-ERR invalid uuid';
  if (format) connection.subscription.format = format.toLowerCase() as EventFormat;
  connection.subscription.wantChannel(uuid);
  return '+OK Events Enabled';
}

function connect(connection: EslConnection): string | undefined {
  if (!connection.channel) return '-ERR command not found';
  connection.replyChannelData(connection.channel.channelData());
  return undefined;
}

function linger(connection: EslConnection, seconds: string): string {
  if (!connection.channel) return '-ERR not controlling a session';
  const asked = Number(seconds);
  connection.lingerMs = asked > 0 ? Math.min(asked, 3600) * 1000 : DEFAULT_LINGER_MS;
  return '+OK will linger';
}

function noLinger(connection: EslConnection): string {
  if (!connection.channel) return '-ERR not controlling a session';
  connection.lingerMs = undefined;
  return '+OK will not linger';
}

function sendMessage(connection: EslConnection, uuid: string, command: EslCommand): string {
  const channel = uuid ? connection.context.channels.get(uuid) : connection.channel;
  if (!channel) return `-ERR invalid session id [${safe(uuid)}]`;
  const { headers, body } = command;
  const call = headers.get('call-command');
  if (call === 'execute') {
    const application = headers.get('execute-app-name');
    if (!application) return '-ERR invalid data';
    const uuidOfEvent = headers.get('event-uuid') ?? randomUUID();
    const lock = headers.get('event-lock') === 'true';
    channel.execute(application, headers.get('execute-app-arg') ?? body, { uuid: uuidOfEvent, lock });
    return headers.has('event-uuid') ? '+OK' : `+OK ${uuidOfEvent}`;
  }
  if (call === 'hangup') {
    void channel.hangup(headers.get('hangup-cause') ?? 'NORMAL_CLEARING');
    return '+OK';
  }
  return '-ERR invalid data';
}

function sendEvent(connection: EslConnection, args: string, command: EslCommand): string {
  const name = args.split(/\s+/)[0] ?? '';
  if (name === '') return '-ERR invalid event';
  const uuid = randomUUID();
  const headers = [...command.headers].filter(([key]) => key !== 'content-length' && key !== 'event-name');
  const named = headers.map(([key, value]): [string, string] => [titleCase(key), value]);
  connection.context.bus.emit(name.toUpperCase(), [...named, ['Event-UUID', uuid]], command.body || undefined);
  return `+OK ${uuid}`;
}

function titleCase(name: string): string {
  return name.replace(/(^|-)([a-z])/g, (_match, dash: string, letter: string) => dash + letter.toUpperCase());
}

/** What a client wrote, fit for a reply line that it will percent-decode. */
function safe(text: string): string {
  return text.replace(/[%\r\n]/g, '?').slice(0, 200);
}
