import type { ProvisioningSnapshot, RoutedGateway, SipGateway, VoipCarrier } from '@ringwire/common';
import type { FarMedia } from '@ringwire/common/media-relay/media-profile.js';
import { passableHeaders } from '@ringwire/common/sip/header-policy.js';
import type { LegTarget } from '@ringwire/common/sip/place-leg.js';
import type { SipHeaders, SipRequest } from '@ringwire/common/sip/stack.js';
import { callerIdentity, isIdentityHeader } from './caller-identity.js';
import { dialledNumber } from './dialled-number.js';
import { bracketed, credentialsOf, escapedUser, gatewayUri, hostPort, isRealmUsable, proxyOf } from './gateway-uri.js';
import type { OutboundCall } from './guard.js';
import { signedHeaders } from './stir-headers.js';

/** The INVITE for a gateway with what is worth telling about it, or why none can be made. */
export type CarrierInvite = { ok: true; leg: LegTarget; notes: string[] } | { ok: false; why: string };

/** What an INVITE to a carrier is made from. */
export interface CarrierInviteOptions {
  request: SipRequest;
  call: OutboundCall;
  snapshot: ProvisioningSnapshot;
  /** Where we are heard, see {@link CallerFacts.ownHost}. */
  ownHost: string;
  /** How long gateways may stay silent whose carrier says nothing of it. */
  responseMs: number;
  /** Instead of the number's own URI: where a 3xx of this carrier pointed. */
  redirectedTo?: string;
}

/** What may stand in the user part of a Request-URI: a number, or what a gateway's redirect wrote there (RFC 3261 §25.1). */
const USER = /^[\w\-.!~*'()&=+$,;?/%:#]{1,256}$/;

/** The INVITE of a call for one gateway, by the rules of its carrier (docs/carriers.md). */
export function carrierInvite({ carrier, gateway }: RoutedGateway, options: CarrierInviteOptions): CarrierInvite {
  const { request, call, redirectedTo } = options;
  const number = dialledNumber(call.target.user ?? '', carrier);
  if (!USER.test(number)) return { ok: false, why: 'the number cannot stand in a SIP URI' };
  if (!isRealmUsable(carrier)) return { ok: false, why: `register_sip_realm of ${carrier.name} is no host name` };
  const proxy = proxyOf(carrier, gateway);
  if (proxy === null) return { ok: false, why: `outbound_sip_proxy of ${carrier.name} is no SIP URI` };
  const identity = callerIdentity(
    { accountSid: call.account.accountSid, from: call.from, request, ownHost: options.ownHost },
    carrier,
    options.snapshot,
  );
  if (!identity) return { ok: false, why: 'invalid X-Preferred-From-User or X-Preferred-From-Host' };
  const uri = redirectedTo ?? gatewayUri(number, carrier, gateway);
  const media = mediaOf(carrier, gateway);
  const credentials = credentialsOf(carrier);
  const headers = {
    ...applicationHeaders(request, carrier),
    ...identity.headers,
    To: `<${gatewayUri(number, carrier, gateway)}>`,
    ...diversion(carrier, gateway),
    ...(call.sdp ? { 'Content-Type': 'application/sdp' } : {}),
  };
  const signed = signedHeaders(headers, options);
  return {
    ok: true,
    notes: signed ? [...identity.notes, signed.note] : identity.notes,
    leg: {
      name: `${hostPort(gateway)} of ${carrier.name}`,
      uri,
      ...(proxy === undefined ? {} : { proxy }),
      ...(media ? { media } : {}),
      ...(credentials ? { credentials } : {}),
      responseMs: carrier.outboundRules.responseMs ?? options.responseMs,
      headers: signed?.headers ?? headers,
    },
  };
}

/** Whether media to the gateway is encrypted, or its codecs chosen: both want a media relay. */
export function needsRelay({ outboundRules }: VoipCarrier, { protocol }: SipGateway): boolean {
  return protocol === 'tls/srtp' || outboundRules.codecs.length > 0;
}

/** The URI of a redirect with the gateway's own address, when its user part may stand in one. */
export function redirectUri(contact: string, carrier: VoipCarrier, gateway: SipGateway): string | null {
  const user = /^sips?:([^@]*)@/i.exec(contact)?.[1];
  return user && USER.test(user) ? gatewayUri(user, carrier, gateway) : null;
}

function applicationHeaders(request: SipRequest, carrier: VoipCarrier): SipHeaders {
  const headers = passableHeaders(request);
  for (const name of Object.keys(headers)) {
    if (isIdentityHeader(name)) delete headers[name];
    // The carrier's own diversion takes the place of another's.
    else if (carrier.diversion && name.toLowerCase() === 'diversion') delete headers[name];
  }
  return headers;
}

function mediaOf(carrier: VoipCarrier, gateway: SipGateway): FarMedia | undefined {
  const { outboundRules, dtmfType } = carrier;
  const tones = dtmfType === 'tones';
  if (!needsRelay(carrier, gateway) && !tones) return undefined;
  const { padCrypto, removeIce, dtlsOff } = gateway;
  return {
    profile: gateway.protocol === 'tls/srtp' ? 'srtp' : 'plain',
    ...{ padCrypto, removeIce, dtlsOff, codecs: outboundRules.codecs },
    ...(tones && { keys: 'tones' as const }),
  };
}

/** draft-levy-sip-diversion, as jambonz writes it. */
function diversion({ diversion: number }: VoipCarrier, gateway: SipGateway): SipHeaders {
  if (!number) return {};
  const user = number.startsWith('+') ? number : `+${number}`;
  return { Diversion: `<sip:${escapedUser(user)}@${bracketed(gateway.address)}>;reason=unknown;counter=1;privacy=off` };
}
