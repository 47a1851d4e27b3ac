import { hangupCauseOf } from '../channel/hangup-causes.js';
import { logLevelName, logLevelOf } from '../event-socket/commands.js';
import type { ApiCommand, ApiContext } from './api-commands.js';
import { evaluate } from './expression.js';
import { MODULES } from './status-commands.js';

/** What steers the server. */
export const CONTROL_COMMANDS: ReadonlyMap<string, ApiCommand> = new Map<string, ApiCommand>([
  ['fsctl', control],
  ['hupall', hangUpAll],
  ['global_getvar', getGlobal],
  ['global_setvar', setGlobal],
  ['expr', (_context, argument) => evaluate(argument)],
  ['msleep', sleep],
  ['log', () => '+OK\n'],
  // What these would read again are the flags of the process, which stay.
  ['reloadxml', () => '+OK [Success]\n'],
  ['reloadacl', () => '+OK acl reloaded\n'],
  ['load', loadModule],
  ['unload', (_context, argument) => unloadModule(argument)],
  ['reload', (_context, argument) => unloadModule(argument)],
]);

const OK = '+OK\n';
const CONTROL_USAGE =
  '[api_expansion [on|off]|recover|send_sighup|hupall|pause [inbound|outbound]|resume [inbound|outbound]|shutdown ' +
  '[cancel|elegant|asap|now|restart]|uuid_version [4|7]|sps|sps_peak_reset|sync_clock|sync_clock_when_idle|reclaim_mem|' +
  'max_sessions|min_dtmf_duration [num]|max_dtmf_duration [num]|default_dtmf_duration [num]|min_idle_cpu|loglevel [level]|' +
  'debug_level [level]|mdns_resolve [enable|disable]]\n';

function control(context: ApiContext, argument: string): string {
  const [command = '', value = ''] = argument.split(/\s+/);
  const { meter } = context;
  const number = /^\d+$/.test(value) ? Number(value) : undefined;
  switch (command.toLowerCase()) {
    case '':
      return `-USAGE: ${CONTROL_USAGE}`;
    case 'pause':
    case 'resume': {
      const isPaused = command.toLowerCase() === 'pause';
      if (value.toLowerCase() !== 'outbound') meter.isPaused = isPaused;
      if (value.toLowerCase() !== 'inbound') meter.isOutboundPaused = isPaused;
      return OK;
    }
    case 'pause_check':
      if (value.toLowerCase() === 'inbound') return String(meter.isPaused);
      if (value.toLowerCase() === 'outbound') return String(meter.isOutboundPaused);
      return String(meter.isPaused && meter.isOutboundPaused);
    case 'ready_check':
      return String(!meter.isPaused && !meter.isOutboundPaused);
    case 'shutdown_check':
      return 'false';
    case 'max_sessions':
      if (number !== undefined && number > 0) meter.maxSessions = number;
      return `+OK max sessions: ${meter.maxSessions}\n`;
    case 'sps':
      if (number !== undefined && number > 0) meter.maxPerSecond = number;
      return `+OK sessions per second: ${meter.maxPerSecond}\n`;
    case 'last_sps':
      return `+OK last sessions per second: ${meter.perSecond.last}\n`;
    case 'sps_peak_reset':
      meter.resetPeak();
      return '+OK max sessions per second counter reset\n';
    case 'loglevel':
      return logLevel(context, value);
    case 'hupall':
      for (const channel of context.channels.all()) void channel.hangup(value || 'MANAGER_REQUEST');
      return OK;
    case 'send_sighup':
    case 'reclaim_mem':
    case 'flush_db_handles':
    case 'save_history':
      return OK;
    case 'sync_clock':
      return '+OK clock synchronized\n';
    case 'verbose_events':
      return '+OK verbose_events is off \n';
    case 'shutdown':
      return '-ERR not supported, signal the process\n';
    default:
      return `-ERR Invalid command\nUSAGE: fsctl ${CONTROL_USAGE}`;
  }
}

function logLevel(context: ApiContext, text: string): string {
  const level = text === '' ? logLevelOf(LEVELS_OF_PINO[context.logger.level] ?? 'INFO') : logLevelOf(text);
  if (level === undefined) return '-ERR syntax error, log level not set!\n';
  if (text !== '') context.logger.level = PINO_LEVELS[level]!;
  return `+OK log level: ${logLevelName(level)} [${level}]\n`;
}

/** Our logger's names of FreeSWITCH's levels 0 to 7, and back. */
const PINO_LEVELS = ['fatal', 'fatal', 'fatal', 'error', 'warn', 'info', 'info', 'debug'];
const LEVELS_OF_PINO: Readonly<Record<string, string>> = {
  silent: 'CONSOLE',
  fatal: 'CRIT',
  error: 'ERR',
  warn: 'WARNING',
  info: 'INFO',
  debug: 'DEBUG',
  trace: 'DEBUG',
};

/** What there is of modules is part of the server. */
function loadModule(_context: ApiContext, name: string): string {
  if (name === '') return '-USAGE: <mod_name>\n';
  const problem = MODULES.has(name) ? 'Module already loaded' : 'module load file routine returned an error';
  return `+OK Reloading XML\n-ERR [${problem}]\n`;
}

function unloadModule(argument: string): string {
  const name = argument.replace(/^-f\s+/, '');
  if (name === '') return '-USAGE: [-f] <mod_name>\n';
  return `-ERR [${MODULES.has(name) ? 'Module is built in' : 'No such module!'}]\n`;
}

/** `hupall [<cause> [<variable> <value>]…]`: all calls, or those whose variables are so. */
function hangUpAll({ channels }: ApiContext, argument: string): string {
  const [cause = '', ...rest] = argument.split(/\s+/);
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < rest.length; i += 2) pairs.push([rest[i]!, rest[i + 1]!]);
  const { name } = hangupCauseOf(cause || 'MANAGER_REQUEST');
  for (const channel of channels.all()) {
    if (pairs.every(([variable, value]) => channel.getVariable(variable) === value)) void channel.hangup(name);
  }
  if (pairs.length === 0) return `+OK hangup all channels with cause ${name}\n`;
  const [first] = pairs;
  return `+OK hangup all channels matching [${first![0]}]=[${first![1]}]${pairs.length > 1 ? '...' : ''} with cause: ${name}\n`;
}

/** Longest list of global variables. */
const MAX_GLOBALS = 1000;

function getGlobal({ globals }: ApiContext, name: string): string {
  // An empty value is an empty body in FreeSWITCH; the event socket says "no reply" to that.
  if (name !== '') return globals.get(name) ?? '';
  return [...globals].map(([key, value]) => `${key}=${value}\n`).join('');
}

function setGlobal({ globals }: ApiContext, argument: string): string {
  const equals = argument.indexOf('=');
  if (argument === '') return '-USAGE: <var>=<value> [=<value2>]\n';
  const name = equals < 0 ? argument : argument.slice(0, equals);
  const value = equals < 0 ? '' : argument.slice(equals + 1);
  if (value === '') globals.delete(name);
  else if (globals.has(name) || globals.size < MAX_GLOBALS) globals.set(name, value);
  else return '-ERR too many variables\n';
  return '+OK';
}

async function sleep(_context: ApiContext, argument: string): Promise<string> {
  const ms = Math.min(Math.max(Number(argument) || 0, 0), 60_000);
  await new Promise((resolve) => setTimeout(resolve, ms).unref());
  return '+OK';
}
