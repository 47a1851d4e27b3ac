import type { AmdSpec } from '@ringwire/verb-specs';
import type { AmdTask } from '../../amd/answering-machines.js';
import type { SessionCommand } from '../../control/commands.js';
import type { MediaEndpoint } from '../../media/media.js';
import type { VerbContext } from '../verb.js';
import type { ConfigPart } from './part.js';

/** Its name among the background tasks. */
const TASK = 'amd';

/** Whether a human or a machine is at the far end: each thing that is found out goes to `amd.actionHook`. */
export const amd: ConfigPart = {
  properties: ['amd'],
  needs: () => 'media',
  async apply(ctx, { amd: spec }) {
    if (!spec) return;
    await ctx.background.stop(TASK);
    const detection = await startAmd(ctx, spec, ctx.media.endpoint());
    // What is not found out yet is sought anew.
    const task = { ...detection, continuation: (): SessionCommand[] => [{ command: 'config', spec: { amd: spec } }] };
    await ctx.background.start(TASK, task);
    void task.ended.then(() => ctx.background.ended(TASK, task));
  },
};

/**
 * Detects an answering machine at a leg and tells the action hook of it; verbs that it answers with replace the call's (compat 2.7).
 *
 * @param leg what hooks carry of a dialled leg; its hook is told only, what it answers replaces nothing
 * @throws MediaServerError
 */
export async function startAmd(
  ctx: Pick<VerbContext, 'app' | 'machines'>,
  spec: AmdSpec,
  endpoint: MediaEndpoint,
  leg?: () => Record<string, unknown>,
): Promise<AmdTask> {
  const { actionHook, ...rest } = spec;
  const stopped = new AbortController();
  let last: Promise<unknown> = Promise.resolve();
  let isMoved = false;
  const task = await ctx.machines.detect({
    spec: rest,
    endpoint,
    onEvent: (event) => {
      if (isMoved) return;
      const payload = { ...leg?.(), ...event };
      if (leg || event.type === 'amd_stopped') ctx.app.tell(actionHook, payload);
      else last = last.then(() => ctx.app.interrupt(actionHook, payload, stopped.signal));
    },
  });
  return {
    ended: task.ended,
    async stop(isMovedAway = false) {
      isMoved = isMovedAway;
      await task.stop();
      stopped.abort();
    },
  };
}
