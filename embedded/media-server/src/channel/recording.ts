import { extname } from 'node:path';
import type { LegRate, RecordingFormat, WavInfoTexts } from '@ringwire/rtp';
import { splitParameters } from '../files/playlists.js';
import type { RecordEnded, RecordOutcome, RecordSpec } from '../media/attachments/recorder.js';
import type { LegAttachment } from '../media/media-leg.js';
import type { PlayParameters } from '../media/protocol.js';
import type { Channel } from './channel.js';

/** A recording that runs. */
export interface Recording {
  readonly attachment: LegAttachment<'record'>;
  /** Whether the file could be opened. */
  started: Promise<boolean>;
  ended: Promise<RecordEnded>;
}

/** What a recording is asked with: settings, and words that are shown in its events. */
export interface RecordRequest {
  path: string;
  /** `{name=value}` given with the request; they come before the channel's variables. */
  parameters: PlayParameters;
}

/** Why a recording is not begun. */
export type RecordRefusal = { refused: string };

const FORMATS: Readonly<Record<string, RecordingFormat>> = {
  '': 'wav',
  '.wav': 'wav',
  '.raw': 'pcm16',
  '.r8': 'pcm16',
  '.r16': 'pcm16',
  '.sln': 'pcm16',
  '.l16': 'pcm16',
  '.pcmu': 'ulaw',
  '.ul': 'ulaw',
  '.ulaw': 'ulaw',
  '.pcma': 'alaw',
  '.al': 'alaw',
  '.alaw': 'alaw',
};
/** Formats whose name says the rate. */
const RATES: Readonly<Record<string, LegRate>> = {
  '.r8': 8000,
  '.r16': 16000,
  '.sln': 8000,
  '.pcmu': 8000,
  '.ul': 8000,
  '.ulaw': 8000,
  '.pcma': 8000,
  '.al': 8000,
  '.alaw': 8000,
};

/** Takes the parameters off the front of a path and joins them with others. */
export function recordRequest(path: string, brackets = ''): RecordRequest {
  const own = splitParameters(path);
  return { path: own.rest, parameters: [...splitParameters(brackets).parameters, ...own.parameters] };
}

/** A setting of a recording: of the request, else the channel's variable, in capitals or not. */
export function recordSetting(channel: Channel, request: RecordRequest, name: string): string | undefined {
  const wanted = name.toLowerCase();
  const given = request.parameters.find(([parameter]) => parameter.toLowerCase() === wanted);
  return given?.[1] ?? channel.getVariable(name.toUpperCase()) ?? channel.getVariable(wanted);
}

/** Whether a setting of a recording is on. */
export function recordFlag(channel: Channel, request: RecordRequest, name: string): boolean {
  return /^(?:true|yes|on|enabled?|active|allow|[1-9]\d*)$/i.test(recordSetting(channel, request, name) ?? '');
}

/** Begins a recording; `wanted` is what the command itself says, all else comes from the settings. */
export function startRecording(
  channel: Channel,
  request: RecordRequest,
  wanted: Pick<RecordSpec, 'mode' | 'limitMs' | 'silenceThreshold' | 'silenceMs'> & Partial<RecordSpec>,
): Recording | RecordRefusal {
  const extension = extname(request.path).toLowerCase();
  const format = FORMATS[extension];
  if (!format) return { refused: `${extension} files cannot be recorded` };
  if (request.path === '' || /[\0]|^\w+:\/\//.test(request.path)) return { refused: 'no file name' };
  if (format !== 'wav' && wanted.mode === 'stereo') return { refused: `${extension} files have no stereo` };
  const rateHz = RATES[extension] ?? rateSetting(channel, request);
  const spec: RecordSpec = {
    ...wanted,
    path: request.path,
    format,
    append: recordFlag(channel, request, 'RECORD_APPEND'),
    info: takeInfo(channel, request),
    ...(rateHz === undefined ? {} : { rateHz }),
  };
  // Stays so when the leg's thread dies before it can say how the recording ended.
  let end: RecordEnded = { type: 'recordEnded', samples: 0, rateHz: 8000, outcome: 'failed' };
  let started = (_opened: boolean): void => undefined;
  const opening = new Promise<boolean>((resolve) => {
    started = resolve;
  });
  const attachment = channel.leg.attach({ kind: 'record', ...spec }, (event) => {
    if (event.type === 'recordStarted') started(true);
    else end = event;
  });
  const ended = attachment.ended.then(() => {
    started(false);
    return end;
  });
  return { attachment, started: opening, ended };
}

/** Sets the variables that tell of a recording. */
export function setRecordVariables(channel: Channel, { samples, rateHz, outcome }: RecordEnded): void {
  channel.setVariable('record_seconds', String(Math.floor(samples / rateHz)));
  channel.setVariable('record_ms', String(Math.floor((samples * 1000) / rateHz)));
  channel.setVariable('record_samples', String(samples));
  if (outcome === 'empty' || outcome === 'tooShort') channel.setVariable('RECORD_DISCARDED', 'true');
}

/** Headers of RECORD_START and RECORD_STOP. */
export function recordHeaders(request: RecordRequest): [string, string][] {
  return [
    ['Record-File-Path', request.path],
    ...request.parameters.map(([name, value]): [string, string] => [`Recording-Variable-${name}`, value]),
  ];
}

/** Why a recording failed, as RECORD_STOP tells it: FreeSWITCH has no such header. */
export function problemHeaders({ problemCode }: RecordEnded): [string, string][] {
  return problemCode === undefined ? [] : [['Record-Problem', problemCode]];
}

/** FreeSWITCH's name of how a session recording ended, after those of MRCP. */
export function completionCause(outcome: RecordOutcome, hungUp: boolean): string {
  switch (outcome) {
    case 'failed':
      return 'uri-failure';
    case 'empty':
      return 'empty-file';
    case 'tooShort':
      return 'input-too-short';
    case 'silence':
      return 'success-silence';
    case 'noInput':
      return 'no-input-timeout';
    case 'stopped':
      return hungUp ? 'no-input-timeout' : 'success-maxtime';
    case 'limit':
      return 'success-maxtime';
  }
}

/** 8 and 16 kHz are recorded; what is above becomes 16 kHz. */
function rateSetting(channel: Channel, request: RecordRequest): LegRate | undefined {
  const rate = Number(recordSetting(channel, request, 'record_sample_rate'));
  if (!(rate >= 8000)) return undefined;
  return rate < 16_000 ? 8000 : 16_000;
}

const INFO_NAMES: readonly (keyof WavInfoTexts)[] = ['title', 'artist', 'copyright', 'comment', 'software', 'date'];

/** The texts for the file; a variable is used for one recording. */
function takeInfo(channel: Channel, request: RecordRequest): WavInfoTexts {
  const info: WavInfoTexts = {};
  for (const name of INFO_NAMES) {
    const text = recordSetting(channel, request, `RECORD_${name.toUpperCase()}`);
    if (text === undefined) continue;
    info[name] = text;
    channel.setVariable(`RECORD_${name.toUpperCase()}`, undefined);
    channel.setVariable(`record_${name}`, undefined);
  }
  return info;
}
