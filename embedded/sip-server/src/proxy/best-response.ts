import type { SipMessage } from '@ringwire/sip';
import { withoutTopVia } from './headers.js';

/** How a branch ended without success. */
export interface Failure {
  status: number;
  /** undefined where no response came: time-out (408) or transport error (503). */
  response: SipMessage | undefined;
}

/** RFC 3261 §16.7 step 6: these tell the caller how to try again. */
const TELLING = new Set([401, 407, 415, 420, 484]);

/**
 * RFC 3261 §16.7 step 6: the failure that the caller gets to know: a 6xx, else of the lowest class; among equals the
 * earliest, and rather one that somebody sent.
 * @param cancelled the caller gave up: what says so is best
 */
export function bestOf(failures: readonly Failure[], cancelled: boolean): Failure | undefined {
  let best: Failure | undefined;
  for (const failure of failures) {
    if (!best || rank(failure, cancelled) < rank(best, cancelled)) best = failure;
  }
  return best;
}

function rank({ status, response }: Failure, cancelled: boolean): number {
  if (cancelled && status === 487) return 0;
  const group = status >= 600 ? 1 : Math.floor(status / 100);
  const within = TELLING.has(status) ? 0 : response === undefined || status === 503 ? 2 : 1;
  return group * 10 + within;
}

/** The best response as it goes on, with the challenges of all branches when it is one (§16.7 step 7). */
export function forwardedFailure(best: SipMessage, failures: readonly Failure[]): SipMessage | undefined {
  const copy = withoutTopVia(best);
  if (!copy || (best.status !== 401 && best.status !== 407)) return copy;
  for (const { response } of failures) {
    if (!response || response === best || (response.status !== 401 && response.status !== 407)) continue;
    for (const name of ['WWW-Authenticate', 'Proxy-Authenticate']) {
      // Challenges hold commas: each line stays one.
      for (const value of response.getAll(name)) copy.add(name, value);
    }
  }
  return copy;
}
