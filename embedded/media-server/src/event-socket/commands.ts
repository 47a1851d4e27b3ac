import { randomUUID } from 'node:crypto';
import { CHANNEL_COMMANDS } from './channel-commands.js';
import type { EslCommand } from './command-parser.js';
import type { EslConnection } from './connection.js';
import type { EventFormat } from './event.js';
import { eventNameOf } from './event-names.js';

/** Obeys one command and returns the text of its reply; undefined when it has replied itself. */
export type EslCommandHandler = (
  connection: EslConnection,
  args: string,
  command: EslCommand,
) => string | undefined | Promise<string | undefined>;

/** The commands of the socket itself, of events and of the api. */
const SOCKET_COMMANDS: ReadonlyMap<string, EslCommandHandler> = new Map<string, EslCommandHandler>([
  ['auth', authenticate],
  ['userauth', refuseUser],
  ['exit', exit],
  ['...', exit],
  ['api', api],
  ['bgapi', bgapi],
  ['event', subscribe],
  ['nixevent', unsubscribe],
  ['noevents', noEvents],
  ['filter', filter],
  ['sendevent', sendEvent],
  ['log', log],
  ['nolog', noLog],
]);

const STRANGER_COMMANDS = new Set(['auth', 'userauth', 'exit', '...']);

/** The command of that name, if the client may use it. */
export function findCommand(name: string, isAuthenticated: boolean): EslCommandHandler | undefined {
  if (!isAuthenticated && !STRANGER_COMMANDS.has(name)) return undefined;
  return SOCKET_COMMANDS.get(name) ?? CHANNEL_COMMANDS.get(name);
}

async function authenticate(connection: EslConnection, password: string): Promise<string | undefined> {
  if (connection.isAuthenticated) return '-ERR command not found';
  if (await connection.context.guard.check(connection.peer, password)) {
    connection.authenticate();
    return '+OK accepted';
  }
  return refuseUser(connection);
}

/** There are no users beside the one password. */
function refuseUser(connection: EslConnection): string | undefined {
  if (connection.isAuthenticated) return '-ERR command not found';
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

async function api(connection: EslConnection, args: string, { line }: EslCommand): Promise<string | undefined> {
  // With a blank behind it FreeSWITCH takes it for an api command without a name.
  if (args === '' && !/\s$/.test(line)) return '-ERR command not found';
  connection.replyApi(await connection.context.api.run(args));
  return undefined;
}

function bgapi(connection: EslConnection, args: string, command: EslCommand): string | undefined {
  if (args === '') return '-ERR command not found';
  const job = command.headers.get('job-uuid') || randomUUID();
  connection.reply(`+OK Job-UUID: ${safe(job)}`, new Map([['Job-UUID', job]]));
  const { api: commands, bus } = connection.context;
  const [, name = '', rest = ''] = /^(\S+)\s*(.*)$/s.exec(args) ?? [];
  void commands.run(args).then((body) => {
    const headers: [string, string][] = [['Job-UUID', job]];
    if (connection.channel) headers.push(['Job-Owner-UUID', connection.channel.uuid]);
    headers.push(['Job-Command', name]);
    if (rest) headers.push(['Job-Command-Arg', rest]);
    bus.emit('BACKGROUND_JOB', headers, body);
  });
  return undefined;
}

function subscribe(connection: EslConnection, args: string): string {
  const words = args.split(/\s+/).filter(Boolean);
  if (/^(plain|json|xml)$/i.test(words[0] ?? '')) {
    connection.subscription.format = words.shift()!.toLowerCase() as EventFormat;
  }
  if (connection.subscription.add(words) === 0) return '-ERR no keywords supplied';
  return `+OK event listener enabled ${connection.subscription.format}`;
}

function unsubscribe(connection: EslConnection, args: string): string {
  const words = args.split(/\s+/).filter(Boolean);
  return connection.subscription.remove(words) === 0 ? '-ERR no keywords supplied' : '+OK events nixed';
}

function noEvents(connection: EslConnection): string {
  if (!connection.subscription.isActive) return '-ERR not listening for events';
  connection.subscription.clear();
  return '+OK no longer listening for events';
}

/** `filter [add] <header> <value>`, `filter delete <header>|all [<value>]`. */
function filter(connection: EslConnection, args: string): string {
  const [, first = '', rest = ''] = /^(\S+)\s*(.*)$/s.exec(args) ?? [];
  if (rest === '') return '-ERR invalid syntax';
  const isWord = /^(add|delete)$/i.test(first);
  const [, header = '', value = ''] = isWord ? (/^(\S+)(?:\s+(.*))?$/s.exec(rest) ?? []) : ['', first, rest];
  if (first.toLowerCase() === 'delete') {
    connection.subscription.deleteFilter(header, value || undefined);
    return `+OK filter deleted. [${safe(header)}][${safe(value)}]`;
  }
  if (value === '' || !connection.subscription.addFilter(header, value)) return '-ERR invalid syntax';
  return `+OK filter added. [${safe(header)}]=[${safe(value)}]`;
}

function sendEvent(connection: EslConnection, args: string, command: EslCommand): string {
  const uuid = randomUUID();
  // A name that is none makes an event that says of itself what command it was, as FreeSWITCH's does.
  const name = eventNameOf(args.split(/\s+/)[0] ?? '') ?? 'COMMAND';
  const headers = command.fields.filter(([key]) => !/^(content-length|event-name)$/i.test(key));
  connection.context.bus.emit(
    name,
    [['Command', command.line.trimEnd()], ...headers, ['Event-UUID', uuid]],
    command.body || undefined,
  );
  return `+OK ${uuid}`;
}

const LOG_LEVELS = ['CONSOLE', 'ALERT', 'CRIT', 'ERR', 'WARNING', 'NOTICE', 'INFO', 'DEBUG'];

/** Number of a log level given by name or number; undefined when it is none. */
export function logLevelOf(text: string): number | undefined {
  const level = /^\d+$/.test(text) ? Number(text) : LOG_LEVELS.indexOf(text.toUpperCase());
  return level >= 0 && level < LOG_LEVELS.length ? level : undefined;
}

/** Name of a log level. */
export function logLevelName(level: number): string {
  return LOG_LEVELS[level] ?? 'DEBUG';
}

function log(connection: EslConnection, args: string): string {
  const text = args.split(/\s+/)[0] ?? '';
  const level = text === '' ? LOG_LEVELS.length - 1 : logLevelOf(text);
  if (level === undefined) return '-ERR invalid log level';
  connection.isLogging = true;
  return `+OK log level ${safe(text)} [${level}]`;
}

function noLog(connection: EslConnection): string {
  if (!connection.isLogging) return '-ERR not loging';
  connection.isLogging = false;
  return '+OK no longer logging';
}

/** What a client wrote, fit for a reply line that it will percent-decode. */
export function safe(text: string): string {
  return text.replace(/[%\r\n]/g, '?').slice(0, 200);
}
