import type { Account, Metrics, StirPolicy, StirResult, Timeline, VoipCarrier } from '@ringwire/common';
import { STIR_REASONS } from '@ringwire/common';
import type { CallJournal } from '@ringwire/common/sip/call-journal.js';
import { reasonHeader } from '@ringwire/common/sip/header-policy.js';
import { respond } from '@ringwire/common/sip/respond.js';
import type { SipRequest, SipResponse } from '@ringwire/common/sip/stack.js';
import { signedRequestOf } from '@ringwire/common/stir/call-parties.js';
import type { StirVerifier } from '@ringwire/common/stir/verifier.js';
import { toE164 } from '../admission/e164.js';

/** What is known of a caller's identity, and whether the call may go on. */
export type CallerCheck = { ok: true; stir?: StirResult } | { ok: false; stir: StirResult };

/** A call of a carrier, and whose it is. */
export interface CarriedCall {
  account: Account;
  carrier: VoipCarrier;
}

/** Verifies callers of carriers. */
export interface CallerChecks {
  /** Takes no longer than the verifier may wait; never rejects. */
  check(request: SipRequest, destination: CarriedCall, timeline: Timeline): Promise<CallerCheck>;
}

/** What the carrier's row says, else the account's, else `tag`. */
export function stirPolicyOf({ account, carrier }: CarriedCall): StirPolicy {
  return carrier.stirPolicy ?? account.stirPolicy ?? 'tag';
}

function tell(timeline: Timeline, stir: StirResult): void {
  const { status, attest, orig, spc, reason } = stir;
  if (status === 'none') {
    timeline.info('sip', `STIR: ${reason}`, { stir });
  } else if (status === 'valid') {
    const by = spc ? `, signed for ${spc.join(', ')}` : '';
    timeline.info('sip', `STIR: the caller is ${orig}${attest ? `, attestation ${attest}` : ''}${by}`, { stir });
  } else {
    timeline.warn('sip', `STIR: the caller is ${status}: ${reason}`, { stir });
  }
}

/** Makes the checks of a process. */
export function callerChecks(verifier: StirVerifier, metrics: Metrics): CallerChecks {
  const results = metrics.counter({
    name: 'ringwire_stir_verified_total',
    help: "Callers' identities that were verified, by what was found",
    labelNames: ['status'],
  });
  return {
    async check(request, destination, timeline) {
      const policy = stirPolicyOf(destination);
      if (policy === 'off') return { ok: true };
      const { voipCarrierSid, inboundRules } = destination.carrier;
      const toCanonical = (number: string): string => toE164(number, inboundRules);
      const stir = await verifier.verify(signedRequestOf(request), toCanonical, voipCarrierSid);
      results.inc({ status: stir.status });
      tell(timeline, stir);
      return { ok: stir.status === 'valid' || policy === 'tag', stir };
    },
  };
}

/** Refuses a call whose identity is not valid, with the code that says why (RFC 8224 §6.2.2). */
export function refuseCaller(stir: StirResult, response: SipResponse, journal: CallJournal): void {
  const status = stir.code ?? 438;
  const reason = STIR_REASONS[status];
  const cause = `${reason}: ${stir.reason ?? stir.status}`;
  const sent = respond(response, status, reason, { headers: reasonHeader(cause) });
  journal.timeline.error('routing', `refused with ${status}: ${cause}`, { status, reason: 'stir' });
  if (sent === 0) journal.endedNow({ status: 487, reason: 'Request Terminated', termination: 'caller abandoned' });
  else journal.endedNow({ status, reason, termination: 'failed', cause });
}
