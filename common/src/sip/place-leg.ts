import { passableHeaders } from './header-policy.js';
import type { PendingDialog, SipDialog, SipHeaders, SipRequest, SipResponse, SipStack } from './stack.js';

/** Where an outgoing leg goes. */
export interface LegTarget {
  /** What people call it: a feature server's id, a gateway's name. */
  name: string;
  uri: string;
  /** Next hop, when it is not the host of `uri`. */
  proxy?: string;
  headers: SipHeaders;
  /** Aborts when the target is known to be dead; its attempt then fails at once. */
  gone?: AbortSignal;
}

/** Why an outgoing leg did not come to be. */
export interface LegFailure {
  /**
   * `refused`: a final response, or 408 of our SIP server when none came; `unanswered`: rang too long; `gone`: the target died;
   * `abandoned`: the caller gave up; `lost`: our SIP server died; `unsent`: the SIP server would not send it.
   */
  kind: 'refused' | 'unanswered' | 'gone' | 'abandoned' | 'lost' | 'unsent';
  status: number;
  reason: string;
  /** Headers of the refusal that may go on. */
  headers: SipHeaders;
}

/** The dialog, or what remains to be acknowledged when the INVITE carried no offer. */
export type LegResult = { ok: true; leg: SipDialog | PendingDialog } | { ok: false; failure: LegFailure };

/** What a leg waits for besides its own responses. */
export interface LegLimits {
  /** Time to the final response. */
  answerMs: number;
  /** The caller gave up; the signal's reason may be the headers of the CANCEL to send. */
  abandoned: AbortSignal;
  lost: AbortSignal;
}

/** Whether the leg waits for its ACK (the INVITE had no offer). */
export function isPending(leg: SipDialog | PendingDialog): leg is PendingDialog {
  return 'ack' in leg && typeof leg.ack === 'function' && !('sip' in leg);
}

const failure = (kind: LegFailure['kind'], status: number, reason: string, headers: SipHeaders = {}): LegFailure => ({
  kind,
  status,
  reason,
  headers,
});

/** drachtio-srf rejects with the final response under `res`; anything else means that nothing was sent. */
function failureOf(error: unknown): LegFailure {
  const refused = error as { status?: unknown; res?: SipResponse };
  if (typeof refused.status === 'number' && refused.res) {
    return failure('refused', refused.status, refused.res.reason, passableHeaders(refused.res));
  }
  return failure('unsent', 500, error instanceof Error ? error.message : String(error));
}

/**
 * Sends an INVITE and waits for its outcome. Never throws. A leg that is answered after we stopped waiting is hung up.
 *
 * @param offer SDP; undefined sends an INVITE without one
 */
export function placeLeg(
  stack: SipStack,
  target: LegTarget,
  offer: string | undefined,
  limits: LegLimits,
  onProvisional: (response: SipResponse) => void,
): Promise<LegResult> {
  return new Promise((resolve) => {
    let settled = false;
    let request: SipRequest | undefined;
    const stops: (() => void)[] = [];
    const settle = (result: LegResult): void => {
      if (settled) return;
      settled = true;
      for (const stop of stops) stop();
      resolve(result);
    };
    const cancelHeaders = (): SipHeaders =>
      limits.abandoned.aborted && typeof limits.abandoned.reason === 'object' ? { ...limits.abandoned.reason } : {};
    const giveUp = (why: LegFailure, cancels: boolean): void => {
      if (settled) return;
      settle({ ok: false, failure: why });
      if (cancels) request?.cancel({ headers: cancelHeaders() });
    };
    const onAbort = (signal: AbortSignal | undefined, why: LegFailure, cancels: boolean): void => {
      if (!signal) return;
      const listener = (): void => giveUp(why, cancels);
      if (signal.aborted) {
        listener();
        return;
      }
      signal.addEventListener('abort', listener, { once: true });
      stops.push(() => signal.removeEventListener('abort', listener));
    };
    onAbort(limits.lost, failure('lost', 503, 'SIP server lost'), false);
    onAbort(limits.abandoned, failure('abandoned', 487, 'Request Terminated'), true);
    onAbort(target.gone, failure('gone', 503, 'target is gone'), true);
    if (settled) return;
    const ringing = setTimeout(() => giveUp(failure('unanswered', 408, 'Request Timeout'), true), limits.answerMs);
    stops.push(() => clearTimeout(ringing));

    const options = {
      headers: target.headers,
      ...(offer === undefined ? { noAck: true } : { localSdp: offer }),
      ...(target.proxy === undefined ? {} : { proxy: target.proxy }),
    };
    stack
      .createUAC(target.uri, options, {
        cbRequest(error, sent) {
          if (error || !sent) return;
          request = sent;
          if (settled && !limits.lost.aborted) sent.cancel({ headers: cancelHeaders() });
        },
        cbProvisional(response) {
          if (!settled) onProvisional(response);
        },
      })
      .then(
        (leg) => (settled ? discard(leg) : settle({ ok: true, leg })),
        (error: unknown) => settle({ ok: false, failure: failureOf(error) }),
      );
  });
}

/** Hangs up a leg that nobody wants any more (an answer that crossed our CANCEL). */
export function discard(leg: SipDialog | PendingDialog): void {
  // The only failure is a dialog that is gone already: what was wanted, so nothing is reported.
  const alreadyGone = (): void => undefined;
  if (isPending(leg)) leg.destroy().catch(alreadyGone);
  else void leg.destroy({}, alreadyGone);
}
