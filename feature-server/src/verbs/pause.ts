import { setTimeout as sleep } from 'node:timers/promises';
import type { PauseSpec } from '@ringwire/verb-specs';
import { secondsToMs } from './quantities.js';
import type { Verb } from './verb.js';

/** Waits. Does not answer the call. */
export const pause: Verb<PauseSpec> = {
  needs: () => 'nothing',
  describe: ({ length }) => `${length} s`,
  async run(_ctx, { length }, signal) {
    try {
      await sleep(secondsToMs(length) ?? 0, undefined, { signal });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  },
};
