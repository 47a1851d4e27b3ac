import { setTimeout as sleep } from 'node:timers/promises';
import type { DtmfSpec } from '@ringwire/verb-specs';
import { MediaServerError } from '../errors.js';
import type { KeySender } from '../media/keys.js';
import type { Verb } from './verb.js';

/** jambonz's length of a key of the verb, and of the command (compat 1.3.18, 4.1). */
const VERB_KEY_MS = 500;
/** Between two keys; RFC 4733 receivers want 40 ms, tone receivers (ITU-T Q.24) 65. */
const GAP_MS = 100;
/** `w` waits this long, `W` twice, as in FreeSWITCH. */
const WAIT_MS = 500;
/** FreeSWITCH's bounds of a key. */
const SHORTEST_MS = 50;
const LONGEST_MS = 24_000;
/** Longer ones would block a call for minutes. */
const MOST_KEYS = 256;

/** Sends keys to the caller, and ends when they have sounded. */
export const dtmf: Verb<DtmfSpec> = {
  needs: () => 'media',
  describe: ({ dtmf: keys }) => keys,
  async run({ media, journal }, { dtmf: keys, duration }, signal) {
    const problem = keysProblem(keys);
    if (problem) {
      journal.timeline.error('dtmf', `dtmf: ${problem}`);
      return;
    }
    if (duration !== undefined && duration < SHORTEST_MS)
      journal.timeline.warn('dtmf', `dtmf: ${duration} ms is too short for a key, each sounds ${SHORTEST_MS} ms`);
    try {
      await sendKeys(media.endpoint().keys, keys, duration ?? VERB_KEY_MS, signal);
    } catch (error) {
      if (signal.aborted || !(error instanceof MediaServerError)) throw error;
      journal.timeline.error('dtmf', `dtmf: ${error.message}`);
    }
  },
};

/** Why a text is not keys; undefined when it is. */
export function keysProblem(keys: string): string | undefined {
  if (keys.length > MOST_KEYS) return `more than ${MOST_KEYS} keys`;
  if (!/[^\s-]/.test(keys)) return 'there are no keys';
  const wrong = /[^0-9*#A-Dw\s-]/i.exec(keys);
  return wrong ? `"${wrong[0]}" is no key` : undefined;
}

/**
 * Sends keys one after the other, so that an abort ends them after the one that sounds. `w` waits 500 ms, `W` a second; blanks and hyphens count
 * for nothing. Resolves when the last one has sounded, or when the signal aborts.
 * @throws MediaServerError
 */
export async function sendKeys(sender: KeySender, keys: string, keyMs: number, signal: AbortSignal): Promise<void> {
  const durationMs = Math.min(Math.max(keyMs, SHORTEST_MS), LONGEST_MS);
  for (const key of keys.replace(/[\s-]/g, '')) {
    if (signal.aborted) return;
    if (key === 'w' || key === 'W') {
      await pause(key === 'w' ? WAIT_MS : 2 * WAIT_MS, signal);
    } else {
      await sender.send(key, durationMs);
      await pause(durationMs + GAP_MS, signal);
    }
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => undefined);
}
