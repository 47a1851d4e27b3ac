import type { Channel } from '../channel/channel.js';
import type { ApiCommand, ApiContext } from './api-commands.js';

/** What FreeSWITCH answers when the uuid is not that of a live channel. */
export const NO_CHANNEL = '-ERR No such channel!\n';

/** Answers a command about one channel; `rest` is what follows its uuid, in words. */
export type ChannelCommand = (channel: Channel, rest: string[], context: ApiContext) => string | Promise<string>;

/** A command whose argument begins with a channel's uuid; `^^:` before it makes `:` the separator of words. */
export function forChannel(command: ChannelCommand): ApiCommand {
  return (context, argument) => {
    const custom = argument.startsWith('^^') ? argument[2] : undefined;
    const words = custom ? argument.slice(3).split(custom) : argument.split(/\s+/);
    const [uuid = '', ...rest] = words;
    const channel = context.channels.get(uuid);
    return channel ? command(channel, rest, context) : NO_CHANNEL;
  };
}
