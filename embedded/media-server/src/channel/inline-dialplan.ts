import { argumentWords } from './argument-words.js';
import type { Channel } from './channel.js';

/** Longest list, as in FreeSWITCH. */
const MAX_APPLICATIONS = 128;

/**
 * Leaves what runs, and when it has ended runs a list of applications. A channel that comes to the end of it is hung up, as in FreeSWITCH: one that is to stay
 * ends its list with `park`.
 */
export function runInline(channel: Channel, list: string): void {
  const departure = channel.executing.leave();
  const run = async (): Promise<void> => {
    // Another transfer may have come while it waited.
    if (channel.executing.hasLeftSince(departure)) return;
    channel.route();
    await runApplications(channel, parseInline(list), departure);
  };
  if (channel.executing.isBusy) void channel.executing.whenIdle().then(run);
  else void run();
}

/** Runs applications one after the other, and hangs up when it has come to their end. */
export async function runApplications(
  channel: Channel,
  list: readonly (readonly [application: string, argument: string])[],
  departure: number = channel.executing.endList(),
): Promise<void> {
  if (await channel.executing.runList(list, departure)) void channel.hangup('NORMAL_CLEARING');
}

/** `application:argument,…`, or with another separator after `m:<separator>:`. */
function parseInline(list: string): [application: string, argument: string][] {
  const [, delimiter, rest = list] = /^m:(.):(.*)$/s.exec(list) ?? [];
  return rest
    .split(delimiter ?? ',', MAX_APPLICATIONS)
    .map((item): [string, string] => {
      const colon = item.indexOf(':');
      return colon < 0 ? [item.trim(), ''] : [item.slice(0, colon).trim(), item.slice(colon + 1)];
    })
    .filter(([application]) => application !== '');
}

/** Runs `<list> inline` when what runs now has ended; `onProblem` is told of another dialplan, for there is none. */
export function runInlineAfter(
  channel: Channel,
  destination: string,
  onProblem: (uuid: string, problem: string) => void,
): void {
  const [list = '', dialplan = 'XML'] = argumentWords(destination);
  if (dialplan !== 'inline') {
    onProblem(channel.uuid, `cannot transfer to ${destination}: there is no dialplan but inline`);
    return;
  }
  const departure = channel.executing.endList();
  void channel.executing.whenIdle().then(() => {
    if (!channel.isEnded && !channel.executing.hasLeftSince(departure)) runInline(channel, list);
  });
}
