import { findDialogHolder } from '@ringwire/common';
import type { Edge } from '@ringwire/common/sip/edge.js';
import { dialogName } from '@ringwire/common/sip/replaces.js';
import type { SipHeaders } from '@ringwire/common/sip/stack.js';
import {
  callOf,
  NO_SUCH_CALL,
  type ReplacingInvite,
  refuseToReplace,
  replacesOf,
  takePlace,
} from '@ringwire/common/sip/take-place.js';
import { routeToHolder } from '@ringwire/common/sip/takeover-routing.js';
import type { Caller, Invite } from './admission/types.js';

/**
 * Lets a caller take a place in a call of his account (RFC 3891): an attended transfer between telephones, or a call picked up. A call that
 * another process holds, at this edge or elsewhere, is that one's to change: the SIP server passes the INVITE on and stays on the way.
 *
 * @param teams - headers of the 200 where Microsoft Teams calls
 */
export async function takeOverCall(
  edge: Edge,
  invite: ReplacingInvite,
  { invite: read, caller }: { invite: Invite; caller: Caller },
  teams: () => SipHeaders,
): Promise<void> {
  const replaces = replacesOf(edge, invite);
  if (!replaces) return;
  const call = callOf(edge, replaces);
  if (call) {
    // Whoever may not must not learn whether there is such a call.
    if (!mayTake(caller, call.journal.call)) return refuseToReplace(edge, invite, NO_SUCH_CALL);
    const headers = 'tenant' in caller ? teams() : {};
    return takePlace(edge, invite, { call, replaces, source: read.sourceAddress, headers });
  }
  const holder = await findDialogHolder(edge.redis, dialogName(replaces), edge.logger);
  if (!holder || !mayTake(caller, holder)) return refuseToReplace(edge, invite, NO_SUCH_CALL);
  const { request, response } = invite;
  const about = { sipCallId: request.get('Call-ID'), callSid: holder.callSid, owner: holder.owner };
  const uri = await routeToHolder(edge.redis, request, {
    from: edge.sipAddress,
    holder,
    edges: edge.edges.list(),
  }).catch((err: unknown) => {
    edge.logger.warn({ err, ...about }, 'redis does not take the way of an INVITE with Replaces');
    return null;
  });
  if (uri === null) return refuseToReplace(edge, invite, NO_SUCH_CALL);
  if (response.finalResponseSent) return;
  edge.logger.info({ ...about, uri }, 'INVITE with Replaces goes on');
  edge.stack.proxyRequest(request, [uri], { remainInDialog: true }).catch((err: unknown) => {
    edge.logger.warn({ err, ...about, uri }, 'an INVITE with Replaces was not passed on');
  });
}

/** A user, tenant or carrier of the call's account; a carrier that several accounts share, where it brought the call. */
function mayTake(
  caller: Caller,
  { accountSid, voipCarrierSid }: { accountSid: string | null; voipCarrierSid: string | null },
): boolean {
  if (accountSid === null) return false;
  if ('user' in caller) return caller.user.account.accountSid === accountSid;
  if ('tenant' in caller) return caller.tenant.accountSid === accountSid;
  return caller.carriers.some((one) => one.accountSid === accountSid || one.voipCarrierSid === voipCarrierSid);
}
