import { isIP } from 'node:net';
import { SIP_HEADERS } from '@ringwire/common';
import { sdpOf } from '@ringwire/common/sip/incoming.js';
import { type Ipv4Network, inNetworks } from '@ringwire/common/sip/networks.js';
import type { SipRequest } from '@ringwire/common/sip/stack.js';
import { calledNumber, partyOf, splitUri } from '@ringwire/common/sip/uri.js';
import { type Invite, refuse, type StepResult } from './types.js';

/** Names that attack tools give themselves; no telephone does. */
const SCANNERS =
  /friendly-scanner|sipvicious|sip-scan|sipcli|sundayddr|pplsip|vaxsipuseragent|siparmyknife|sivus|\biwar\b|\bsmap\b|sip ?bomber|\bgulp\b/i;
/** Longest dialled user part; more is no number and no name. */
const MAX_USER = 128;

/** Whether the sender says that it is an attack tool. */
export const isScanner = (request: Pick<SipRequest, 'get'>): boolean => SCANNERS.test(request.get('User-Agent') ?? '');

const malformed = (what: string): StepResult<Invite> =>
  refuse({ status: 400, reason: what, metric: 'malformed', recorded: false });

/** Step 1, shield: known attack tools and malformed requests go no further. What it lets through is safe to look at. */
export function shield(request: SipRequest, trusted: readonly Ipv4Network[]): StepResult<Invite> {
  if (isScanner(request)) {
    return refuse({
      status: 403,
      reason: 'Forbidden',
      cause: 'the User-Agent is a known attack tool',
      metric: 'scanner',
      recorded: false,
    });
  }
  const target = splitUri(request.uri);
  const from = partyOf(request, 'from');
  const to = partyOf(request, 'to');
  const sipCallId = request.get('Call-ID');
  if (!target || (target.user?.length ?? 0) > MAX_USER) return malformed('invalid Request-URI');
  if (!from?.tag) return malformed('invalid From');
  if (!to) return malformed('invalid To');
  if (!sipCallId || !request.has('Contact')) return malformed(sipCallId ? 'no Contact' : 'no Call-ID');
  const sdp = sdpOf(request);
  if (sdp === null) {
    return refuse({ status: 503, reason: 'multipart body without SDP', metric: 'malformed', recorded: false });
  }
  const invite: Invite = {
    sourceAddress: sourceOf(request, trusted),
    sipCallId,
    target,
    from: { ...from, tag: from.tag },
    to,
    number: calledNumber(target.user),
    sdp,
    claimedApplicationSid: request.get(SIP_HEADERS.applicationSid) ?? null,
  };
  return { ok: true, value: invite };
}

/**
 * Whether the transport proves that the sender hears us: anybody can write any address into a datagram. What a proxy of ours passes on proves nothing,
 * since nobody knows how it came there.
 */
export function hearsUs(request: SipRequest, trusted: readonly Ipv4Network[]): boolean {
  return request.protocol !== 'udp' && !inNetworks(trusted, plainAddress(request.source_address));
}

/** Where a request comes from. Only our own proxies may say that it was somewhere else: anybody can write a header. */
export function sourceOf(request: SipRequest, trusted: readonly Ipv4Network[]): string {
  const sender = plainAddress(request.source_address);
  if (!inNetworks(trusted, sender)) return sender;
  const claimed = (request.get('X-Forwarded-For') ?? request.get('X-Subspace-Forwarded-For'))?.split(',')[0]?.trim();
  return claimed && isIP(claimed) !== 0 ? plainAddress(claimed) : sender;
}

/** Without brackets, and IPv4 as such where a socket of both families received it. */
const plainAddress = (address: string): string => address.replace(/^\[(.*)\]$/, '$1').replace(/^::ffff:(?=\d+\.)/i, '');
