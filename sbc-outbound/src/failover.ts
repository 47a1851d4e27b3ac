import type { LegFailure } from '@ringwire/common/sip/place-leg.js';

/** How far an attempt had come when it failed. */
export interface AttemptProgress {
  /** 180, 181 or 182: somebody was reached. */
  isRinging: boolean;
  /** A provisional response with SDP went to the caller. */
  hasEarlyMedia: boolean;
}

/** Whether another gateway may do better, and why, in words for the timeline. */
export interface Verdict {
  next: boolean;
  why: string;
}

const stop = (why: string): Verdict => ({ next: false, why });
const next = (why: string): Verdict => ({ next: true, why });

/**
 * 4xx that speak of the callee or of the number, not of the way there. 404 is not among them: RFC 3398 §8.2.6.1 makes a 404 of
 * "no route to destination" as well as of "unallocated number", and gateways use it for a prefix that they do not serve.
 * 403 neither: for carriers it is an unknown address, missing credit, or a destination that is barred there.
 */
const DECISIVE: Readonly<Record<number, string>> = {
  410: 'the number is gone',
  433: 'the callee takes no anonymous calls',
  484: 'the number is incomplete',
  485: 'the number is ambiguous',
  486: 'the callee is busy',
  487: 'the call was cancelled',
};

/** Q.850 causes in a Reason header that only the callee's side can know, whatever status came with them. */
const CALLEE_CAUSES: Readonly<Record<number, string>> = {
  1: 'the number is not allocated',
  17: 'the callee is busy',
  18: 'the callee does not respond',
  19: 'the callee does not answer',
  20: 'the callee is absent',
  21: 'the callee rejected the call',
  22: 'the number has changed',
  28: 'the number is incomplete',
};

/** Whether the next gateway is tried after this failure. `statuses`: the carrier's own list, instead of ours. */
export function judge(
  failure: LegFailure,
  progress: AttemptProgress,
  statuses: readonly string[] | null = null,
): Verdict {
  const { kind, status } = failure;
  if (kind === 'abandoned') return stop('the caller gave up');
  if (kind === 'lost') return stop('the SIP server is lost');
  // The way is fine, and another one would make the telephone that was just answered ring again.
  if (kind === 'unusable') return stop('the callee has answered');
  // The caller has this leg's SDP, and has heard it.
  if (progress.hasEarlyMedia) return stop('the caller heard early media');
  // Another way would make the same telephone ring again.
  if (progress.isRinging) return stop('the callee was ringing');
  if (kind === 'unanswered') return stop('the time to ring is over');
  if (kind === 'silent') return next('the gateway does not respond');
  if (kind !== 'refused') return next('the gateway cannot be reached');
  if (status >= 600) return stop('the callee declines everywhere');
  if (status === 486 || status === 487) return stop(DECISIVE[status]!);
  const cause = q850Cause(failure.headers);
  const known = cause === null ? undefined : CALLEE_CAUSES[cause];
  if (known !== undefined) return stop(`${known} (Q.850 cause ${cause})`);
  if (statuses) {
    const isListed = statuses.includes(`${status}`) || statuses.includes(`${Math.floor(status / 100)}xx`);
    return isListed ? next('on the list of the carrier') : stop('not on the list of the carrier');
  }
  const decisive = DECISIVE[status];
  if (decisive !== undefined) return stop(decisive);
  if (status === 401 || status === 407) return next('the gateway does not take our credentials');
  if (status === 408) return next('the gateway does not respond');
  return next(status >= 500 ? 'the gateway fails' : 'the gateway refuses');
}

/** The cause of a `Reason: Q.850;cause=…` (RFC 3326); null without one. */
export function q850Cause(headers: Readonly<Record<string, string>>): number | null {
  const reason = Object.entries(headers).find(([name]) => name.toLowerCase() === 'reason')?.[1];
  const params = /(?:^|,)\s*Q\.850\s*;([^,"]*(?:"[^"]*"[^,"]*)*)/i.exec(reason ?? '')?.[1] ?? '';
  const cause = /(?:^|;)\s*cause\s*=\s*"?(\d{1,3})\b/i.exec(params.replace(/text\s*=\s*"[^"]*"/i, ''))?.[1];
  return cause === undefined ? null : Number(cause);
}
