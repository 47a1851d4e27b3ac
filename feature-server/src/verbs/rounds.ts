import { setTimeout as sleep } from 'node:timers/promises';
import type { PlayResult } from '../media/media.js';
import type { VerbContext } from './verb.js';

/** A round that was over sooner is followed by a pause: an empty file in an endless loop must not take the process with it. */
const SHORTEST_ROUND_MS = 20;

/** How often, and for how long, something is played. */
export interface Rounds {
  /** May be infinite. */
  rounds: number;
  /** Ends it at once. */
  signal: AbortSignal;
  /** Of the first round; in the media server's samples. */
  seekOffset?: number;
  /** Ends it too, but as if everything had been played. */
  limit?: AbortSignal;
}

/** What was played in all rounds. */
export type RoundsResult = Omit<PlayResult, 'playbackSeconds' | 'playbackMilliseconds'> & {
  playbackSeconds: number;
  playbackMilliseconds: number;
};

/**
 * Plays sources round after round and tells a WebSocket application when it starts and ends.
 * @throws PlaybackNotFoundError, MediaServerError
 */
export async function playRounds(
  { media, events }: Pick<VerbContext, 'media' | 'events'>,
  about: { verb: string; id?: string },
  sources: readonly string[],
  { rounds, signal, seekOffset = 0, limit }: Rounds,
): Promise<RoundsResult> {
  const total: RoundsResult = { playbackSeconds: 0, playbackMilliseconds: 0 };
  if (sources.length === 0 || signal.aborted) return total;
  const until = limit ? AbortSignal.any([signal, limit]) : signal;
  events.status(about, 'start-playback');
  try {
    for (let round = 0; round < rounds && !until.aborted; round++) {
      const startedAt = performance.now();
      const { playbackSeconds, playbackMilliseconds, ...more } = await media.play(sources, {
        signal: until,
        ...(round === 0 && seekOffset > 0 && { seekOffset }),
      });
      total.playbackSeconds += Number(playbackSeconds) || 0;
      total.playbackMilliseconds += Number(playbackMilliseconds) || 0;
      // Each round is told in whole seconds, rounded down: together they may be more.
      total.playbackSeconds = Math.max(total.playbackSeconds, Math.floor(total.playbackMilliseconds / 1_000));
      Object.assign(total, more);
      if (round + 1 < rounds) await restOfRound(startedAt, until);
    }
    return total;
  } finally {
    events.status(about, signal.aborted ? 'kill-playback' : 'stop-playback');
  }
}

/** Waits after a round that was over at once. */
export async function restOfRound(startedAt: number, signal: AbortSignal): Promise<void> {
  if (performance.now() - startedAt >= SHORTEST_ROUND_MS) return;
  await sleep(SHORTEST_ROUND_MS, undefined, { signal }).catch(() => undefined);
}
