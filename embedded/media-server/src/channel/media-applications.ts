import { SAMPLE_RATE_HZ } from '@ringwire/rtp';
import type { Playlists } from '../files/playlists.js';
import type { RecordEvent, RecordSpec } from '../media/attachments/recorder.js';
import type { PlayItem, PlayOutcome } from '../media/protocol.js';
import type { Channel } from './channel.js';
import type { Execution } from './execute-queue.js';

/** How a list was played. */
export interface PlayResult {
  outcome: PlayOutcome;
  samples: number;
}

/** Response texts of FreeSWITCH's playback application. */
const PLAYED = 'FILE PLAYED';
const NOT_FOUND = 'FILE NOT FOUND';

/** Plays what `playback` was given; resolves with the application's response. */
export async function playback(
  playlists: Playlists,
  channel: Channel,
  argument: string,
  execution: Execution,
): Promise<string> {
  const removeListener = channel.onDigit((digit) => {
    if (!terminatorsOf(channel).includes(digit)) return;
    channel.setVariable('playback_terminator_used', digit);
    execution.stop?.();
  });
  channel.setVariable('playback_terminator_used', undefined);
  try {
    const { outcome } = await playList(playlists, channel, argument, execution);
    return outcome === 'missing' ? NOT_FOUND : PLAYED;
  } finally {
    removeListener();
  }
}

/** Resolves the list, plays it, fires its events and sets the playback variables. */
export async function playList(
  playlists: Playlists,
  channel: Channel,
  argument: string,
  execution: Pick<Execution, 'stop'>,
): Promise<PlayResult> {
  const aborter = new AbortController();
  execution.stop = () => aborter.abort();
  const removeEnd = channel.onEnd(() => aborter.abort());
  try {
    const items = await playlists.resolve(argument, channel.getVariable('playback_delimiter'), aborter.signal);
    if (aborter.signal.aborted || channel.isEnded) return finishPlay(channel, { outcome: 'break', samples: 0 }, 0);
    return await playItems(playlists, channel, items, execution);
  } finally {
    removeEnd();
    execution.stop = undefined;
  }
}

function playItems(
  playlists: Playlists,
  channel: Channel,
  items: PlayItem[],
  execution: Pick<Execution, 'stop'>,
): Promise<PlayResult> {
  const timeoutMs = Number(channel.getVariable('playback_timeout_sec') ?? 0) * 1000 || 0;
  playlists.counters.playsStarted++;
  const play = channel.leg.play(items, timeoutMs);
  execution.stop = () => channel.leg.stopPlay(play);
  return new Promise((resolve) => {
    const removeReports = channel.onReport((report) => {
      if (report.type === 'closed') {
        // The leg is gone without an end of the list: its thread died.
        removeReports();
        resolve(finishPlay(channel, { outcome: 'break', samples: 0 }, 0));
        return;
      }
      if (!('play' in report) || report.play !== play) return;
      if (report.type === 'itemStarted') announce(channel, 'PLAYBACK_START', items[report.index]);
      if (report.type === 'itemEnded') announce(channel, 'PLAYBACK_STOP', items[report.index], report.outcome);
      if (report.type !== 'playEnded') return;
      removeReports();
      if (report.outcome === 'missing') playlists.counters.playsNotFound++;
      if (report.problem) playlists.onProblem(channel.uuid, report.problem);
      resolve(finishPlay(channel, { outcome: report.outcome, samples: report.samples }, report.lastOffsetFrames));
    });
  });
}

function finishPlay(channel: Channel, result: PlayResult, lastOffsetFrames: number): PlayResult {
  const { samples } = result;
  channel.setVariable('playback_seconds', String(Math.floor(samples / SAMPLE_RATE_HZ)));
  channel.setVariable('playback_ms', String(Math.floor((samples * 1000) / SAMPLE_RATE_HZ)));
  channel.setVariable('playback_samples', String(samples));
  channel.setVariable('playback_last_offset_pos', String(lastOffsetFrames));
  return result;
}

function announce(channel: Channel, event: string, item: PlayItem | undefined, outcome?: PlayOutcome): void {
  const headers: [string, string][] = [['Playback-File-Path', item?.name ?? '']];
  if (outcome) headers.push(['Playback-Status', outcome === 'done' ? 'done' : 'break']);
  channel.emit(event, headers);
}

/** Keys that stop playback and recording: `playback_terminators`, `*` when it is not set, as in FreeSWITCH. */
export function terminatorsOf(channel: Channel): string {
  const terminators = channel.getVariable('playback_terminators') ?? '*';
  if (terminators.toLowerCase() === 'any') return '0123456789*#';
  return terminators.toLowerCase() === 'none' ? '' : terminators;
}

/** The blocking `record` application: `<path> [<limit s>] [<silence threshold>] [<silence hits>]`. */
export async function record(channel: Channel, argument: string, execution: Execution): Promise<string | undefined> {
  const [path = '', limit, threshold, hits] = splitArguments(argument);
  if (path === '') return '-ERR';
  channel.setVariable('playback_terminator_used', undefined);
  const recording = startRecording(channel, {
    path,
    mode: 'read',
    limitMs: (Number(limit) || 0) * 1000,
    // The threshold is FreeSWITCH's energy score; our level is the mean amplitude, which is of the same order.
    silenceThreshold: Number(threshold) || 200,
    silenceHits: Number(hits) || 0,
  });
  channel.emit('RECORD_START', [['Record-File-Path', path]]);
  execution.stop = () => recording.stop();
  const removeDigits = channel.onDigit((digit) => {
    if (!terminatorsOf(channel).includes(digit)) return;
    channel.setVariable('playback_terminator_used', digit);
    recording.stop();
  });
  const { samples, outcome } = await recording.ended;
  removeDigits();
  execution.stop = undefined;
  setRecordVariables(channel, path, samples, outcome);
  return undefined;
}

/** A recording that runs beside applications. */
export interface Recording {
  stop(): void;
  ended: Promise<RecordEnd>;
}

type RecordEnd = Pick<RecordEvent, 'samples' | 'outcome'>;

/** Starts recording both directions beside everything else; its end is an event. */
export function recordSession(channel: Channel, path: string, limitMs: number): Recording {
  const stereo = /^(true|yes|on|1)$/i.test(channel.getVariable('RECORD_STEREO') ?? '');
  const readOnly = /^(true|yes|on|1)$/i.test(channel.getVariable('RECORD_READ_ONLY') ?? '');
  const mode = stereo ? 'stereo' : readOnly ? 'read' : 'mixed';
  const recording = startRecording(channel, { path, mode, limitMs, silenceThreshold: 0, silenceHits: 0 });
  channel.emit('RECORD_START', [['Record-File-Path', path]]);
  void recording.ended.then(({ samples, outcome }) => setRecordVariables(channel, path, samples, outcome));
  return recording;
}

function startRecording(channel: Channel, spec: RecordSpec): Recording {
  // Stays so when the leg's thread dies before it can say how the recording ended.
  let end: RecordEnd = { samples: 0, outcome: 'failed' };
  const attachment = channel.leg.attach({ kind: 'record', ...spec }, (event) => {
    end = event;
  });
  return { stop: () => attachment.detach(), ended: attachment.ended.then(() => end) };
}

function setRecordVariables(channel: Channel, path: string, samples: number, outcome: string): void {
  channel.setVariable('record_seconds', String(Math.floor(samples / SAMPLE_RATE_HZ)));
  channel.setVariable('record_ms', String(Math.floor((samples * 1000) / SAMPLE_RATE_HZ)));
  channel.setVariable('record_samples', String(samples));
  channel.setVariable('record_completion_cause', outcome === 'failed' ? 'uri-failure' : 'success-maxtime');
  channel.emit('RECORD_STOP', [
    ['Record-File-Path', path],
    ['Record-Completion-Cause', outcome],
  ]);
}

/** Words separated by spaces; quotes keep spaces together. */
export function splitArguments(text: string): string[] {
  const words: string[] = [];
  for (const match of text.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)) words.push(match[1] ?? match[2] ?? match[3] ?? '');
  return words;
}
