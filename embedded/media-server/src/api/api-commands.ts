import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import { codecFormat } from '@ringwire/rtp';
import type { ChannelRegistry } from '../channel/channel-registry.js';
import type { Conferences } from '../conference/conferences.js';
import type { ServerCounters } from '../counters.js';
import { SERVER_VERSION } from '../event-socket/event-bus.js';
import { CHANNEL_COMMANDS } from './channel-commands.js';
import { conferenceCommand } from './conference-commands.js';
import { DETECTION_COMMANDS } from './detection-commands.js';
import { DIGIT_COMMANDS } from './digit-commands.js';

/** What commands see of the server. */
export interface ApiContext {
  channels: ChannelRegistry;
  conferences: Conferences;
  counters: ServerCounters;
  /** `ip:port` of the SIP endpoint. */
  sipAddress: () => string;
  maxSessions: number;
  startedMs: number;
}

/** Answers one command; the argument is what follows its name. */
export type ApiCommand = (context: ApiContext, argument: string) => string | Promise<string>;

/** Name under which drachtio-fsmrf looks for us in `sofia status`. */
const PROFILE = 'drachtio_mrf';

const GLOBAL_COMMANDS: ReadonlyMap<string, ApiCommand> = new Map<string, ApiCommand>([
  ['sofia', sofia],
  ['status', status],
  ['version', () => `FreeSWITCH Version ${SERVER_VERSION} (Ringwire)\n`],
  ['show', show],
  ['create_uuid', () => randomUUID()],
  ['echo', (_context, argument) => argument],
  ['hostname', () => hostname()],
  ['strepoch', () => String(Math.floor(Date.now() / 1000))],
  ['global_getvar', () => ''],
  ['hupall', hangUpAll],
]);

/** All commands. To add some: a file beside this one with such a map, and its name here; no name may stand in two. */
const COMMANDS: ReadonlyMap<string, ApiCommand> = new Map([
  ...GLOBAL_COMMANDS,
  ...CHANNEL_COMMANDS,
  ...DIGIT_COMMANDS,
  ...DETECTION_COMMANDS,
  ['conference', conferenceCommand],
]);

/** The `api` and `bgapi` commands. */
export class ApiCommands {
  readonly #context: ApiContext;

  constructor(context: ApiContext) {
    this.#context = context;
  }

  /** Runs `name argument…` and resolves with what is answered; never rejects. */
  async run(line: string): Promise<string> {
    const [, name = '', argument = ''] = /^\s*(\S*)\s*(.*)$/s.exec(line) ?? [];
    const command = COMMANDS.get(name);
    const { counters } = this.#context;
    if (!command) {
      counters.eslBadCommands++;
      return `-ERR ${name} Command not found!\n`;
    }
    try {
      const body = await command(this.#context, argument.trim());
      if (body.startsWith('-')) counters.eslBadCommands++;
      return body === '' ? '-ERR no reply\n' : body;
    } catch (error) {
      counters.eslBadCommands++;
      return `-ERR ${error instanceof Error ? error.message : 'failed'}\n`;
    }
  }
}

function sofia(context: ApiContext, argument: string): string {
  if (!/^status\b/.test(argument)) return '-USAGE: sofia status\n';
  const line = '='.repeat(97);
  const address = context.sipAddress();
  return (
    `                     Name\t   Type\t                                      Data\tState\n${line}\n` +
    `             ${PROFILE}\tprofile\t          sip:mod_sofia@${address}\tRUNNING (${context.channels.size})\n${line}\n` +
    '1 profile 0 aliases\n'
  );
}

function status({ channels, counters, maxSessions, startedMs }: ApiContext): string {
  const seconds = Math.floor((Date.now() - startedMs) / 1000);
  const parts = [Math.floor(seconds / 86400), Math.floor(seconds / 3600) % 24, Math.floor(seconds / 60) % 60];
  return (
    `UP 0 years, ${parts[0]} days, ${parts[1]} hours, ${parts[2]} minutes, ${seconds % 60} seconds\n` +
    `FreeSWITCH (Version ${SERVER_VERSION}) is ready\n${counters.sessionsTotal} session(s) since startup\n` +
    `${channels.size} session(s) - peak ${channels.size}, last 5min ${channels.size}\n${maxSessions} session(s) max\n`
  );
}

function show({ channels }: ApiContext, argument: string): string {
  const [what = '', , format] = argument.split(/\s+/);
  if (what !== 'channels' && what !== 'calls') return '-USAGE: show channels|calls [as json]\n';
  const rows = channels.all().map((channel) => ({
    uuid: channel.uuid,
    direction: 'inbound',
    created_epoch: String(Math.floor(channel.createdMs / 1000)),
    name: channel.name,
    cid_num: channel.profile.callerNumber,
    dest: channel.profile.destination,
    application: channel.getVariable('current_application') ?? '',
    read_codec: channel.agreement ? codecFormat(channel.agreement.codec).name : '',
  }));
  if (format === 'json') return JSON.stringify({ row_count: rows.length, ...(rows.length ? { rows } : {}) });
  if (rows.length === 0) return '\n0 total.\n';
  const lines = rows.map((row) => Object.values(row).join(','));
  return `${Object.keys(rows[0]!).join(',')}\n${lines.join('\n')}\n\n${rows.length} total.\n`;
}

function hangUpAll({ channels }: ApiContext, cause: string): string {
  for (const channel of channels.all()) void channel.hangup(cause || 'MANAGER_REQUEST');
  return `+OK hangup all channels with cause ${cause || 'MANAGER_REQUEST'}\n`;
}
