import { discard, type LegFailure, type LegLimits, type LegResult, type LegTarget, placeLeg } from './place-leg.js';
import type { SipHeaders, SipResponse, SipStack } from './stack.js';

/** The outcome of a fork: who answered, or the failure that says most. */
export type ForkResult = { target: LegTarget; result: LegResult };

/** Reason of the CANCEL to those who ring on when somebody has answered (RFC 3326): a telephone shows no missed call then. */
export const ELSEWHERE: SipHeaders = { Reason: 'SIP;cause=200;text="Call completed elsewhere"' };

/** A 6xx is the user's word for all his devices; then comes where a device sends the call (3xx), whoever of the others declines first; else what the callee or his device said comes before what the network says (RFC 3261 §16.7). */
function weight({ kind, status }: LegFailure): number {
  if (kind !== 'refused') return 0;
  if (status >= 600) return 6;
  if (status < 400) return 5;
  if (status === 408 || status === 503 || status === 430) return 1;
  if (status >= 500) return 2;
  return status === 480 ? 3 : 4;
}

/**
 * Sends an INVITE to several targets at the same time: the first who answers gets the call, the others are cancelled, also where one
 * declines for all (6xx). Never throws.
 *
 * @param offerOf the offer for a target; undefined sends none
 * @param onProvisional is told of each provisional response with its target
 */
export async function placeFork(
  stack: SipStack,
  targets: readonly [LegTarget, ...LegTarget[]],
  offerOf: (target: LegTarget) => string | undefined,
  limits: LegLimits,
  observer: {
    onProvisional(target: LegTarget, response: SipResponse): void;
    failed(target: LegTarget, failure: LegFailure): void;
  },
): Promise<ForkResult> {
  const decided = new AbortController();
  const abandoned = AbortSignal.any([limits.abandoned, decided.signal]);
  let best: { target: LegTarget; failure: LegFailure } | undefined;
  return new Promise((resolve) => {
    let waiting = targets.length;
    const finish = (outcome: ForkResult): void => {
      resolve(outcome);
      decided.abort(ELSEWHERE);
    };
    for (const target of targets) {
      void placeLeg(stack, target, offerOf(target), { ...limits, abandoned }, (response) => {
        if (!decided.signal.aborted) observer.onProvisional(target, response);
      }).then((result) => {
        waiting--;
        if (decided.signal.aborted) {
          // Two who answered in the same moment; `placeLeg` itself hangs up what is answered later.
          if (result.ok) discard(result.leg, limits.lost);
          return;
        }
        if (result.ok) return finish({ target, result });
        const { failure } = result;
        if (!limits.abandoned.aborted && !limits.lost.aborted) observer.failed(target, failure);
        if (!best || weight(failure) > weight(best.failure)) best = { target, failure };
        if (waiting > 0 && !(failure.kind === 'refused' && failure.status >= 600)) return;
        finish({ target: best.target, result: { ok: false, failure: best.failure } });
      });
    }
  });
}
