import { stat } from 'node:fs/promises';
import type { Channel } from '../channel/channel.js';
import { beginDisplacement, endDisplacement } from '../channel/displacement.js';
import { isPlaying } from '../channel/media-applications.js';
import { beginSessionRecording, endSessionRecording, tellSessionRecording } from '../channel/record-applications.js';
import { recordRequest } from '../channel/recording.js';
import type { PlayControl } from '../media/protocol.js';
import type { ApiCommand, ApiContext } from './api-commands.js';
import { forChannel } from './for-channel.js';

const SUCCESS = '+OK Success\n';
const NO_SESSION = '-ERR Cannot locate session!\n';
const RECORD_SYNTAX = '<uuid> [start|stop|mask|unmask] <path> [<limit>] [<recording_vars>]';
const RECORD_USAGE = `-USAGE: ${RECORD_SYNTAX}\n`;
const DISPLACE_SYNTAX = '<uuid> [start|stop] <path> [<limit>] [mux]';
const DISPLACE_USAGE = `-USAGE: ${DISPLACE_SYNTAX}\n`;
/** Of `seek:+` without a number. */
const DEFAULT_SEEK_MS = 1000;

/** Commands about what a channel plays and records. */
export const FILE_COMMANDS: ReadonlyMap<string, ApiCommand> = new Map<string, ApiCommand>([
  ['uuid_fileman', forChannel(manage, '<uuid> <cmd>:<val>')],
  ['uuid_record', forChannel(record, RECORD_SYNTAX, NO_SESSION, 3)],
  ['uuid_displace', forChannel(displace, DISPLACE_SYNTAX, NO_SESSION)],
  ['file_exists', fileExists],
]);

/** Also a folder is a file. */
async function fileExists(_context: ApiContext, path: string): Promise<string> {
  if (path === '' || path.includes('\0')) return 'false';
  return stat(path).then(
    () => 'true',
    () => 'false',
  );
}

async function record(channel: Channel, words: string[], { playlists }: ApiContext): Promise<string> {
  const [action = '', path = '', limit, brackets = ''] = words;
  const answer = (done: boolean, what: string): string => (done ? SUCCESS : `-ERR Cannot ${what} session!\n`);
  switch (action.toLowerCase()) {
    case 'start': {
      const request = recordRequest(path, decode(brackets));
      const { onProblem } = playlists;
      return answer(await beginSessionRecording(channel, request, Number(limit) || 0, onProblem), 'record');
    }
    case 'stop':
      return answer(await endSessionRecording(channel, path), 'stop record');
    case 'pause':
      return answer(tellSessionRecording(channel, path, { type: 'pause', on: true }), 'pause recording');
    case 'resume':
      return answer(tellSessionRecording(channel, path, { type: 'pause', on: false }), 'resume recording');
    case 'mask':
      return answer(tellSessionRecording(channel, path, { type: 'mask', on: true }), 'mask recording');
    case 'unmask':
      return answer(tellSessionRecording(channel, path, { type: 'mask', on: false }), 'unmask recording');
    default:
      return RECORD_USAGE;
  }
}

async function displace(channel: Channel, words: string[], { playlists }: ApiContext): Promise<string> {
  const [action = '', path = '', limit, flags = ''] = words;
  switch (action.toLowerCase()) {
    case 'start': {
      const started = await beginDisplacement(playlists, channel, path, flags, Number(limit) || 0);
      return started ? SUCCESS : '-ERR Cannot displace session!\n';
    }
    case 'stop':
      return endDisplacement(channel, path) ? SUCCESS : '-ERR Cannot stop displace session!\n';
    default:
      return DISPLACE_USAGE;
  }
}

/** Changes what plays; FreeSWITCH answers `+OK` also to what it does not know. */
function manage(channel: Channel, [command = '']: string[]): string {
  if (!isPlaying(channel)) return '-ERR No file handle!\n';
  const control = parseControl(command);
  if (control) channel.leg.controlPlay(control);
  return '+OK\n';
}

function parseControl(command: string): PlayControl | undefined {
  const [name = '', value] = command.split(':', 2);
  const action = name.toLowerCase();
  if (action === 'pause' || action === 'stop' || action === 'restart') return { action };
  if (value === undefined) return undefined;
  const relative = /^[+-]/.test(value);
  const number = Number.parseInt(value, 10) || 0;
  if (action === 'seek') return { action, ms: relative ? number || DEFAULT_SEEK_MS : Math.max(0, number), relative };
  if (action !== 'volume' && action !== 'speed') return undefined;
  return { action, steps: relative ? number || 1 : number, relative };
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
