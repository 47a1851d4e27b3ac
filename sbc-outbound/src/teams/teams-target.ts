import { type ProvisioningSnapshot, SIP_HEADERS, type TeamsTenant } from '@ringwire/common';
import { SDES } from '@ringwire/common/media-relay/media-profile.js';
import { passableHeaders } from '@ringwire/common/sip/header-policy.js';
import type { LegTarget } from '@ringwire/common/sip/place-leg.js';
import type { SipHeaders, SipRequest } from '@ringwire/common/sip/stack.js';
import { nameAddr, splitUri } from '@ringwire/common/sip/uri.js';
import { isIdentityHeader } from '../caller-identity.js';
import type { OutboundCall, Refusal } from '../guard.js';
import { hubUri, type TeamsHub } from './hubs.js';

/** The INVITEs for a tenant's Teams, one for each hub in the order of trying, or why the call cannot be placed. */
export type TeamsTarget = { ok: true; tenant: TeamsTenant; legs: LegTarget[] } | { ok: false; refusal: Refusal };

/** What a call to Teams is made from. */
export interface TeamsTargetOptions {
  snapshot: Pick<ProvisioningSnapshot, 'teamsTenantByFqdn' | 'teamsTenantsOf'>;
  hubs: readonly TeamsHub[];
  /** How long a hub may stay silent. */
  responseMs: number;
  /** Whether media can be encrypted. */
  hasRelay: boolean;
}

const NUMBER = /^\+?[\w.*#-]{1,64}$/;

const refuse = (status: number, reason: string, metric: string): TeamsTarget => ({
  ok: false,
  refusal: { status, reason, metric },
});

/**
 * Routing `teams`: the number at Teams' hubs over TLS, on behalf of a tenant of the account. Teams knows who we are by the host
 * of From and Contact, which is the tenant's domain (learn.microsoft.com, "Plan Direct Routing": SBC domain names).
 */
export function teamsTarget(request: SipRequest, call: OutboundCall, options: TeamsTargetOptions): TeamsTarget {
  const { hubs, responseMs, hasRelay } = options;
  const tenant = tenantOf(request, call, options.snapshot);
  if (!tenant) return refuse(404, 'the account has no such Microsoft Teams tenant', 'unknown-tenant');
  if (!hasRelay) return refuse(503, 'media to Microsoft Teams needs rtpengine, and there is none', 'no-relay');
  const { user } = call.target;
  if (user === null || !NUMBER.test(user)) return refuse(400, 'invalid request-uri', 'malformed');
  const caller = request.get('X-Preferred-From-User') ?? call.from.user ?? 'anonymous';
  if (!splitUri(`sip:${caller}@${tenant.tenantFqdn}`)?.user) {
    return refuse(400, 'invalid X-Preferred-From-User', 'malformed');
  }
  // As the host of the hub reads it: what is no number with a country code stays as it is.
  const number = /^[1-9]\d*$/.test(user) ? `+${user}` : user;
  const isVoicemail = /;opaque=app:voicemail(?:;|$)/i.test(request.uri);
  const headers = headersOf(request, call, tenant, caller);
  return {
    ok: true,
    tenant,
    legs: hubs.map((hub) => {
      const uri = `${hubUri(hub, number)}${isVoicemail ? ';opaque=app:voicemail' : ''}`;
      const name = `${hub.host} of Microsoft Teams`;
      // Without ICE: media bypass is not used.
      return { name, uri, media: SDES, responseMs, headers: { ...headers, To: `<${uri}>` } };
    }),
  };
}

/** The tenant that the application names, which must be the account's; else the only one, or the first by name. */
function tenantOf(
  request: SipRequest,
  { account }: OutboundCall,
  snapshot: TeamsTargetOptions['snapshot'],
): TeamsTenant | undefined {
  const wanted = request.get(SIP_HEADERS.teamsTenant)?.trim().toLowerCase();
  if (!wanted) return snapshot.teamsTenantsOf(account.accountSid)[0];
  const tenant = snapshot.teamsTenantByFqdn(wanted);
  return tenant?.accountSid === account.accountSid ? tenant : undefined;
}

function headersOf(request: SipRequest, call: OutboundCall, { tenantFqdn }: TeamsTenant, caller: string): SipHeaders {
  const passed = Object.entries(passableHeaders(request)).filter(([name]) => !isIdentityHeader(name));
  return {
    ...Object.fromEntries(passed),
    From: nameAddr(call.from.displayName, `sip:${caller}@${tenantFqdn}`),
    Contact: `<sip:${caller}@${tenantFqdn}:5061;transport=tls>`,
    ...(call.sdp ? { 'Content-Type': 'application/sdp' } : {}),
  };
}
