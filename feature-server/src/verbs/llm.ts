import type { AgentSpec, HookSpec, LlmSpec, PipelineSpec } from '@ringwire/verb-specs';
import type { Verb, VerbContext } from './verb.js';

/**
 * Conversations with language models are not part of this version. The verb says so wherever somebody may look (timeline, alert,
 * `jambonz:error`, action hook), and the call goes on.
 */
async function notConfigured(
  ctx: VerbContext,
  spec: { verb: string; id?: string; actionHook?: HookSpec },
  vendor: string,
  signal: AbortSignal,
): Promise<void> {
  const message = `${spec.verb}: vendor "${vendor}" is not configured`;
  ctx.journal.timeline.error('verb', message, { vendor });
  ctx.journal.alert('no-llm', message);
  ctx.app.send('jambonz:error', { msg: 'vendor not configured', details: message, verb: spec.verb, id: spec.id });
  const error = { code: 'vendor-not-configured', message };
  await ctx.app.action(spec, { completionReason: 'connection failure', error }, signal);
}

/** Speech to speech; `s2s` and the verbs named after vendors are this one. */
export const llm: Verb<LlmSpec> = {
  needs: () => 'media',
  describe: ({ vendor, model }) => [vendor, model].filter(Boolean).join(' '),
  run: (ctx, spec, signal) => notConfigured(ctx, spec, spec.vendor, signal),
};

/** Recognizer, model and voice in one. */
export const agent: Verb<AgentSpec> = {
  needs: () => 'media',
  describe: ({ llm }) => llm?.vendor ?? '',
  run: (ctx, spec, signal) => notConfigured(ctx, spec, spec.llm?.vendor ?? 'default', signal),
};

/** The older name of an agent. */
export const pipeline: Verb<PipelineSpec> = {
  needs: () => 'media',
  describe: ({ llm }) => llm.vendor,
  run: (ctx, spec, signal) => notConfigured(ctx, spec, spec.llm.vendor, signal),
};
