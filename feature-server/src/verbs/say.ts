import type { SaySpec } from '@ringwire/verb-specs';
import { loopCount, opening } from './quantities.js';
import { playRounds } from './rounds.js';
import { isBySentence, speakBySentence } from './say-by-sentence.js';
import { speakStream } from './say-stream.js';
import { tellSynthesized } from './synthesized.js';
import type { SayBody, Verb, VerbContext } from './verb.js';

/** Speaks a text or a list of texts. */
export const say: Verb<SaySpec> = {
  needs: ({ earlyMedia }) => (earlyMedia ? 'early-media' : 'media'),
  describe: ({ text, stream }) => (stream ? 'stream' : opening(text)),
  prepare: prepareSay,
  run: speak,
};

/** Synthesizes ahead of time what {@link speak} will speak as a whole; also the prompt of a gather. */
export async function prepareSay(ctx: VerbContext, spec: SayBody): Promise<void> {
  if (!isBySentence(ctx)) await ctx.speech.prepare(spec);
}

/** Speaks until the end or until the signal aborts; also the prompt of a gather. */
export async function speak(ctx: VerbContext, spec: SayBody, signal: AbortSignal): Promise<void> {
  if (spec.stream) return speakStream(ctx, spec, signal);
  if (isBySentence(ctx)) return speakBySentence(ctx, spec, signal);
  const { files, spoken, release } = await ctx.speech.sources(spec, signal);
  const about = { verb: 'say', ...(spec.id !== undefined && { id: spec.id }) };
  tellSynthesized(ctx, about, spoken);
  try {
    await playRounds(ctx, about, files, { rounds: loopCount(spec.loop), signal });
  } finally {
    await release();
  }
}
