import type { DubSpec } from '@ringwire/verb-specs';
import { MediaServerError } from '../errors.js';
import type { MediaEndpoint } from '../media/media.js';
import { decibels } from './quantities.js';
import type { Verb, VerbContext } from './verb.js';

/** `dub`, also as it stands inside another verb or in a command. */
export type DubBody = Omit<DubSpec, 'verb'>;

/** Mixes further sound into what the caller hears. Ends at once; what plays goes on until it is over, or its track is. */
export const dub: Verb<DubSpec> = {
  needs: () => 'media',
  describe: ({ action, track }) => `${action} ${track}`,
  async run(ctx, spec, signal) {
    try {
      await changeTrack(ctx, ctx.media.endpoint(), spec, signal);
    } catch (error) {
      // A track that is not there is the application's mistake, not the loss of the media server.
      if (signal.aborted || !(error instanceof MediaServerError)) throw error;
      ctx.journal.timeline.error('media', `dub: ${spec.action} ${spec.track}: ${error.message}`);
    }
  },
};

/**
 * Does what a `dub` says to the tracks of any leg: the caller's, or one that was dialled.
 * @throws MediaServerError when the media server refuses it; HookForbiddenError, SynthesisError, TypeError when there is nothing to be played
 */
export async function changeTrack(
  { media, speech, journal }: Pick<VerbContext, 'media' | 'speech' | 'journal'>,
  endpoint: MediaEndpoint,
  { action, track, play, say, loop = false, gain }: DubBody,
  signal: AbortSignal,
): Promise<void> {
  const { dub: tracks } = endpoint;
  const gainDb = decibels(gain);
  if (gain !== undefined && gainDb === undefined) {
    journal.timeline.warn('verb', `dub: "${gain}" is no gain, nothing is made louder`);
  }
  const how = { loop, ...(gainDb !== undefined && { gainDb }) };
  const playIt = async (url: string): Promise<void> => tracks.playOnTrack(track, await media.resolveSource(url), how);
  const sayIt = async (words: NonNullable<DubBody['say']>): Promise<void> => {
    const files = await speech.trackSources(typeof words === 'string' ? { text: words } : words, signal);
    if (loop && files.length > 1) journal.timeline.warn('verb', 'dub: a text of several parts is spoken once');
    for (const file of files) {
      if (signal.aborted) return;
      await tracks.playOnTrack(track, file, { ...how, loop: loop && files.length === 1 });
    }
  };
  switch (action) {
    case 'addTrack':
      await tracks.addTrack(track);
      if (play !== undefined) await playIt(play);
      else if (say !== undefined) await sayIt(say);
      return;
    case 'removeTrack':
      return tracks.removeTrack(track);
    case 'silenceTrack':
      return tracks.silenceTrack(track);
    case 'playOnTrack':
      if (play === undefined) throw new TypeError('playOnTrack without "play"');
      return playIt(play);
    case 'sayOnTrack':
      if (say === undefined) throw new TypeError('sayOnTrack without "say"');
      return sayIt(say);
  }
}
