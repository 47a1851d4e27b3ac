import { setTimeout as wait } from 'node:timers/promises';

/** Waits; resolves early when `signal` aborts. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await wait(ms, undefined, { signal });
  } catch {
    // Aborted: whoever waits looks at the signal.
  }
}

/** Somewhere around `ms`, a tenth more or less: what began together does not stay together. */
export const jittered = (ms: number): number => ms * (0.9 + 0.2 * Math.random());
