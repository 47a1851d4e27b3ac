import type { VerbSpec } from '@ringwire/verb-specs';
import { CallGoneError, MediaServerError } from '../errors.js';
import { type VerbRegistry, verbFor } from '../verbs/registry.js';
import type { NestedOutcome, NestedVerbs, VerbContext, VerbNeed } from '../verbs/verb.js';

/** Verbs that run inside a verb: what a wait hook, an enter hook or a whisper answers with (compat 1.2). */
export class NestedRunner implements NestedVerbs {
  constructor(
    private readonly options: {
      /** The call's context; made after this. */
      ctx(): VerbContext;
      registry: VerbRegistry;
      ensure(need: VerbNeed, prepare: Promise<void>): Promise<void>;
    },
  ) {}

  async run(
    verbs: readonly VerbSpec[],
    allowed: readonly VerbSpec['verb'][],
    signal: AbortSignal,
  ): Promise<NestedOutcome> {
    const ctx = withoutReplacing(this.options.ctx());
    for (const spec of verbs) {
      if (signal.aborted) return 'aborted';
      const verb = verbFor(spec, this.options.registry);
      if (!allowed.includes(spec.verb) || (!verb && spec.verb !== 'leave')) {
        ctx.journal.timeline.warn('verb', `${spec.verb} has no place here: only ${allowed.join(', ')}`);
        continue;
      }
      if (spec.verb === 'leave') return 'left';
      if (!verb) continue;
      ctx.journal.timeline.info('verb', `nested ${spec.verb}${verb.describe ? `: ${verb.describe(spec)}` : ''}`);
      try {
        await this.options.ensure(verb.needs(spec), verb.prepare?.(ctx, spec) ?? Promise.resolve());
        await verb.run(ctx, spec, signal);
      } catch (error) {
        if (signal.aborted || error instanceof CallGoneError) return 'aborted';
        if (error instanceof MediaServerError) throw error;
        const text = error instanceof Error ? error.message : String(error);
        ctx.journal.timeline.error('verb', `nested ${spec.verb} failed: ${text}`);
      }
    }
    return signal.aborted ? 'aborted' : 'done';
  }
}

/** Their action hooks are told, and what is answered is left. */
function withoutReplacing(ctx: VerbContext): VerbContext {
  const { app } = ctx;
  return {
    ...ctx,
    app: {
      action: async (spec, extra) => {
        app.inform(spec, extra);
        return 'next';
      },
      inform: (spec, extra) => app.inform(spec, extra),
      ask: (hook, extra, signal, type) => app.ask(hook, extra, signal, type),
      tell: (hook, extra, type) => app.tell(hook, extra, type),
      tellAfter: (hook, extra, after) => app.tellAfter(hook, extra, after),
      interrupt: (hook, extra, signal) => app.interrupt(hook, extra, signal),
      send: (type, data) => app.send(type, data),
      isSocket: app.isSocket,
      redirect: (spec, signal, options) => app.redirect(spec, signal, options),
    },
  };
}
