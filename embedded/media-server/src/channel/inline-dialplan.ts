import { randomUUID } from 'node:crypto';
import { argumentWords } from './argument-words.js';
import type { Channel } from './channel.js';

/** Leaves what runs, and when it has ended runs a list of applications. */
export function runInline(channel: Channel, list: string): void {
  const [, delimiter, rest = list] = /^m:(.):(.*)$/s.exec(list) ?? [];
  channel.executing.leave();
  const run = (): void => {
    channel.route();
    for (const item of rest.split(delimiter ?? ',')) {
      const colon = item.indexOf(':');
      const application = (colon < 0 ? item : item.slice(0, colon)).trim();
      const argument = colon < 0 ? '' : item.slice(colon + 1);
      if (application) channel.execute(application, argument, { uuid: randomUUID(), lock: true });
    }
  };
  if (channel.executing.isBusy) void channel.executing.whenIdle().then(run);
  else run();
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
  void channel.executing.whenIdle().then(() => {
    if (!channel.isEnded) runInline(channel, list);
  });
}
