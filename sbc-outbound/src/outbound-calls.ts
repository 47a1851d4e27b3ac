import {
  aorText,
  type CallStarted,
  type FraudGuard,
  type FraudRefusal,
  type LimitedUser,
  type LimitReached,
  type LimitRefusal,
  limitRefusal,
  nowMs,
  type OutboundRoutes,
  type RateBook,
  type Registrations,
  type RouteDecision,
  type RoutedGateway,
  type Secret,
  SIP_HEADERS,
} from '@ringwire/common';
import type { AddressGuard } from '@ringwire/common/http/address-guard.js';
import { BridgedCall, type BridgedCallPlan } from '@ringwire/common/sip/bridged-call.js';
import { CallJournal } from '@ringwire/common/sip/call-journal.js';
import type { Edge } from '@ringwire/common/sip/edge.js';
import { reasonHeader } from '@ringwire/common/sip/header-policy.js';
import { hasRoom } from '@ringwire/common/sip/incoming.js';
import type { LegFailure } from '@ringwire/common/sip/place-leg.js';
import { privateHop } from '@ringwire/common/sip/private-hop.js';
import { relayToDevice } from '@ringwire/common/sip/relay-to-device.js';
import { tagsText } from '@ringwire/common/sip/replaces.js';
import { respond } from '@ringwire/common/sip/respond.js';
import type { SipHeaders, SipRequest, SipResponse } from '@ringwire/common/sip/stack.js';
import { takePlaceForEdge } from '@ringwire/common/sip/take-place.js';
import { watchCancel } from '@ringwire/common/sip/two-leg-setup.js';
import { calledNumber, splitUri } from '@ringwire/common/sip/uri.js';
import type { GatewayConfig } from './config.js';
import { GatewayAttempts } from './gateway-attempts.js';
import type { GatewayMetrics } from './gateway-metrics.js';
import { guard, type OutboundCall, type Refusal } from './guard.js';
import { targetOf } from './target.js';
import { HubAttempts } from './teams/hub-attempts.js';
import type { TeamsHub } from './teams/hubs.js';
import { teamsTarget } from './teams/teams-target.js';
import { checkForFraud, refusalHeaders } from './toll-fraud.js';
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
  /** `ENCRYPTION_SECRET`. */
  encryptionSecret: Secret | string;
  /** Where Microsoft Teams takes calls. */
  teamsHubs: readonly TeamsHub[];
}

/** Takes INVITEs of feature servers until the process ends. */
export function takeOutboundCalls(edge: Edge, wayOut: WayOut): void {
  edge.stack.invite((request, response) => {
    // Must be first: a CANCEL may come before the next await returns.
    const abandoned = watchCancel(request, response);
    // Also counted before anything is known of it, so that a process that drains waits for it.
    const counted = edge.calls.enter();
    takeCall(edge, wayOut, { request, response, abandoned, counted })
      .catch((err: unknown) => {
        edge.logger.error({ err, sipCallId: request.get('Call-ID') }, 'INVITE was not handled');
        respond(response, 500);
      })
      .finally(counted);
  });
}

/** An INVITE as it comes in. */
interface IncomingInvite {
  request: SipRequest;
  response: SipResponse;
  abandoned: AbortSignal;
  /** Ends its count, see `LiveCalls.enter`. */
  counted: () => void;
}

async function takeCall(
  edge: Edge,
  wayOut: WayOut,
  { request, response, abandoned, counted }: IncomingInvite,
): Promise<void> {
  const attemptedAt = nowMs();
  if (relayToDevice({ edge, ...wayOut }, request, response)) return;
  const replacing = takePlaceForEdge(edge, { request, response, abandoned });
  if (replacing) return replacing;
  if (!hasRoom(edge, request, response)) return;
  const checked = guard(request, edge.sources, edge.provisioning.snapshot());
  if (!checked.ok) {
    const { status, reason, metric } = checked.refusal;
    answer(checked.refusal, response);
    // A stranger's X-Call-Sid could be somebody else's call.
    const callSid = metric === 'unknown-source' ? undefined : request.get(SIP_HEADERS.callSid);
    edge.refusals.tell(request, { status, cause: reason, metric, ...(callSid ? { callSid } : {}) });
    return;
  }
  const { call } = checked;
  // Tells the feature server that whatever is answered now is about its call: another edge would not answer otherwise.
  response.set(SIP_HEADERS.callSid, call.callSid);
  const { accountSid, serviceProviderSid } = call.account;
  const applicationSid = request.get(SIP_HEADERS.applicationSid) ?? null;
  const user = call.routing === 'user' ? limitedUser(edge, call) : null;
  const taken = await edge.limits.take({
    callSid: call.callSid,
    accountSid,
    serviceProviderSid,
    applicationSid,
    ...(user ? { user } : {}),
  });
  if (!taken.ok) {
    refuseForLimit(edge, { request, response, call, attemptedAt }, taken.reached);
    return;
  }
  try {
    await placeCall(edge, wayOut, { request, response, abandoned, counted, call, attemptedAt });
  } finally {
    taken.place.release();
  }
}

/** The user who is called, with the limit of his own calls. */
function limitedUser(edge: Edge, { account, target }: OutboundCall): LimitedUser | null {
  if (target.user === null) return null;
  const client = edge.provisioning.snapshot().findClient(account.accountSid, target.user);
  return client ? { aor: aorText({ user: client.username, realm: target.host }), limit: client.callLimit } : null;
}

/** What the record says of a call that reached nobody. */
const nobody = ({ routing }: OutboundCall) => ({ voipCarrierSid: null, trunk: routing, remoteHost: '' });

/** A call that passed the guard. */
interface GuardedCall {
  request: SipRequest;
  response: SipResponse;
  call: OutboundCall;
  attemptedAt: number;
}

function refuseForLimit(edge: Edge, guarded: GuardedCall, reached: LimitReached): void {
  const refusal = limitRefusal(reached);
  const { metric, headers, alert } = refusal;
  // A user who has as many calls as he may is busy.
  const [status, reason] = reached.scope === 'user' ? [486, 'Busy Here'] : [refusal.status, refusal.reason];
  const all = { ...reasonHeader(reason), ...headers };
  refuseCall(edge, guarded, { status, phrase: reason, reason, metric, headers: all, alert });
}

function refuseForFraud(edge: Edge, guarded: GuardedCall, refusal: FraudRefusal): void {
  const { reason, detail, alert } = refusal;
  const headers = refusalHeaders(refusal);
  refuseCall(edge, guarded, { status: 403, reason: detail, metric: `fraud-${reason}`, headers, alert });
}

/** A refusal that leaves a record and perhaps an alert. */
interface RecordedRefusal extends Refusal {
  /** Reason phrase; that of the status when absent. */
  phrase?: string;
  headers: SipHeaders;
  alert: LimitRefusal['alert'];
}

function refuseCall(
  edge: Edge,
  { request, response, call, attemptedAt }: GuardedCall,
  { status, phrase, reason, metric, headers, alert }: RecordedRefusal,
): void {
  const journal = openJournal(edge, request, call, { attemptedAt, ...nobody(call) });
  journal.started();
  edge.edgeMetrics.rejected(metric);
  const sent = respond(response, status, phrase, { headers });
  if (alert) journal.alert(alert);
  journal.timeline.error('routing', `refused with ${status}: ${reason}`, { status, reason: metric });
  if (sent === 0) journal.endedNow({ status: 487, reason: 'Request Terminated', termination: 'caller abandoned' });
  else journal.endedNow({ status, reason: phrase ?? response.reason, termination: 'failed', cause: reason });
}

async function placeCall(edge: Edge, wayOut: WayOut, guarded: GuardedCall & IncomingInvite): Promise<void> {
  const { request, response, abandoned, counted, call, attemptedAt } = guarded;
  const destination =
    call.routing === 'phone'
      ? byNumber(edge, wayOut, request, call, attemptedAt)
      : call.routing === 'user'
        ? await toUser(edge, wayOut, request, call)
        : call.routing === 'teams'
          ? toTeams(edge, wayOut, request, call)
          : await byUri(edge, wayOut, request, call);
  const first = destination.ok ? destination.first : undefined;
  const verdict = await checkForFraud(wayOut.fraud, edge.provisioning.snapshot(), wayOut.rates(), call, first);
  if (!verdict.ok) {
    refuseForFraud(edge, guarded, verdict);
    return;
  }
  const carried = destination.ok ? destination.carried : nobody(call);
  const journal = openJournal(edge, request, call, { attemptedAt, ...carried });
  journal.started();
  tellOfCall(journal, request, call);
  if (!destination.ok) {
    const { status, reason, metric } = destination.refusal;
    edge.edgeMetrics.rejected(metric);
    answer(destination.refusal, response);
    journal.timeline.error('routing', `refused with ${status}: ${reason}`, { status, reason: metric });
    journal.endedNow({ status, reason: response.reason, termination: 'failed', cause: reason });
    return;
  }
  await new BridgedCall(edge.bridging, {
    request,
    response,
    abandoned,
    counted,
    journal,
    offer: call.sdp,
    callerTag: call.callerTag,
    ...destination.plan(journal),
    responseHeaders: (outer) => ({
      [SIP_HEADERS.outerCallId]: outer.get('Call-ID') ?? '',
      ...outerTags(outer),
      ...destination.answerHeaders,
      ...(journal.call.voipCarrierSid === null ? {} : { [SIP_HEADERS.voipCarrierSid]: journal.call.voipCarrierSid }),
    }),
    watchedSide: 'a',
    watched: () => edge.featureServerWatch.at(`${request.source_address}:${request.source_port}`)?.instanceId,
  }).run();
}

/** The dialog with the far end as its own telephone would name it in a Replaces; nothing where a proxy's answer makes none. */
function outerTags(response: SipResponse): SipHeaders {
  const toTag = response.getParsedHeader('from').params.tag;
  const fromTag = response.getParsedHeader('to').params.tag;
  return toTag && fromTag ? { [SIP_HEADERS.outerTags]: tagsText({ toTag, fromTag }) } : {};
}

/** Where the call goes, or why it does not. */
type Destination =
  | {
      ok: true;
      /** Tried before all others. */
      first?: RoutedGateway;
      /** What the record says before the first attempt. */
      carried: Pick<CallStarted, 'voipCarrierSid' | 'trunk' | 'remoteHost'>;
      /** What the feature server hears of who is called. */
      answerHeaders?: SipHeaders;
      plan(
        journal: CallJournal,
      ): Pick<BridgedCallPlan, 'nextTarget' | 'observer' | 'farEnd' | 'outwardStatus' | 'mayBePickedUp'>;
    }
  | { ok: false; refusal: Refusal };

async function byUri(
  edge: Edge,
  { addresses, encryptionSecret }: WayOut,
  request: SipRequest,
  call: OutboundCall,
): Promise<Destination> {
  const target = targetOf(request, call, encryptionSecret);
  if (!target.ok) return target;
  const why = isCore(edge, target.hop) ? 'it is a SIP server of our own' : await privateHop(target.hop, addresses);
  if (why !== null) return refuse(403, `the SIP URI may not be called: ${why}`, 'private-address');
  const targets = [target.leg];
  return {
    ok: true,
    carried: { voipCarrierSid: null, trunk: 'sipUri', remoteHost: target.host },
    plan: () => ({ nextTarget: () => targets.shift() ?? null, farEnd: 'far end' }),
  };
}

/** Whether it is the SIP server of a feature server: that takes calls from edges, as they have admitted them. */
function isCore({ featureServers }: Edge, uri: string): boolean {
  const hop = splitUri(uri);
  const address = hop && `${hop.host.includes(':') ? `[${hop.host}]` : hop.host}:${hop.port ?? 5060}`;
  return featureServers.list().some(({ sipAddress }) => sipAddress === address);
}

async function toUser(edge: Edge, wayOut: WayOut, request: SipRequest, call: OutboundCall): Promise<Destination> {
  const target = await userTarget(request, call, {
    snapshot: edge.provisioning.snapshot(),
    registrations: wayOut.registrations,
    sipAddress: edge.sipAddress,
    isAlive: (address) => edge.edges.list().some(({ privateSipAddress }) => privateSipAddress === address),
  });
  if (!target.ok) return target;
  const targets = [target.leg];
  return {
    ok: true,
    carried: { voipCarrierSid: null, trunk: 'user', remoteHost: target.host },
    answerHeaders: {
      [SIP_HEADERS.authenticatedUser]: aorText(target.aor),
      ...(target.mayCallUsers ? { [SIP_HEADERS.mayCallUsers]: 'yes' } : {}),
    },
    plan: () => ({
      nextTarget: () => targets.shift() ?? null,
      farEnd: 'user',
      outwardStatus: userStatus,
      mayBePickedUp: true,
    }),
  };
}

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

function byNumber(
  edge: Edge,
  { gateways, routes, metrics }: WayOut,
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

function answer({ status, reason }: Refusal, response: SipResponse): void {
  respond(response, status, undefined, { headers: reasonHeader(reason) });
}

function openJournal(
  edge: Edge,
  request: SipRequest,
  call: OutboundCall,
  known: Pick<CallStarted, 'attemptedAt' | 'voipCarrierSid' | 'trunk' | 'remoteHost'>,
): CallJournal {
  const started: CallStarted = {
    callSid: call.callSid,
    accountSid: call.account.accountSid,
    serviceProviderSid: call.account.serviceProviderSid,
    applicationSid: request.get(SIP_HEADERS.applicationSid) ?? null,
    direction: 'outbound',
    from: call.from.user ?? 'anonymous',
    to: call.target.user ?? request.uri,
    sipCallId: call.sipCallId,
    host: request.receivedOn ?? edge.sipAddress,
    ...known,
    owner: edge.instanceId,
  };
  const { sink, registry, edgeMetrics: metrics, logger } = edge;
  return new CallJournal(started, { sink, registry, metrics, logger });
}

function tellOfCall({ call: started, timeline }: CallJournal, request: SipRequest, call: OutboundCall): void {
  timeline.info('call', `INVITE from ${started.from} to ${started.to}`, {
    from: started.from,
    to: started.to,
    sipCallId: started.sipCallId,
    parentSipCallId: request.get(SIP_HEADERS.outerCallId) ?? null,
    routing: call.routing,
    uri: request.uri,
  });
}
