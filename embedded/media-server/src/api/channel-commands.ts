import { assignAll, beginSessionRecording, endSessionRecording } from '../channel/applications.js';
import type { Channel } from '../channel/channel.js';
import { leaveConference } from '../conference/conference-application.js';
import { encodeHeaders } from '../event-socket/event.js';
import type { ApiCommand, ApiContext } from './api-commands.js';
import { forChannel, NO_CHANNEL } from './for-channel.js';

const OK = '+OK\n';

/** The `uuid_…` commands. */
export const CHANNEL_COMMANDS: ReadonlyMap<string, ApiCommand> = new Map<string, ApiCommand>([
  ['uuid_exists', ({ channels }, uuid) => (channels.get(uuid) ? 'true' : 'false')],
  ['uuid_dump', forChannel(dump)],
  ['uuid_getvar', forChannel((channel, [name = '']) => channel.getVariable(name) ?? '_undef_')],
  ['uuid_setvar', forChannel(setVariable)],
  ['uuid_setvar_multi', forChannel(setVariables)],
  ['uuid_set_media_stats', forChannel(setMediaStats)],
  ['uuid_break', forChannel(breakNow)],
  ['uuid_kill', forChannel(kill)],
  ['uuid_bridge', forChannel(bridge)],
  ['uuid_transfer', forChannel(transfer)],
  ['uuid_park', forChannel(park)],
  ['uuid_record', forChannel(record)],
  ['uuid_broadcast', forChannel(broadcast)],
  ['uuid_audio', forChannel(audio)],
]);

function dump(channel: Channel, [format]: string[]): string {
  const data = channel.channelData();
  return format === 'json' ? JSON.stringify(Object.fromEntries(data)) : encodeHeaders(data);
}

function setVariable(channel: Channel, [name = '', ...value]: string[]): string {
  if (name === '') return '-USAGE: <uuid> <var> [value]\n';
  channel.setVariable(name, value.join(' '));
  return OK;
}

function setVariables(channel: Channel, rest: string[]): string {
  assignAll(channel, `^^;${rest.join(' ')}`);
  return OK;
}

async function setMediaStats(channel: Channel): Promise<string> {
  const stats = await channel.leg.stats();
  if (!stats) return NO_CHANNEL;
  const variables: Record<string, number> = {
    rtp_audio_in_raw_bytes: stats.bytesIn,
    rtp_audio_in_media_bytes: stats.bytesIn,
    rtp_audio_in_packet_count: stats.packetsIn,
    rtp_audio_in_media_packet_count: stats.mediaPacketsIn,
    rtp_audio_in_skip_packet_count: stats.latePackets,
    rtp_audio_in_dtmf_packet_count: stats.dtmfPacketsIn,
    rtp_audio_in_flush_packet_count: stats.badPackets + stats.strayPackets + stats.unauthenticPackets,
    rtp_audio_out_raw_bytes: stats.bytesOut,
    rtp_audio_out_media_bytes: stats.bytesOut,
    rtp_audio_out_packet_count: stats.packetsOut,
    rtp_audio_out_media_packet_count: stats.packetsOut,
  };
  for (const [name, value] of Object.entries(variables)) channel.setVariable(name, String(value));
  return '+OK Success\n';
}

function breakNow(channel: Channel, [which]: string[]): string {
  channel.executing.breakNow(which === 'all');
  return OK;
}

function kill(channel: Channel, [cause]: string[]): string {
  void channel.hangup(cause ?? 'NORMAL_CLEARING');
  return OK;
}

function bridge(channel: Channel, [otherUuid = '']: string[], { channels }: ApiContext): string {
  const other = channels.get(otherUuid);
  if (!other || other === channel) return '-ERR Invalid uuid\n';
  channel.executing.breakNow(true);
  other.executing.breakNow(true);
  channel.bridge(other);
  return `+OK ${other.uuid}\n`;
}

/** Only what needs no dialplan: `[-both|-bleg] park inline` and `hangup inline`. */
function transfer(channel: Channel, rest: string[]): string {
  const both = rest[0] === '-both';
  const otherLeg = rest[0] === '-bleg';
  const [application = '', dialplan = ''] = both || otherLeg ? rest.slice(1) : rest;
  const name = application.split(':')[0];
  const target = otherLeg ? channel.bridgedTo : channel;
  if (dialplan !== 'inline' || (name !== 'park' && name !== 'hangup') || !target) return '-ERR Operation failed\n';
  const partner = target.bridgedTo;
  if (partner) target.unbridge();
  else target.emit('CHANNEL_PARK');
  leaveConference(target);
  target.executing.breakNow(true);
  if (name === 'hangup') {
    void target.hangup('NORMAL_CLEARING');
    if (both) void partner?.hangup('NORMAL_CLEARING');
  }
  return OK;
}

function park(channel: Channel): string {
  if (channel.bridgedTo) channel.unbridge();
  else channel.emit('CHANNEL_PARK');
  return OK;
}

function record(channel: Channel, [action = '', path = '', limit]: string[]): string {
  if (path === '') return '-USAGE: <uuid> [start|stop] <path> [<limit>]\n';
  if (action === 'start') {
    const started = beginSessionRecording(channel, path, Number(limit) || 0);
    return started ? '+OK Success\n' : '-ERR Operation failed\n';
  }
  if (action === 'stop') return endSessionRecording(channel, path) ? '+OK Success\n' : '-ERR Operation failed\n';
  return '-USAGE: <uuid> [start|stop] <path> [<limit>]\n';
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

/** `start read|write mute <level>`, `stop`: muting only. */
function audio(channel: Channel, [action, side, what, level]: string[]): string {
  if (action === 'stop') {
    channel.leg.mute('read', false);
    channel.leg.mute('write', false);
    return OK;
  }
  if (action !== 'start' || what !== 'mute' || (side !== 'read' && side !== 'write')) {
    return '-USAGE: <uuid> [start [read|write] [mute <level>]|stop]\n';
  }
  channel.leg.mute(side, Number(level) !== 0);
  return OK;
}
