import { SAMPLE_RATE_HZ } from '@ringwire/rtp';
import type { Playlists } from '../files/playlists.js';
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

const OPEN_ITEMS = new WeakMap<Channel, number>();

/** Whether something plays just now. */
export function isPlaying(channel: Channel): boolean {
  return (OPEN_ITEMS.get(channel) ?? 0) > 0;
}

function countOpen(channel: Channel, change: number): void {
  OPEN_ITEMS.set(channel, (OPEN_ITEMS.get(channel) ?? 0) + change);
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
      if (report.type === 'playProblem') playlists.onProblem(channel.uuid, `${report.name}: ${report.problem}`);
      if (report.type === 'itemStarted') countOpen(channel, 1);
      if (report.type === 'itemEnded') countOpen(channel, -1);
      if (report.type === 'itemStarted') announce(channel, 'PLAYBACK_START', items[report.index]);
      if (report.type === 'itemEnded') announce(channel, 'PLAYBACK_STOP', items[report.index], report.outcome);
      if (report.type !== 'playEnded') return;
      removeReports();
      if (report.outcome === 'missing') playlists.counters.playsNotFound++;
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
  const name = item?.name ?? '';
  const headers: [string, string][] = [];
  if (/^tone_stream:/i.test(name)) headers.push(['Playback-File-Type', 'tone_stream']);
  headers.push(['Playback-File-Path', name]);
  if (outcome) headers.push(['Playback-Status', outcome === 'break' || outcome === 'timeout' ? 'break' : 'done']);
  if (item && item.kind !== 'missing') headers.push(...(item.parameters ?? []));
  channel.emit(event, headers);
}

/** Keys that stop playback and recording: `playback_terminators`, `*` when it is not set, as in FreeSWITCH. */
export function terminatorsOf(channel: Channel): string {
  const terminators = channel.getVariable('playback_terminators') ?? '*';
  if (terminators.toLowerCase() === 'any') return '0123456789*#';
  return terminators.toLowerCase() === 'none' ? '' : terminators;
}

/** Words separated by spaces; quotes keep spaces together. */
export function splitArguments(text: string): string[] {
  const words: string[] = [];
  for (const match of text.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)) words.push(match[1] ?? match[2] ?? match[3] ?? '');
  return words;
}
