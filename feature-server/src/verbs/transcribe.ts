import { once } from 'node:events';
import type { TranscribeOptions, TranscribeSpec } from '@ringwire/verb-specs';
import { Transcription } from './transcription.js';
import type { Verb, VerbContext } from './verb.js';

/** Its name among the background tasks. */
const TASK = 'transcribe';

/**
 * Transcribes the call while the verbs after it run, until `enable: false`, another transcription, or the call's end. As the last verb of
 * a webhook's answer it keeps the call up.
 */
export const transcribe: Verb<TranscribeSpec> = {
  needs: ({ earlyMedia, enable }) => (enable === false ? 'nothing' : earlyMedia ? 'early-media' : 'media'),
  describe: ({ enable }) => (enable === false ? 'off' : ''),
  async run(ctx, spec, signal) {
    if (spec.enable === false) {
      await ctx.background.stop(TASK);
      return;
    }
    const over = new AbortController();
    await startTranscribing(ctx, spec, () => over.abort());
    if (ctx.queue.hasMore() || ctx.app.isSocket) return;
    const either = AbortSignal.any([over.signal, signal]);
    if (!either.aborted) await once(either, 'abort');
  },
};

/** `config.transcribe`. */
export async function configureTranscribe(ctx: VerbContext, options: TranscribeOptions): Promise<void> {
  if (!options.enable) {
    await ctx.background.stop(TASK);
  } else if (options.transcriptionHook === undefined) {
    ctx.journal.timeline.warn('verb', 'config: transcribe without transcriptionHook tells nobody');
  } else {
    await startTranscribing(ctx, options);
  }
}

async function startTranscribing(
  ctx: VerbContext,
  spec: Omit<TranscribeSpec, 'verb'>,
  onEnded?: () => void,
): Promise<void> {
  // The one before gives its fork back first.
  await ctx.background.stop(TASK);
  const task = new Transcription(ctx, spec, {
    onEnded: () => {
      ctx.background.ended(TASK, task);
      onEnded?.();
    },
  });
  await ctx.background.start(TASK, task);
}
