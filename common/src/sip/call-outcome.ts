import type { LegFailure } from './place-leg.js';

/** Our SIP server ends the dialog of a peer that does not refresh its session (RFC 4028 §10) and tells by the Reason of its BYE; undefined for any other. */
export function unrefreshed(reason: string | undefined): string | undefined {
  return /session timer expired/i.test(reason ?? '') ? 'its session timer expired' : undefined;
}

/** The status that the caller gets for a failure. */
export function outwardStatus({ kind, status }: LegFailure): number {
  if (['refused', 'silent', 'unanswered', 'unusable'].includes(kind) || status === 480) return status;
  return 503;
}

/** Why no call came about, in words for the caller and the timeline. */
export function whyOf({ kind }: LegFailure, farEnd: string): string {
  const reasons: Record<LegFailure['kind'], string> = {
    refused: `${farEnd} refused the call`,
    silent: `${farEnd} did not respond in time`,
    unanswered: `${farEnd} did not answer in time`,
    gone: `no ${farEnd} available`,
    abandoned: 'abandoned',
    lost: 'SIP server lost',
    unsent: `${farEnd} cannot be reached`,
    unusable: `the answer of the ${farEnd} cannot be used`,
  };
  return reasons[kind];
}
