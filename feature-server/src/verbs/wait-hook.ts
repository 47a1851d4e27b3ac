import type { HookSpec, VerbSpec } from '@ringwire/verb-specs';
import type { VerbContext } from './verb.js';

/** A wait hook that gave nothing to hear, or failed, is asked again after this long. */
const PAUSE_MS = 5_000;
/** A round that was over sooner, as where nothing could be played, is followed by no other before this. */
const MIN_ROUND_MS = 500;

/**
 * Asks a wait hook for verbs and runs them, again and again.
 *
 * @param payload - of each request
 * @returns `left` when a verb `leave` was answered; `over` when the signal aborts. Rejects with MediaServerError only
 */
export async function loopWaitHook(
  ctx: VerbContext,
  hook: HookSpec,
  {
    payload,
    allowed,
  }: { payload(): Record<string, unknown> | Promise<Record<string, unknown>>; allowed: readonly VerbSpec['verb'][] },
  signal: AbortSignal,
): Promise<'left' | 'over'> {
  while (!signal.aborted) {
    const startedAt = performance.now();
    const reply = await ctx.app.ask(hook, await payload(), signal);
    if (signal.aborted) break;
    const verbs = reply?.verbs ?? [];
    const outcome = await ctx.nested.run(verbs, allowed, signal);
    if (outcome === 'left') return 'left';
    const wantedMs = verbs.length === 0 ? PAUSE_MS : MIN_ROUND_MS;
    await pause(wantedMs - (performance.now() - startedAt), signal);
  }
  return 'over';
}

/** Waits, but not past the abort of the signal. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (ms <= 0 || signal.aborted) return resolve();
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
