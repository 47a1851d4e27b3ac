import type { GatherSpec } from '@ringwire/verb-specs';
import { BACKGROUND_GATHER, BackgroundGather } from './background-gather.js';
import { describeOutcome, Gathering, type GatherOutcome } from './gathering.js';
import { opening } from './quantities.js';
import { prepareSay } from './say.js';
import type { Verb, VerbContext } from './verb.js';

/** Collects digits and speech, with a prompt that they may interrupt, and tells the action hook what came first. */
export const gather: Verb<GatherSpec> = {
  needs: () => 'media',
  describe: ({ input, say, play }) =>
    [(input ?? ['digits']).join(' and '), say && `say ${opening(say.text)}`, play && `play ${opening(play.url)}`]
      .filter(Boolean)
      .join(', '),
  prepare: async (ctx, { say }) => {
    if (say) await prepareSay(ctx, say);
  },
  async run(ctx, spec, signal) {
    const outcome = await gatherOnce(ctx, spec, signal);
    if (!outcome || signal.aborted) return;
    ctx.journal.timeline.info('verb', `gather: ${describeOutcome(outcome)}`, { ...outcome });
    await ctx.app.action(spec, { ...outcome }, signal);
  },
};

/** What the caller says meanwhile is not for the gather in the background. */
async function gatherOnce(ctx: VerbContext, spec: GatherSpec, signal: AbortSignal): Promise<GatherOutcome | undefined> {
  const behind = ctx.background.get(BACKGROUND_GATHER);
  const other = behind instanceof BackgroundGather ? behind : undefined;
  await other?.suspend();
  try {
    return await new Gathering(ctx, spec, { signal }).run();
  } finally {
    other?.resume();
  }
}
