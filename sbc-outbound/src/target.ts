import { type Secret, SIP_HEADERS } from '@ringwire/common';
import { BROWSER, SDES } from '@ringwire/common/media-relay/media-profile.js';
import { passableHeaders } from '@ringwire/common/sip/header-policy.js';
import type { LegTarget } from '@ringwire/common/sip/place-leg.js';
import { openCredentials } from '@ringwire/common/sip/sealed-credentials.js';
import type { SipRequest } from '@ringwire/common/sip/stack.js';
import { nameAddr, splitUri } from '@ringwire/common/sip/uri.js';
import type { OutboundCall, Refusal } from './guard.js';

/** Where the call goes, with the URI of its next hop, or why it does not. */
export type TargetResult = { ok: true; leg: LegTarget; host: string; hop: string } | { ok: false; refusal: Refusal };

const refuse = (status: number, reason: string, metric: string): TargetResult => ({
  ok: false,
  refusal: { status, reason, metric },
});

/** How media is encrypted, as {@link SIP_HEADERS.srtp} says it. */
const ENCRYPTED = new Map([
  ['sdes', SDES],
  ['dtls', BROWSER],
]);

/**
 * Routing `sip`: the Request-URI as it is, by way of X-SIP-Proxy where given. The INVITE carries none of the headers that our
 * processes tell each other by.
 *
 * @param secret - `ENCRYPTION_SECRET`, by which the target's credentials are read
 * @param uri - where a redirect led, instead of the Request-URI
 * @param hasRelay - whether media can be encrypted
 */
export function targetOf(
  request: SipRequest,
  call: OutboundCall,
  secret: Secret | string,
  hasRelay: boolean,
  uri = request.uri,
): TargetResult {
  const { target, from } = call;
  if (target.scheme === 'tel' || target.host === '') return refuse(400, 'invalid request-uri', 'malformed');
  const proxy = request.get('X-SIP-Proxy');
  const hop = proxy === undefined ? target : splitUri(/^sips?:/i.test(proxy) ? proxy : `sip:${proxy}`);
  if (!hop || hop.scheme === 'tel') return refuse(400, 'invalid X-SIP-Proxy', 'malformed');
  const user = request.get('X-Preferred-From-User') ?? from.user ?? 'anonymous';
  const host = request.get('X-Preferred-From-Host') ?? 'localhost';
  const caller = splitUri(`sip:${user}@${host}`);
  if (!caller?.user) return refuse(400, 'invalid X-Preferred-From-User or X-Preferred-From-Host', 'malformed');
  const sealed = request.get(SIP_HEADERS.credentials);
  const credentials = sealed === undefined ? undefined : openCredentials(sealed, secret);
  if (credentials === null) return refuse(400, `invalid ${SIP_HEADERS.credentials}`, 'malformed');
  const srtp = request.get(SIP_HEADERS.srtp);
  const media = srtp === undefined ? undefined : ENCRYPTED.get(srtp);
  if (srtp !== undefined && !media) return refuse(400, `invalid ${SIP_HEADERS.srtp}`, 'malformed');
  if (media && !hasRelay) return refuse(503, 'encrypted media needs rtpengine, and there is none', 'no-relay');
  const nextHop = `${hop.scheme}:${hop.host.includes(':') ? `[${hop.host}]` : hop.host}${hop.port === null ? '' : `:${hop.port}`}`;
  return {
    ok: true,
    host: hop.host,
    hop: proxy === undefined ? uri : nextHop,
    leg: {
      name: hop.host,
      uri,
      ...(media ? { media } : {}),
      ...(proxy === undefined ? {} : { proxy: nextHop }),
      // They are for the host that the application named, and nobody else to whom that one sends us.
      ...(credentials && splitUri(request.uri)?.host === target.host ? { credentials } : {}),
      headers: {
        ...passableHeaders(request),
        From: nameAddr(from.displayName, `sip:${user}@${host}`),
        To: `<${uri}>`,
        ...(call.sdp ? { 'Content-Type': 'application/sdp' } : {}),
      },
    },
  };
}
