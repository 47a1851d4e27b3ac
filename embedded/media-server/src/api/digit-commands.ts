import type { Channel } from '../channel/channel.js';
import type { ApiCommand } from './api-commands.js';
import { forChannel } from './for-channel.js';

/** The commands about DTMF. */
export const DIGIT_COMMANDS: ReadonlyMap<string, ApiCommand> = new Map<string, ApiCommand>([
  ['uuid_send_dtmf', forChannel(sendDigits, '<uuid> <dtmf_data>', '-ERR Cannot locate session!\n')],
  ['uuid_recv_dtmf', forChannel(receiveDigits, '<uuid> <dtmf_data>', '-ERR Cannot locate session!\n')],
  ['uuid_flush_dtmf', forChannel(flushDigits, undefined, '-ERR No such session\n')],
]);

function sendDigits(channel: Channel, [digits = '']: string[]): string {
  if (digits === '') return '-USAGE: <uuid> <dtmf_data>\n';
  if (!channel.digits.send(digits)) return '-ERR Operation failed\n';
  return `+OK ${channel.uuid} sent DTMF ${digits}.\n`;
}

function receiveDigits(channel: Channel, [digits = '']: string[]): string {
  if (digits === '') return '-USAGE: <uuid> <dtmf_data>\n';
  if (!channel.digits.receiveDialString(digits)) return '-USAGE: <uuid> <dtmf_data>\n';
  return `+OK ${channel.uuid} received DTMF ${digits}.\n`;
}

function flushDigits(channel: Channel): string {
  channel.digits.flush();
  return '+OK\n';
}
