import { randomUUID } from 'node:crypto';
import { type Account, type ProvisioningSnapshot, SIP_HEADERS } from '@ringwire/common';
import type { FeatureServerSources } from '@ringwire/common/sip/feature-server-sources.js';
import { sdpOf } from '@ringwire/common/sip/incoming.js';
import type { SipRequest } from '@ringwire/common/sip/stack.js';
import {
  type Party,
  partyOf,
  splitUri,
  type UriParts,
  unescaped,
  withoutSeparators,
} from '@ringwire/common/sip/uri.js';

/** How a feature server wants a call to leave. */
export type Routing = 'phone' | 'user' | 'sip' | 'teams';
const ROUTINGS: readonly Routing[] = ['phone', 'user', 'sip', 'teams'];

/** A call that a feature server may place. */
export interface OutboundCall {
  callSid: string;
  account: Account;
  routing: Routing;
  sipCallId: string;
  target: UriParts;
  from: Party;
  callerTag: string;
  /** Empty when the INVITE carries no offer. */
  sdp: string;
}

/** Why an INVITE is not passed on. */
export interface Refusal {
  status: number;
  /** X-Reason. */
  reason: string;
  /** Short constant by which it is counted. */
  metric: string;
}

/** The outcome of {@link guard}. */
export type Guarded = { ok: true; call: OutboundCall } | { ok: false; refusal: Refusal };

const refuse = (status: number, reason: string, metric: string): Guarded => ({
  ok: false,
  refusal: { status, reason, metric },
});

/**
 * Lets only calls of our own feature servers out: the source must be one, the account must exist and be active, and the request must say how
 * it is to be routed.
 */
export function guard(
  request: SipRequest,
  sources: FeatureServerSources,
  snapshot: Pick<ProvisioningSnapshot, 'accountsBySid'>,
): Guarded {
  if (!sources.isOurs(request.source_address, request.source_port || null)) {
    return refuse(403, 'source is not a feature server', 'unknown-source');
  }
  const accountSid = request.get(SIP_HEADERS.accountSid);
  if (!accountSid) return refuse(403, `${SIP_HEADERS.accountSid} is missing`, 'no-account');
  const routing = ROUTINGS.find((word) => word === request.get(SIP_HEADERS.routing));
  if (!routing) return refuse(403, `${SIP_HEADERS.routing} must be one of ${ROUTINGS.join(', ')}`, 'no-routing');
  const account = snapshot.accountsBySid.get(accountSid);
  if (!account) return refuse(403, `account ${accountSid} does not exist`, 'unknown-account');
  if (!account.isActive) return refuse(403, `account ${accountSid} is not active`, 'inactive-account');
  const target = targetOf(request.uri, routing);
  const from = partyOf(request, 'from');
  const sipCallId = request.get('Call-ID');
  const sdp = sdpOf(request);
  if (!target || !from?.tag || !sipCallId || sdp === null) return refuse(400, 'malformed INVITE', 'malformed');
  const callSid = request.get(SIP_HEADERS.callSid) ?? randomUUID();
  return { ok: true, call: { callSid, account, routing, sipCallId, target, from, callerTag: from.tag, sdp } };
}

/**
 * A number that is called over carriers is told without separators: they must not change its route, its price or whether it may be called. A URI with
 * escapes that cannot be read is none: what the far end makes of it could not be judged.
 */
function targetOf(uri: string, routing: Routing): UriParts | null {
  const target = splitUri(uri);
  if (routing === 'sip' && target?.user && unescaped(target.user) === null) return null;
  if (routing !== 'phone' || !target?.user) return target;
  return { ...target, user: withoutSeparators(target.user) };
}
