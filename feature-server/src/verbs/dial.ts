import type { DialSpec } from '@ringwire/verb-specs';
import { talk } from './dial/connected.js';
import { type DialResult, outwardStatus } from './dial/result.js';
import { Ringing } from './dial/ringing.js';
import { type CalledTarget, targetsOf } from './dial/targets.js';
import type { Verb, VerbContext } from './verb.js';

/** Calls one or several at once, and bridges the caller with the first who answers. */
export const dial: Verb<DialSpec> = {
  needs: ({ answerOnBridge }) => (answerOnBridge ? 'nothing' : 'media'),
  describe: ({ target }) => target.map((one) => one.number ?? one.sipUri ?? one.name ?? one.type).join(', '),
  async run(ctx, spec, signal) {
    const result = await dialTargets(ctx, spec, targetsOf(ctx, spec), signal);
    ctx.journal.timeline.info('verb', `dial: ${result.dialCallStatus} (${result.dialSipStatus})`, { ...result });
    if (spec.answerOnBridge && result.dialCallStatus !== 'completed')
      ctx.call.setRefusal(outwardStatus(result.dialSipStatus));
    // Who hung up, transferred his call or gave it to another application has other plans than what the hook answers.
    if (ctx.call.isOver || signal.aborted) ctx.app.inform(spec, { ...result });
    else await ctx.app.action(spec, { ...result }, signal);
  },
};

async function dialTargets(
  ctx: VerbContext,
  spec: DialSpec,
  targets: readonly CalledTarget[],
  signal: AbortSignal,
): Promise<DialResult> {
  const ringing = new Ringing(ctx, spec, targets, signal);
  try {
    const { winner, result } = await ringing.answered();
    if (winner && !signal.aborted && !(await talk(ctx, spec, winner, signal))) {
      return { ...result, dialCallStatus: 'failed', dialSipStatus: 503 };
    }
    return result;
  } finally {
    await ringing.close();
  }
}
