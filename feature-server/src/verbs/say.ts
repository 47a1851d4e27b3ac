import type { SaySpec } from '@ringwire/verb-specs';
import { loopCount, opening } from './quantities.js';
import { playRounds } from './rounds.js';
import type { SayBody, Verb, VerbContext } from './verb.js';

/** Speaks a text or a list of texts. */
export const say: Verb<SaySpec> = {
  needs: ({ earlyMedia }) => (earlyMedia ? 'early-media' : 'media'),
  describe: ({ text, stream }) => (stream ? 'stream' : opening(text)),
  prepare: (ctx, spec) => ctx.speech.prepare(spec),
  run: speak,
};

/** Speaks until the end or until the signal aborts; also the prompt of a gather. */
export async function speak(ctx: VerbContext, spec: SayBody, signal: AbortSignal): Promise<void> {
  if (spec.stream) {
    ctx.journal.timeline.warn('speech', 'say: stream is for WebSocket applications, nothing is spoken');
    return;
  }
  const { files, spoken, release } = await ctx.speech.sources(spec, signal);
  const about = { verb: 'say', ...(spec.id !== undefined && { id: spec.id }) };
  for (const { vendor, language, characters, ms, cached } of spoken) {
    const cost = cached ? {} : { characters, elapsedTime: ms };
    ctx.events.status(about, 'synthesized-audio', { vendor, language, ...cost, servedFromCache: cached });
  }
  try {
    await playRounds(ctx, about, files, { rounds: loopCount(spec.loop), signal });
  } finally {
    await release();
  }
}
