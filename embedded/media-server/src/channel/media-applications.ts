import { SAMPLE_RATE_HZ } from '@ringwire/rtp';
import type { BegunList, Playlists } from '../files/playlists.js';
import type { PlayItem, PlayOutcome } from '../media/protocol.js';
import type { Channel } from './channel.js';
import type { Stoppable } from './execute-queue.js';
import { isTrue } from './truth.js';

/** How a list was played. */
export interface PlayResult {
  outcome: PlayOutcome;
  samples: number;
}

/** Responses of FreeSWITCH's applications that play. */
export const PLAYED = 'FILE PLAYED';
export const NOT_FOUND = 'FILE NOT FOUND';
const FAILED = 'PLAYBACK ERROR';

/** Plays what `playback` was given; resolves with the application's response. */
export async function playback(
  playlists: Playlists,
  channel: Channel,
  argument: string,
  execution: Stoppable,
): Promise<string> {
  if (argument.trim() === '') return FAILED;
  channel.setVariable('playback_terminator_used', undefined);
  let stopTaking = (): void => undefined;
  const { outcome } = await playList(playlists, channel, argument, execution, () => {
    stopTaking = takeTerminators(channel, () => execution.stop?.());
  });
  stopTaking();
  if (outcome === 'missing') return NOT_FOUND;
  const failed = outcome === 'timeout' && !isTrue(channel.getVariable('playback_timeout_as_success'));
  return failed ? FAILED : PLAYED;
}

/** Takes digits until one of {@link terminatorsOf} comes, which is left in `playback_terminator_used`, or the returned function is called. */
export function takeTerminators(channel: Channel, onTerminator: () => void): () => void {
  const stopTaking = channel.digits.take((digit) => {
    if (!terminatorsOf(channel).includes(digit)) return;
    channel.setVariable('playback_terminator_used', digit);
    stopTaking();
    onTerminator();
  });
  return stopTaking;
}

/**
 * Resolves the list, plays it, fires its events and sets the playback variables. `onStarted` is called when the first of it is heard: keys that were
 * pressed before are for who listens from then on.
 */
export async function playList(
  playlists: Playlists,
  channel: Channel,
  argument: string,
  execution: Stoppable,
  onStarted?: () => void,
): Promise<PlayResult> {
  const aborter = new AbortController();
  execution.stop = () => aborter.abort();
  const removeEnd = channel.onEnd(() => aborter.abort());
  let list: BegunList = { items: [], late: new Map() };
  try {
    list = await playlists.begin(argument, channel.getVariable('playback_delimiter'), aborter.signal);
    if (aborter.signal.aborted || channel.isEnded) return finishPlay(channel, { outcome: 'break', samples: 0 }, 0);
    return await playItems(playlists, channel, list, execution, { onStarted });
  } finally {
    playlists.end(list);
    removeEnd();
    execution.stop = undefined;
    execution.skip = undefined;
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

/** Plays one item as `gentones` does: without events and variables. */
export async function playQuietly(
  playlists: Playlists,
  channel: Channel,
  item: PlayItem,
  execution: Stoppable,
): Promise<void> {
  const removeEnd = channel.onEnd(() => execution.stop?.());
  try {
    await playItems(playlists, channel, { items: [item], late: new Map() }, execution, { quietly: true });
  } finally {
    removeEnd();
    execution.stop = undefined;
  }
}

function playItems(
  playlists: Playlists,
  channel: Channel,
  { items, late }: BegunList,
  execution: Stoppable,
  { quietly = false, onStarted }: { quietly?: boolean; onStarted?: (() => void) | undefined },
): Promise<PlayResult> {
  const timeoutMs = quietly ? 0 : Number(channel.getVariable('playback_timeout_sec') ?? 0) * 1000 || 0;
  playlists.counters.playsStarted++;
  const play = channel.leg.play(items, timeoutMs);
  let isOver = false;
  for (const [number, item] of late) {
    void item.then((found) => {
      if (!isOver) channel.leg.supplyItem(play, number, found);
    });
  }
  execution.stop = () => channel.leg.stopPlay(play);
  if (items.length > 1) execution.skip = () => channel.leg.breakItem(play);
  if (execution.breakPending) channel.leg.breakItem(play);
  execution.breakPending = false;
  let started = false;
  return new Promise((resolve) => {
    const removeReports = channel.onReport((report) => {
      if (report.type === 'closed') {
        // The leg is gone without an end of the list: its thread died.
        removeReports();
        isOver = true;
        resolve(finishPlay(channel, { outcome: 'break', samples: 0 }, 0));
        return;
      }
      if (!('play' in report) || report.play !== play) return;
      if (report.type === 'playProblem') {
        playlists.onProblem(channel.uuid, `${report.name}: ${report.problem}`);
        // As in FreeSWITCH.
        channel.digits.flush();
      }
      if (!quietly && report.type === 'itemStarted') {
        countOpen(channel, 1);
        announce(channel, 'PLAYBACK_START', items[report.index]);
        if (!started) onStarted?.();
        started = true;
      }
      if (!quietly && report.type === 'itemEnded') {
        countOpen(channel, -1);
        announce(channel, 'PLAYBACK_STOP', items[report.index], report.outcome);
        // From here on a break is for what is played next.
        if (report.index === items.length - 1) {
          execution.stop = undefined;
          execution.skip = undefined;
        }
      }
      if (report.type !== 'playEnded') return;
      removeReports();
      isOver = true;
      const { outcome, samples } = report;
      if (outcome === 'missing') playlists.counters.playsNotFound++;
      if (!quietly) finishPlay(channel, { outcome, samples }, report.lastOffsetFrames);
      resolve({ outcome, samples });
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
  if (outcome) headers.push(['Playback-Status', outcome === 'break' ? 'break' : 'done']);
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
