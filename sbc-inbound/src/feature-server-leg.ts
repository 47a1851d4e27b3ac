import { type FeatureServerInfo, SIP_HEADERS, type StirResult, stirHeaderValue } from '@ringwire/common';
import { passableHeaders } from '@ringwire/common/sip/header-policy.js';
import { tagsText } from '@ringwire/common/sip/replaces.js';
import type { SipHeaders, SipMessageView } from '@ringwire/common/sip/stack.js';
import { isIpv4, nameAddr } from '@ringwire/common/sip/uri.js';
import type { Destination, Invite } from './admission/types.js';

/** Everything but these needs escaping in the user part of a URI (RFC 3261 §25.1). */
const NOT_IN_USER = /[^A-Za-z0-9\-_.!~*'()&=+$,;?/%]/gu;

const userPart = (user: string): string => user.replace(NOT_IN_USER, (character) => encodeURIComponent(character));

/** What the trunk of calls from Microsoft Teams is called (jambonz). */
export const TEAMS_TRUNK = 'Microsoft Teams';

/** Headers of the INVITE to a feature server: ours, and those of the caller that may go on. */
export function headersToFeatureServer(
  request: SipMessageView,
  call: {
    invite: Invite;
    destination: Destination;
    callSid: string;
    /** Ours in the caller's dialog. */
    localTag: string;
    attemptedAt: number;
    stir?: StirResult;
  },
): SipHeaders {
  const { invite, destination } = call;
  const { carrier, user, application, calledUser, tenant, hooks } = destination;
  // Whom a user calls directly sees who calls: the name that was proven, whatever From says.
  const from = user && calledUser !== null ? user.username : invite.from.user;
  return {
    ...(user ? withoutIdentity(passableHeaders(request)) : passableHeaders(request)),
    From: nameAddr(invite.from.displayName, `sip:${userPart(from ?? 'anonymous')}@localhost`),
    To: request.get('To') ?? `<${invite.to.uri}>`,
    ...(invite.sdp ? { 'Content-Type': 'application/sdp' } : {}),
    [SIP_HEADERS.callSid]: call.callSid,
    [SIP_HEADERS.accountSid]: destination.account.accountSid,
    ...(application ? { [SIP_HEADERS.applicationSid]: application.applicationSid } : {}),
    ...(calledUser === null ? {} : { [SIP_HEADERS.directUser]: calledUser }),
    ...(hooks?.callHook ? { [SIP_HEADERS.callHook]: hooks.callHook } : {}),
    ...(hooks?.callStatusHook ? { [SIP_HEADERS.callStatusHook]: hooks.callStatusHook } : {}),
    ...(user ? { [SIP_HEADERS.authenticatedUser]: user.aor } : {}),
    ...(user?.allowDirectUserCalling ? { [SIP_HEADERS.mayCallUsers]: 'yes' } : {}),
    [SIP_HEADERS.outerCallId]: invite.sipCallId,
    [SIP_HEADERS.outerTags]: tagsText({ toTag: call.localTag, fromTag: invite.from.tag }),
    [SIP_HEADERS.forwardedFor]: invite.sourceAddress,
    ...(carrier
      ? {
          [SIP_HEADERS.originatingCarrier]: carrier.name.replace(/[^\x20-\x7e]/g, '?'),
          [SIP_HEADERS.voipCarrierSid]: carrier.voipCarrierSid,
        }
      : {}),
    ...(tenant ? { [SIP_HEADERS.originatingCarrier]: TEAMS_TRUNK, [SIP_HEADERS.teamsTenant]: tenant.tenantFqdn } : {}),
    [SIP_HEADERS.callStarted]: `${Math.round(call.attemptedAt)}`,
    ...(call.stir ? { [SIP_HEADERS.stir]: stirHeaderValue(call.stir) } : {}),
  };
}

/** Headers that only a network may say of a caller; a user's own would go out in the account's name (RFC 3325 §5). */
const IDENTITY =
  /^(p-asserted-identity|p-preferred-identity|remote-party-id|p-asserted-service|p-charging-vector|p-charging-function-addresses|diversion|history-info|identity|identity-info|p-called-party-id)$/i;

/** The headers of a user that may go on. */
export function withoutIdentity(headers: SipHeaders): SipHeaders {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => !IDENTITY.test(name)));
}

/** Request-URI and next hop: an IPv4 host becomes the feature server's, a domain stays for the application to see. */
export function addressOfFeatureServer(invite: Invite, server: FeatureServerInfo): { uri: string; proxy?: string } {
  const user = invite.target.user === null ? '' : `${userPart(invite.target.user)}@`;
  const { host } = invite.target;
  if (host === '' || isIpv4(host) || host.includes(':')) return { uri: `sip:${user}${server.sipAddress}` };
  return { uri: `sip:${user}${host}`, proxy: `sip:${server.sipAddress}` };
}
