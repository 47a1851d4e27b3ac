import type { ListenSpec } from '@ringwire/verb-specs';
import { Listening, listenResult } from './listening/listening.js';
import { opening } from './quantities.js';
import type { Verb } from './verb.js';

/** Whispers that are heard, one after the other, or wait for that. */
const MAX_WHISPERS = 8;

/** Sends the call's audio to a WebSocket server, and plays what that sends back, until one of them has enough. */
export const listen: Verb<ListenSpec> = {
  needs: ({ earlyMedia }) => (earlyMedia ? 'early-media' : 'media'),
  describe: ({ url }) => opening(url),
  async run(ctx, spec, signal) {
    const listening = new Listening(ctx, ctx.media.endpoint(), spec);
    const stop = (): void => void listening.stop();
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    let isOver = false;
    let whispers = 0;
    let whispered: Promise<unknown> = Promise.resolve();
    const release = ctx.commands.on('whisper', ({ verbs }) => {
      if (whispers >= MAX_WHISPERS) return { ok: false, because: 'wrong state', reason: 'too many whispers at once' };
      whispers++;
      whispered = whispered
        .then(async () => {
          if (!isOver && !signal.aborted) await ctx.nested.run(verbs, ['say', 'play'], signal);
        })
        .catch((err: unknown) => {
          ctx.journal.timeline.warn('media', `whisper failed: ${err instanceof Error ? err.message : String(err)}`);
        })
        .finally(() => whispers--);
      return { ok: true };
    });
    try {
      const end = await listening.ended;
      // The server hears nothing of what comes next.
      await listening.stop();
      // Who hung up, or sent the call elsewhere, has ended the listening all the same.
      if (signal.aborted) ctx.app.inform(spec, listenResult(end));
      else await ctx.app.action(spec, listenResult(end), signal);
    } finally {
      signal.removeEventListener('abort', stop);
      isOver = true;
      release();
      await listening.stop();
    }
  },
};
