import {
  aorText,
  type CallStarted,
  type FraudGuard,
  type OutboundRoutes,
  type RateBook,
  type Registrations,
  type RouteDecision,
  type RoutedGateway,
  type Secret,
  SIP_HEADERS,
} from '@ringwire/common';
import type { AddressGuard } from '@ringwire/common/http/address-guard.js';
import type { CallJournal } from '@ringwire/common/sip/call-journal.js';
import type { Edge } from '@ringwire/common/sip/edge.js';
import type { LegFailure } from '@ringwire/common/sip/place-leg.js';
import { hiddenHop, privateHop } from '@ringwire/common/sip/private-hop.js';
import type { SipRequest } from '@ringwire/common/sip/stack.js';
import { calledNumber } from '@ringwire/common/sip/uri.js';
import { type CarrierHops, isCore } from './carrier-hops.js';
import type { GatewayConfig } from './config.js';
import { followFromUri, followFromUser, type RedirectedCall } from './follow-redirect.js';
import { GatewayAttempts } from './gateway-attempts.js';
import type { GatewayMetrics } from './gateway-metrics.js';
import type { OutboundCall, Refusal } from './guard.js';
import { redirectable, type Way } from './redirects.js';
import { targetOf } from './target.js';
import { HubAttempts } from './teams/hub-attempts.js';
import type { TeamsHub } from './teams/hubs.js';
import { teamsTarget } from './teams/teams-target.js';
import { userTarget } from './user-target.js';

/** What the way out knows besides the edge. */
export interface WayOut {
  gateways: GatewayConfig;
  routes: OutboundRoutes;
  metrics: GatewayMetrics;
  fraud: FraudGuard;
  /** The prices as they are now. */
  rates: () => RateBook;
  registrations: Pick<Registrations, 'bindingsOf'>;
  /** Where calls to SIP URIs may go. */
  addresses: AddressGuard;
  /** Where calls to accounts' own carriers may go. */
  hops: CarrierHops;
  /** `ENCRYPTION_SECRET`. */
  encryptionSecret: Secret | string;
  /** Where Microsoft Teams takes calls. */
  teamsHubs: readonly TeamsHub[];
}

/** Where the call goes, or why it does not. */
export type Destination =
  | {
      ok: true;
      /** Tried before all others. */
      first?: RoutedGateway;
      /** What the record says before the first attempt. */
      carried: Pick<CallStarted, 'voipCarrierSid' | 'trunk' | 'remoteHost'>;
      plan(journal: CallJournal): Way;
    }
  | { ok: false; refusal: Refusal };

/** Where a call of a feature server goes. */
export async function destinationOf(
  edge: Edge,
  wayOut: WayOut,
  placed: Pick<RedirectedCall, 'request' | 'call' | 'atMs' | 'place'>,
): Promise<Destination> {
  const context = { edge, wayOut, ...placed };
  const { request, call, atMs } = placed;
  switch (call.routing) {
    case 'phone':
      return byNumber(edge, wayOut, request, call, atMs);
    case 'teams':
      return toTeams(edge, wayOut, request, call);
    case 'user': {
      const destination = await toUser(edge, wayOut, request, call);
      return redirectable(destination, request.uri, (redirect, journal) => followFromUser(context, redirect, journal));
    }
    case 'sip': {
      const destination = await byUri(edge, wayOut, request, call);
      return redirectable(destination, request.uri, (redirect, journal) => followFromUri(context, redirect, journal));
    }
  }
}

/** @param uri - the URI to call, where that is not the Request-URI */
export async function byUri(
  edge: Edge,
  { addresses, encryptionSecret }: WayOut,
  request: SipRequest,
  call: OutboundCall,
  uri = request.uri,
): Promise<Destination> {
  const target = targetOf(request, call, encryptionSecret, edge.bridging.relay.isRelaying, uri);
  if (!target.ok) return target;
  const why =
    hiddenHop(target.hop) ??
    (isCore(edge, target.hop) ? 'it is a SIP server of our own' : await privateHop(target.hop, addresses));
  if (why !== null) return refuse(403, `the SIP URI may not be called: ${why}`, 'private-address');
  const targets = [target.leg];
  return {
    ok: true,
    carried: { voipCarrierSid: null, trunk: 'sipUri', remoteHost: target.host },
    plan: () => ({ nextTarget: () => targets.shift() ?? null, farEnd: 'far end' }),
  };
}

/** @param isForwarded - another user was called, and sent the call on: what the application says of his devices is not for these */
export async function toUser(
  edge: Edge,
  wayOut: WayOut,
  request: SipRequest,
  call: OutboundCall,
  isForwarded = false,
): Promise<Destination> {
  const target = await userTarget(request, call, {
    isForwarded,
    snapshot: edge.provisioning.snapshot(),
    registrations: wayOut.registrations,
    sipAddress: edge.sipAddress,
    isAlive: (address) => edge.edges.list().some(({ privateSipAddress }) => privateSipAddress === address),
  });
  if (!target.ok) return target;
  const [first, ...further] = target.legs;
  return {
    ok: true,
    carried: { voipCarrierSid: null, trunk: 'user', remoteHost: target.host },
    plan: () => ({
      nextTarget: (failure) => {
        if (!failure) return first;
        return isFlowFailed(failure) ? (further.shift() ?? null) : null;
      },
      farEnd: 'user',
      outwardStatus: userStatus,
      mayBePickedUp: true,
      userUri: `sip:${aorText(target.aor)}`,
      answerHeaders: {
        [SIP_HEADERS.authenticatedUser]: aorText(target.aor),
        ...(target.mayCallUsers ? { [SIP_HEADERS.mayCallUsers]: 'yes' } : {}),
      },
    }),
  };
}

/** Whether no device could be reached over the connections that were tried (RFC 5626 §5.3). */
const isFlowFailed = ({ kind, status }: LegFailure): boolean =>
  kind === 'unsent' || (kind === 'refused' && [408, 430, 503].includes(status));

/** A device whose connection is gone, or that asks us for a password, is one that cannot be reached now. */
function userStatus({ kind, status }: LegFailure): number | undefined {
  const isUnreachable = kind === 'unsent' || (kind === 'refused' && [401, 407, 430, 503].includes(status));
  return isUnreachable ? 480 : undefined;
}

function toTeams(edge: Edge, { gateways, teamsHubs }: WayOut, request: SipRequest, call: OutboundCall): Destination {
  const target = teamsTarget(request, call, {
    snapshot: edge.provisioning.snapshot(),
    hubs: teamsHubs,
    responseMs: gateways.GATEWAY_RESPONSE_MS,
    hasRelay: edge.bridging.relay.isRelaying,
  });
  if (!target.ok) return target;
  return {
    ok: true,
    carried: { voipCarrierSid: null, trunk: 'Microsoft Teams', remoteHost: teamsHubs[0]?.host ?? '' },
    plan: (journal) => {
      const attempts = new HubAttempts(target.legs, { journal, hasOffer: call.sdp !== '' });
      return {
        nextTarget: () => attempts.next(),
        observer: attempts.observer,
        farEnd: 'Microsoft Teams',
        outwardStatus,
      };
    },
  };
}

export function byNumber(
  edge: Edge,
  { gateways, routes, metrics, hops }: WayOut,
  request: SipRequest,
  call: OutboundCall,
  atMs: number,
): Destination {
  const number = call.target.user;
  if (number === null) return refuse(400, 'the request-uri names no number', 'malformed');
  const snapshot = edge.provisioning.snapshot();
  const decision = routes.decide(snapshot, {
    accountSid: call.account.accountSid,
    serviceProviderSid: call.account.serviceProviderSid,
    applicationSid: request.get(SIP_HEADERS.applicationSid) ?? null,
    called: calledNumber(number),
    calling: calledNumber(request.get('X-Preferred-From-User') ?? call.from.user),
    requestedCarrier: request.get('X-Requested-Carrier-Sid') ?? null,
    inboundCarrierSid: request.get(SIP_HEADERS.voipCarrierSid) ?? null,
    atMs,
  });
  const [first] = decision.gateways;
  if (!first) return refuse(603, noWayOut(decision), 'no-route');
  const { carrier, gateway } = first;
  return {
    ok: true,
    first,
    carried: { voipCarrierSid: carrier.voipCarrierSid, trunk: carrier.name, remoteHost: gateway.address },
    plan: (journal) => {
      tellOfRoute(journal, decision);
      const attempts = new GatewayAttempts({
        request,
        call,
        snapshot,
        routes,
        journal,
        metrics,
        hops,
        gateways: decision.gateways,
        hasRelay: edge.bridging.relay.isRelaying,
        ownHost: edge.sipAddress,
        responseMs: gateways.GATEWAY_RESPONSE_MS,
        maxAttempts: gateways.GATEWAY_MAX_ATTEMPTS,
      });
      return { nextTarget: () => attempts.next(), observer: attempts.observer, farEnd: 'carrier', outwardStatus };
    },
  };
}

/** A challenge to us, or a redirect that was not followed, is nothing that a feature server could act on: 502 Bad Gateway. */
function outwardStatus({ kind, status }: LegFailure): number | undefined {
  const isOurs = status === 401 || status === 407 || status < 400;
  return kind === 'refused' && isOurs ? 502 : undefined;
}

const refuse = (status: number, reason: string, metric: string): Destination => ({
  ok: false,
  refusal: { status, reason, metric },
});

function noWayOut({ passedOver }: RouteDecision): string {
  const why = passedOver.map((one) => `${one.name}: ${one.why}`).join('; ');
  return why === '' ? 'the account has no carrier to call out over' : `no carrier can be used: ${why}`;
}

function tellOfRoute({ timeline }: CallJournal, { gateways, passedOver }: RouteDecision): void {
  const name = ({ carrier, gateway }: RouteDecision['gateways'][number]): string =>
    `${gateway.address} of ${carrier.name}`;
  timeline.info('routing', `route: ${gateways.map(name).join(', ')}`.slice(0, 500), {
    gateways: gateways.slice(0, 20).map((one) => ({
      gateway: name(one),
      gatewaySid: one.gateway.sipGatewaySid,
      voipCarrierSid: one.carrier.voipCarrierSid,
      why: one.why,
    })),
    passedOver: passedOver.slice(0, 20),
  });
}
