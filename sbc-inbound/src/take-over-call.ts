import type { CallStarted } from '@ringwire/common';
import type { Edge } from '@ringwire/common/sip/edge.js';
import { reasonHeader } from '@ringwire/common/sip/header-policy.js';
import { parseReplaces } from '@ringwire/common/sip/replaces.js';
import { respond } from '@ringwire/common/sip/respond.js';
import type { SipHeaders, SipRequest, SipResponse } from '@ringwire/common/sip/stack.js';
import type { Caller, Invite } from './admission/types.js';

/** An INVITE with Replaces whose sender is known. */
interface TakingInvite {
  request: SipRequest;
  response: SipResponse;
  /** From `watchCancel`. */
  abandoned: AbortSignal;
}

/**
 * Lets a caller take the place of another in an answered call of the same account at this edge (RFC 3891): an attended transfer between
 * telephones. It leaves no record: the call goes on under its own.
 *
 * @param teams - headers of the 200 where Microsoft Teams calls
 */
export async function takeOverCall(
  edge: Edge,
  { request, response, abandoned }: TakingInvite,
  { invite, caller }: { invite: Invite; caller: Caller },
  teams: () => SipHeaders,
): Promise<void> {
  const refuse = (status: number, cause: string, metric: string): void => {
    respond(response, status, undefined, { headers: reasonHeader(cause) });
    edge.refusals.tell(request, { status, cause, metric });
  };
  const replaces = request.has('Join') ? null : parseReplaces(request.get('Replaces'));
  if (!replaces) return refuse(400, 'Replaces cannot be read', 'malformed');
  const call = edge.calls.find((one) => one.isCallers(replaces));
  // Whoever may not must not learn whether there is such a call.
  if (!call || !mayTake(caller, call.journal.call)) return refuse(481, 'no such call to replace', 'unknown-replaces');
  if (replaces.earlyOnly) return refuse(486, 'the call to replace is answered', 'replaces-answered');
  if (!invite.sdp) return refuse(488, 'taking over a call needs an offer', 'replaces-no-offer');
  const { timeline } = call.journal;
  const who = `${invite.from.user ?? 'anonymous'} at ${invite.sourceAddress}`;
  timeline.info('sip', `INVITE with Replaces from ${who}`, { sipCallId: invite.sipCallId });
  const { status, why } = await call.takeOver({
    ...{ request, response, abandoned, offer: invite.sdp, callerTag: invite.from.tag },
    headers: 'tenant' in caller ? teams() : {},
  });
  if (status === 200) return;
  edge.edgeMetrics.rejected('replaces-failed');
  timeline.warn('sip', `${who} does not take the call over: ${status} ${why ?? ''}`, { status });
}

/** A user, tenant or carrier of the call's account; a carrier that several accounts share, where it brought the call. */
function mayTake(caller: Caller, { accountSid, voipCarrierSid }: CallStarted): boolean {
  if (accountSid === null) return false;
  if ('user' in caller) return caller.user.account.accountSid === accountSid;
  if ('tenant' in caller) return caller.tenant.accountSid === accountSid;
  return caller.carriers.some((one) => one.accountSid === accountSid || one.voipCarrierSid === voipCarrierSid);
}
