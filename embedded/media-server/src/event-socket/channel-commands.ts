import { randomUUID } from 'node:crypto';
import type { Channel } from '../channel/channel.js';
import { isTrue } from '../channel/truth.js';
import type { EslCommand } from './command-parser.js';
import { type EslCommandHandler, safe } from './commands.js';
import type { EslConnection } from './connection.js';
import type { EventFormat } from './event.js';

/** The commands of a socket that controls a channel, or that name one. */
export const CHANNEL_COMMANDS: ReadonlyMap<string, EslCommandHandler> = new Map<string, EslCommandHandler>([
  ['connect', connect],
  ['myevents', myEvents],
  ['getvar', getVariable],
  ['resume', resume],
  ['linger', linger],
  ['nolinger', noLinger],
  ['divert_events', divertEvents],
  ['sendmsg', sendMessage],
]);

/** Longest time that a client may ask a socket to linger. */
const MAX_LINGER_S = 3600;

function connect(connection: EslConnection): string | undefined {
  if (!connection.channel) return '-ERR command not found';
  connection.replyChannelData(connection.channel.channelData());
  return undefined;
}

function myEvents(connection: EslConnection, args: string): string {
  const { subscription, channel, context } = connection;
  if (subscription.onlyChannel !== undefined) return '-ERR aready enabled.';
  const words = args.split(/\s+/).filter(Boolean);
  const format = words.find((word) => /^(plain|json|xml)$/i.test(word));
  const uuid = channel?.uuid ?? words.find((word) => word !== format);
  if (uuid === undefined) return '-ERR command not found';
  if (!channel && !context.channels.get(uuid)) return '-ERR invalid uuid';
  if (format) subscription.format = format.toLowerCase() as EventFormat;
  subscription.wantChannel(uuid);
  return '+OK Events Enabled';
}

function getVariable({ channel }: EslConnection, name: string): string {
  if (!channel) return '-ERR command not found';
  // An empty reply is what FreeSWITCH takes for an unknown command.
  return safe(channel.getVariable(name) ?? '') || '-ERR command not found';
}

function resume({ channel }: EslConnection): string {
  if (!channel) return '-ERR command not found';
  channel.setVariable('socket_resume', 'true');
  return '+OK';
}

function linger(connection: EslConnection, args: string): string {
  if (!connection.channel) return '-ERR not controlling a session';
  if (args === '') {
    connection.lingerMs = 'default';
    return '+OK will linger';
  }
  const seconds = Math.trunc(Number.parseFloat(args)) || 0;
  connection.lingerMs = Math.min(Math.max(seconds, 0), MAX_LINGER_S) * 1000;
  return `+OK will linger ${seconds} seconds`;
}

function noLinger(connection: EslConnection): string {
  if (!connection.channel) return '-ERR not controlling a session';
  connection.lingerMs = undefined;
  return '+OK will not linger';
}

/** A channel's own queue of events has nothing that the bus has not: there is nothing to divert. */
function divertEvents({ channel }: EslConnection, args: string): string {
  if (!channel) return '-ERR not controlling a session.';
  if (args === '') return '-ERR missing value.';
  return args.toLowerCase() === 'on' ? '+OK events diverted' : '+OK events not diverted';
}

function sendMessage(connection: EslConnection, args: string, command: EslCommand): string {
  const uuid = args || command.headers.get('session-id') || '';
  const channel = uuid === '' ? connection.channel : connection.context.channels.get(uuid);
  if (!channel) return `-ERR invalid session id [${safe(uuid)}]`;
  const call = command.headers.get('call-command') ?? '';
  const problem = MESSAGES.get(call)?.(channel, command);
  // As in FreeSWITCH the message was taken, whatever comes of it; what this server cannot do is said.
  return problem ?? '+OK';
}

type MessageHandler = (channel: Channel, command: EslCommand) => string | undefined;

const MESSAGES: ReadonlyMap<string, MessageHandler> = new Map<string, MessageHandler>([
  ['execute', execute],
  ['hangup', hangUp],
  ['xferext', executeList],
  ['unicast', () => '-ERR unicast is not supported'],
  ['nomedia', () => '-ERR nomedia is not supported'],
]);

function execute(channel: Channel, { headers, body }: EslCommand): undefined {
  const application = headers.get('execute-app-name');
  if (!application) return undefined;
  const isText = /^text\/plain$/i.test(headers.get('content-type') ?? '');
  const argument = headers.get('execute-app-arg') || (isText ? body : '');
  channel.execute(application, argument, {
    uuid: headers.get('event-uuid') || randomUUID(),
    uuidName: headers.get('event-uuid-name'),
    lock: isTrue(headers.get('event-lock')) || isTrue(headers.get('event-lock-pri')),
    loops: headers.has('loops') ? Math.trunc(Number(headers.get('loops'))) || 0 : 1,
  });
  return undefined;
}

function hangUp(channel: Channel, { headers }: EslCommand): undefined {
  void channel.hangup(headers.get('hangup-cause') ?? 'NORMAL_CLEARING');
  return undefined;
}

/** Leaves what runs and runs the applications of the message's `application` headers one after the other. */
function executeList(channel: Channel, { fields }: EslCommand): undefined {
  channel.executing.leave();
  for (const [name, value] of fields) {
    if (name.toLowerCase() !== 'application') continue;
    const [, application = '', argument = ''] = /^(\S+)\s*(.*)$/s.exec(value) ?? [];
    if (application) channel.execute(application, argument, { uuid: randomUUID(), lock: true });
  }
  return undefined;
}
