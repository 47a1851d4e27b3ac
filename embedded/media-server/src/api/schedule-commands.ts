import type { ApiCommand, ApiContext } from './api-commands.js';
import { NO_CHANNEL } from './for-channel.js';

const SCHED_SYNTAX = '[+@]<time> <group_name> <command_string>[&]';
const BAD_SYNTAX = `-ERR Invalid syntax. USAGE: ${SCHED_SYNTAX}\n`;
const TOO_MANY = '-ERR Too many tasks\n';

/** Commands about what is to be done later. */
export const SCHEDULE_COMMANDS: ReadonlyMap<string, ApiCommand> = new Map<string, ApiCommand>([
  ['sched_api', schedule],
  ['sched_del', deleteTasks],
  ['unsched_api', deleteTask],
  ['sched_hangup', scheduleHangup],
]);

/** `+<seconds>` from now, or seconds since 1970; what is no number is 0, as in C. */
function timeMs(text: string): number {
  const isRelative = text.startsWith('+') || text.startsWith('@');
  const seconds = Number.parseInt(isRelative ? text.slice(1) : text, 10) || 0;
  return (isRelative ? Date.now() : 0) + seconds * 1000;
}

/** `[+@]<time> <group> <command>`: `@` again and again. A command of `none` for its group is taken like any other. */
function schedule({ scheduler, run }: ApiContext, argument: string): string {
  const [, time, group, command] = /^(\S+) (\S+) (.+)$/s.exec(argument) ?? [];
  if (time === undefined || group === undefined || command === undefined) return BAD_SYNTAX;
  const everyMs = time.startsWith('@') ? Math.max(1000, timeMs(time) - Date.now()) : undefined;
  const task = { group, description: 'sched_api_function', dueMs: timeMs(time), everyMs };
  const id = scheduler.add(task, () => void run(command.replace(/&$/, '')));
  return id === undefined ? TOO_MANY : `+OK Added: ${id}\n`;
}

/** A number names one task, anything else a group. */
function deleteTasks({ scheduler }: ApiContext, argument: string): string {
  const count = /^\d+$/.test(argument) ? Number(scheduler.delete(Number(argument))) : scheduler.deleteGroup(argument);
  return `+OK Deleted: ${count}\n`;
}

function deleteTask({ scheduler }: ApiContext, argument: string): string {
  const id = Number.parseInt(argument, 10) || 0;
  if (id === 0) return '';
  return scheduler.delete(id) ? '+OK\n' : '-ERR No such id\n';
}

/** `[+]<time> <uuid> [<cause>]`; its group is the uuid: a call that ends takes all tasks of that group with it. */
function scheduleHangup({ channels, scheduler }: ApiContext, argument: string): string {
  const [time = '', uuid = '', cause = 'ALLOTTED_TIMEOUT'] = argument.split(/\s+/);
  if (time === '') return '-USAGE: [+]<time> <uuid> [<cause>]\n';
  const channel = channels.get(uuid);
  if (!channel) return NO_CHANNEL;
  const dueMs = timeMs(time);
  if (dueMs <= Date.now()) {
    void channel.hangup(cause);
    return '+OK\n';
  }
  const task = { group: uuid, description: 'switch_ivr_schedule_hangup', dueMs };
  const id = scheduler.add(task, () => void channels.get(uuid)?.hangup(cause));
  return id === undefined ? TOO_MANY : '+OK\n';
}
