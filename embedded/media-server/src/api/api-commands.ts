import type { Logger } from '@ringwire/common/log/logger.js';
import type { ChannelRegistry } from '../channel/channel-registry.js';
import type { Conferences } from '../conference/conferences.js';
import type { ServerCounters } from '../counters.js';
import type { EventBus } from '../event-socket/event-bus.js';
import type { Playlists } from '../files/playlists.js';
import type { Originator } from '../originate/originator.js';
import type { Scheduler } from '../scheduler.js';
import type { SessionMeter } from '../session-meter.js';
import { CHANNEL_COMMANDS } from './channel-commands.js';
import { conferenceCommand } from './conference-commands.js';
import { CONTROL_COMMANDS } from './control-commands.js';
import { DETECTION_COMMANDS } from './detection-commands.js';
import { DIGIT_COMMANDS } from './digit-commands.js';
import { DUB_COMMANDS } from './dub-commands.js';
import { FILE_COMMANDS } from './file-commands.js';
import { FORK_COMMANDS } from './fork-commands.js';
import { originateCommand } from './originate-command.js';
import { SCHEDULE_COMMANDS } from './schedule-commands.js';
import { STATUS_COMMANDS } from './status-commands.js';
import { TEXT_COMMANDS } from './text-commands.js';

/** What the server gives to commands. */
export interface ApiOptions {
  channels: ChannelRegistry;
  conferences: Conferences;
  counters: ServerCounters;
  playlists: Playlists;
  /** `ip:port` of the SIP endpoint. */
  sipAddress: () => string;
  /** Address of RTP. */
  rtpAddress: string;
  meter: SessionMeter;
  bus: EventBus;
  /** Global variables. */
  globals: Map<string, string>;
  logger: Logger;
  startedMs: number;
  originator: Originator;
  scheduler: Scheduler;
}

/** What commands see of the server. */
export interface ApiContext extends ApiOptions {
  /** Runs another command. */
  run: (line: string) => Promise<string>;
  /** Whether there is a command of that name. */
  hasCommand: (name: string) => boolean;
}

/** Answers one command; the argument is what follows its name. */
export type ApiCommand = (context: ApiContext, argument: string) => string | Promise<string>;

/** All commands. To add some: a file beside this one with such a map, and its name here; no name may stand in two. */
const COMMANDS: ReadonlyMap<string, ApiCommand> = new Map([
  ...STATUS_COMMANDS,
  ...CONTROL_COMMANDS,
  ...CHANNEL_COMMANDS,
  ...DIGIT_COMMANDS,
  ...FILE_COMMANDS,
  ...DETECTION_COMMANDS,
  ...FORK_COMMANDS,
  ...DUB_COMMANDS,
  ...TEXT_COMMANDS,
  ...SCHEDULE_COMMANDS,
  ['originate', originateCommand],
  ['conference', conferenceCommand],
]);

/** The `api` and `bgapi` commands. */
export class ApiCommands {
  readonly #context: ApiContext;

  constructor(options: ApiOptions) {
    this.#context = { ...options, run: (line) => this.run(line), hasCommand: (name) => COMMANDS.has(name) };
  }

  /** Runs `name argument…` and resolves with what is answered; never rejects. */
  async run(line: string): Promise<string> {
    const [, name = '', argument = ''] = /^\s*(\S*)\s*(.*)$/s.exec(line) ?? [];
    const command = COMMANDS.get(name);
    const { counters, bus } = this.#context;
    if (!command) {
      counters.eslBadCommands++;
      return `-ERR ${name} Command not found!\n`;
    }
    if (bus.isWanted('API')) {
      const about: [string, string][] = [['API-Command', name]];
      if (argument !== '') about.push(['API-Command-Argument', argument]);
      bus.emit('API', about);
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
