import type { Channel } from '../channel/channel.js';
import { runInline } from '../channel/inline-dialplan.js';
import { setMediaStats } from '../channel/media-stats.js';
import { isTrue } from '../channel/truth.js';
import { MAX_VOLUME_LEVEL, volumeFactor } from '../conference/conference-member.js';
import { EslEvent, encodeHeaders } from '../event-socket/event.js';
import type { Side } from '../media/protocol.js';
import type { ApiCommand, ApiContext } from './api-commands.js';
import { forChannel, NO_CHANNEL } from './for-channel.js';

const SETVAR_MULTI_SYNTAX = '<uuid> <var>=<value>;<var>=<value>...';
const INFO_SYNTAX = '<uuid> [<mime_type> <mime_subtype>] <message>';
const SIDES: readonly Side[] = ['read', 'write'];
const AUDIO_SYNTAX = '<uuid> [start [read|write] [mute|level <level>]|stop]';

const OK = '+OK\n';
const SUCCESS = '+OK Success\n';
const FAILED = '-ERR Operation failed\n';
/** Some commands name the channel that there is not. */
const UNKNOWN = '-ERR No such channel UUID!\n';

/** The `uuid_…` commands. */
export const CHANNEL_COMMANDS: ReadonlyMap<string, ApiCommand> = new Map<string, ApiCommand>([
  ['uuid_exists', ({ channels }, uuid) => (channels.get(uuid) ? 'true' : 'false')],
  ['uuid_dump', forChannel(dump, '<uuid> [format]')],
  ['uuid_getvar', forChannel(getVariable, '<uuid> <var>')],
  ['uuid_setvar', forChannel(setVariable, '<uuid> <var> [value]')],
  [
    'uuid_setvar_multi',
    forChannel(setVariables, SETVAR_MULTI_SYNTAX, `${NO_CHANNEL}-USAGE: ${SETVAR_MULTI_SYNTAX}\n`, 1),
  ],
  ['uuid_set_media_stats', forChannel(tellMediaStats, '<uuid>', UNKNOWN)],
  ['uuid_buglist', forChannel(bugList, '<uuid>', '')],
  ['uuid_break', forChannel(breakNow, '<uuid> [all]')],
  ['uuid_kill', forChannel(kill, '<uuid> [cause]')],
  [
    'uuid_answer',
    forChannel(
      said((channel) => channel.answer()),
      undefined,
      '-ERROR\n',
    ),
  ],
  [
    'uuid_pre_answer',
    forChannel(
      said((channel) => channel.preAnswer()),
      undefined,
      '-ERROR\n',
    ),
  ],
  [
    'uuid_ring_ready',
    forChannel(
      said((channel) => channel.ring()),
      '<uuid> [queued]',
      '-ERROR\n',
    ),
  ],
  ['uuid_bridge', forChannel(bridge, '<uuid> <other_uuid>', '-ERR Invalid uuid\n')],
  ['uuid_transfer', forChannel(transfer, '<uuid> [-bleg|-both] <dest-exten> [<dialplan>] [<context>]')],
  ['uuid_park', forChannel(park)],
  ['uuid_hold', holdCommand],
  ['uuid_phone_event', forChannel(phoneEvent, '<uuid>', FAILED)],
  ['uuid_broadcast', forChannel(broadcast, '<uuid> <path> [aleg|bleg|holdb|both]', '-ERR invalid uuid\n')],
  ['uuid_audio', forChannel(audio, AUDIO_SYNTAX, NO_CHANNEL, 2)],
  ['uuid_jitterbuffer', forChannel(jitterBuffer, '<uuid> [0|<min_msec>[:<max_msec>]]', FAILED, 2)],
  ['uuid_send_info', sendInfo],
  ['uuid_loglevel', forChannel(() => OK, '<uuid> <level>')],
  // They need what this server has not: media that goes past it, REFER, a dump of packets.
  ['uuid_media', forChannel(() => FAILED, '[off] <uuid>', FAILED)],
  ['uuid_media_reneg', forChannel(() => FAILED, '<uuid>[ <codec_string>]', FAILED)],
  ['uuid_deflect', forChannel(() => FAILED, '<uuid> <uri>', UNKNOWN)],
  ['uuid_debug_media', forChannel(() => FAILED, '<uuid> <read|write|both|vread|vwrite|vboth|all> <on|off>', FAILED)],
]);

/** A command that says nothing of what came of it. */
function said(command: (channel: Channel) => void): (channel: Channel) => string {
  return (channel) => {
    command(channel);
    return OK;
  };
}

function dump(channel: Channel, [format = 'txt']: string[]): string {
  const data = channel.dump();
  if (format === 'json') return JSON.stringify(Object.fromEntries(data));
  if (format === 'xml') return new EslEvent('CHANNEL_DATA', data).toXml();
  return format === 'plain' ? plainHeaders(data) : encodeHeaders(data);
}

/** `plain` is the form for people: values in brackets, not percent-encoded. */
function plainHeaders(headers: ReadonlyMap<string, string>): string {
  let text = '';
  for (const [name, value] of headers) text += `${name}: [${value}]\n`;
  return `${text}\n`;
}

function getVariable(channel: Channel, [name = '']: string[]): string {
  if (name === '') return '-ERR No variable name specified!\n';
  return channel.getVariable(name) ?? '_undef_';
}

function setVariable(channel: Channel, [name = '', ...value]: string[]): string {
  if (name === '') return '-ERR No variable specified\n';
  channel.setVariable(name, value.join(' '));
  return OK;
}

function setVariables(channel: Channel, rest: string[]): string {
  // Nothing is answered then; the event socket makes "no reply" of it, as FreeSWITCH's does.
  if (rest.length === 0) return '';
  let set = 0;
  for (const assignment of rest.join(' ').split(';')) {
    const equals = assignment.indexOf('=');
    const name = (equals < 0 ? assignment : assignment.slice(0, equals)).trim();
    if (name === '') continue;
    channel.setVariable(name, equals < 0 ? undefined : assignment.slice(equals + 1));
    set++;
  }
  return set > 0 ? OK : `-USAGE: ${SETVAR_MULTI_SYNTAX}\n`;
}

function bugList(channel: Channel): string {
  const bugs = channel.leg.attachmentKinds();
  const rows = bugs.map((kind) => `  <media-bug>\n    <function>${kind}</function>\n  </media-bug>\n`);
  return `<media-bugs>\n${rows.join('')}</media-bugs>\n`;
}

async function tellMediaStats(channel: Channel): Promise<string> {
  const stats = await channel.leg.stats();
  if (!stats) return `-ERR No such channel ${channel.uuid}!\n`;
  setMediaStats(channel, stats);
  return '+OK:\n';
}

function breakNow(channel: Channel, [which = '']: string[]): string {
  const all = which.includes('all');
  channel.executing.breakNow(all);
  if (which.includes('both')) channel.bridgedTo?.executing.breakNow(all);
  return OK;
}

function kill(channel: Channel, [cause]: string[]): string {
  void channel.hangup(cause ?? 'NORMAL_CLEARING');
  return OK;
}

function bridge(channel: Channel, [otherUuid = '']: string[], { channels }: ApiContext): string {
  const other = channels.get(otherUuid);
  if (!other || other === channel) return '-ERR Invalid uuid\n';
  channel.executing.leave();
  other.executing.leave();
  channel.bridging.join(other);
  return `+OK ${other.uuid}\n`;
}

/**
 * `[-both|-bleg] <applications> inline`: without a dialplan, a list `app:argument,app:argument` (or after `m:<delimiter>:`) is
 * run from the start. Without `inline` there is nowhere to go.
 */
function transfer(channel: Channel, rest: string[]): string {
  const which = rest[0]?.startsWith('-') ? rest.shift()!.toLowerCase() : '';
  const dialplan = rest.length > 1 ? rest[rest.length - 1]! : '';
  const list = (dialplan === 'inline' ? rest.slice(0, -1) : rest).join(' ').replace(/^(['"])(.*)\1$/s, '$2');
  if (list === '') return '-USAGE: <uuid> [-bleg|-both] <dest-exten> [<dialplan>] [<context>]\n';
  if (dialplan !== 'inline') return '-ERR\n';
  const partner = channel.bridgedTo;
  // As in FreeSWITCH the channel itself is meant when there is no other leg.
  const targets =
    which === '-bleg' ? [partner ?? channel] : which === '-both' && partner ? [channel, partner] : [channel];
  channel.bridging.part(targets);
  for (const target of targets) runInline(target, list);
  return OK;
}

function park(channel: Channel): string {
  channel.bridging.part([channel]);
  channel.executing.leave();
  channel.parking.enter();
  return OK;
}

/** `[off|toggle] <uuid> [<display>]`. */
function holdCommand({ channels }: ApiContext, argument: string): string {
  const words = argument.split(/\s+/).filter(Boolean);
  const which = /^(off|toggle)$/i.test(words[0] ?? '') ? words.shift()!.toLowerCase() : 'on';
  const channel = channels.get(words[0] ?? '');
  if (!channel) return argument === '' ? `-USAGE: [off|toggle] <uuid> [<display>]\n${FAILED}` : SUCCESS;
  if (which === 'on' && channel.holding.isOn) return FAILED;
  channel.holding.set(which === 'toggle' ? !channel.holding.isOn : which === 'on');
  return SUCCESS;
}

/** The buffer of every call follows its network by itself, whatever is said here. */
function jitterBuffer(channel: Channel, [delay = '']: string[]): string {
  channel.setVariable('jitterbuffer_msec', delay);
  return SUCCESS;
}

/**
 * `<uuid> [<type> <subtype>] <message>`. As in FreeSWITCH it is sent only to who said in `X-FS-Support` that it takes it, or with
 * `fs_send_unsupported_info=true`, and the answer is the same.
 */
function sendInfo({ channels }: ApiContext, argument: string): string {
  const refused = '-ERR Operation Failed\n';
  const words = argument.split(/\s+/).filter(Boolean);
  const [uuid = '', first = '', second = '', ...message] = words;
  if (words.length < 1 || words.length === 3) return `-USAGE: ${INFO_SYNTAX}\n${refused}`;
  const channel = channels.get(uuid);
  if (!channel) return refused;
  const isTyped = words.length > 3;
  const type = isTyped ? `${first}/${second}` : 'freeswitch/data';
  const takes = /send_info/i.test(channel.getVariable('sip_h_X-FS-Support') ?? '');
  if (takes || isTrue(channel.getVariable('fs_send_unsupported_info'))) {
    channel.signalling?.sendInfo(type, isTyped ? message.join(' ') : first);
  }
  return SUCCESS;
}

/** `talk` and `hold`: a NOTIFY with that event, which phones obey. */
function phoneEvent(channel: Channel, [event = 'talk']: string[]): string {
  return channel.signalling?.notify(event) ? SUCCESS : FAILED;
}

/** `<path> [aleg|bleg|both]` plays a file; `<app>::<arg>` runs an application. */
function broadcast(channel: Channel, rest: string[]): string {
  const legs = /^(aleg|bleg|both|holdb)$/.test(rest[rest.length - 1] ?? '') ? rest.pop() : 'aleg';
  const what = rest.join(' ');
  if (what === '') return '-USAGE: <uuid> <path> [aleg|bleg|holdb|both]\n';
  const [, application = 'playback', argument = what] = /^([a-z_]+)::(.*)$/s.exec(what) ?? [];
  const targets = [legs === 'bleg' ? undefined : channel, legs === 'aleg' ? undefined : channel.bridgedTo];
  for (const target of targets) {
    target?.execute(application, argument, { uuid: target.uuid, lock: false });
  }
  return '+OK Message sent\n';
}

/** `start read|write mute <number>` (0: no more), `start read|write level -4…4`, `stop`. As in FreeSWITCH muting forgets the level. */
function audio(channel: Channel, [action = '', direction = '', what = '', value]: string[]): string {
  if (action.toLowerCase() === 'stop') {
    for (const side of SIDES) {
      channel.leg.mute(side, false);
      channel.leg.setVolume(side, 1);
    }
    return OK;
  }
  const side = SIDES.find((each) => each === direction.toLowerCase());
  const isMute = what.toLowerCase() === 'mute';
  if (action.toLowerCase() !== 'start' || !side || (!isMute && what.toLowerCase() !== 'level') || value === undefined) {
    return `-USAGE: ${AUDIO_SYNTAX}\n`;
  }
  channel.preAnswer();
  const number = Number.parseInt(value, 10) || 0;
  if (isMute) channel.leg.mute(side, number !== 0);
  if (isMute || Math.abs(number) <= MAX_VOLUME_LEVEL) channel.leg.setVolume(side, isMute ? 1 : volumeFactor(number));
  return OK;
}
