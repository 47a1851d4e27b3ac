import type { Channel } from '../channel/channel.js';
import type { ApiCommand, ApiContext } from './api-commands.js';

/** What FreeSWITCH answers when the uuid is not that of a live channel. */
export const NO_CHANNEL = '-ERR No such channel!\n';

/** Answers a command about one channel; `rest` is what follows its uuid, in words. */
export type ChannelCommand = (channel: Channel, rest: string[], context: ApiContext) => string | Promise<string>;

/**
 * A command whose argument begins with a channel's uuid; `^^:` before it makes `:` the separator of words. With fewer words than are
 * `required` (those that its syntax names outside of brackets) it answers how it is used, and `unknown` when there is no such channel.
 */
export function forChannel(
  command: ChannelCommand,
  syntax?: string,
  unknown: string = NO_CHANNEL,
  required: number = syntax === undefined ? 0 : requiredWords(syntax),
): ApiCommand {
  return (context, argument) => {
    const custom = argument.startsWith('^^') ? argument[2] : undefined;
    const words = (custom ? argument.slice(3).split(custom) : argument.split(/\s+/)).filter((word, i) => word || i > 0);
    if (words.length < required) return `-USAGE: ${syntax}\n`;
    const [uuid = '', ...rest] = words;
    const channel = context.channels.get(uuid);
    return channel ? command(channel, rest, context) : unknown.replace('UUID', uuid);
  };
}

function requiredWords(syntax: string): number {
  let plain = syntax;
  for (let before = ''; before !== plain; ) {
    before = plain;
    plain = plain.replace(/\[[^[\]]*\]/g, ' ');
  }
  return plain.split(/\s+/).filter(Boolean).length;
}
