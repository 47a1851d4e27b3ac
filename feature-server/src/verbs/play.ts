import { maskText } from '@ringwire/common';
import type { PlaySpec } from '@ringwire/verb-specs';
import { HookForbiddenError, PlaybackNotFoundError } from '../errors.js';
import { listOf, loopCount, opening, secondsToMs } from './quantities.js';
import { playRounds, type RoundsResult } from './rounds.js';
import type { Verb, VerbContext } from './verb.js';

/** Plays audio and tells the action hook how it went. */
export const play: Verb<PlaySpec> = {
  needs: ({ earlyMedia }) => (earlyMedia ? 'early-media' : 'media'),
  describe: ({ url }) => opening(url),
  async run(ctx, spec, signal) {
    try {
      const result = await playAll(ctx, spec, signal);
      await ctx.app.action(spec, { reason: 'playCompleted', ...result }, signal);
    } catch (error) {
      if (!(error instanceof PlaybackNotFoundError || error instanceof HookForbiddenError)) throw error;
      ctx.journal.timeline.error('media', `play: ${error.message}`, { url: spec.url });
      ctx.journal.alert(
        'play-url-notfound',
        `audio could not be played: ${opening(listOf(spec.url).map(maskText))}`,
        maskText(error.message),
      );
      await ctx.app.action(spec, { status: 'fail', reason: 'playFailed' }, signal);
    }
  },
};

/** `play`, also as it stands inside another verb. */
export type PlayBody = Omit<PlaySpec, 'verb'>;

/**
 * Plays all URLs as often as asked, until the signal aborts or `timeoutSecs` is over.
 * @returns the media server's facts: lengths of all rounds, the others of the last
 * @throws PlaybackNotFoundError, HookForbiddenError, MediaServerError
 */
export async function playAll(ctx: VerbContext, spec: PlayBody, signal: AbortSignal): Promise<RoundsResult> {
  const sources = await Promise.all(listOf(spec.url).map((url) => ctx.media.resolveSource(url)));
  const timeoutMs = secondsToMs(spec.timeoutSecs);
  const limit = new AbortController();
  const timer = timeoutMs ? setTimeout(() => limit.abort(), timeoutMs) : undefined;
  try {
    return await playRounds(ctx, { verb: 'play', ...(spec.id !== undefined && { id: spec.id }) }, sources, {
      rounds: loopCount(spec.loop),
      signal,
      seekOffset: Number(spec.seekOffset ?? 0) || 0,
      limit: limit.signal,
    });
  } finally {
    clearTimeout(timer);
  }
}
