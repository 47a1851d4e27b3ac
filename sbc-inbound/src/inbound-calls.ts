import { randomBytes, randomUUID } from 'node:crypto';
import { type CallStarted, nowMs, type Registrations, type StirResult } from '@ringwire/common';
import type { Shield } from '@ringwire/common/shield/shield.js';
import { BridgedCall } from '@ringwire/common/sip/bridged-call.js';
import { CallJournal } from '@ringwire/common/sip/call-journal.js';
import type { DigestServer } from '@ringwire/common/sip/digest/digest-server.js';
import type { Edge } from '@ringwire/common/sip/edge.js';
import { reasonHeader } from '@ringwire/common/sip/header-policy.js';
import { hasRoom } from '@ringwire/common/sip/incoming.js';
import type { LegFailure, LegTarget } from '@ringwire/common/sip/place-leg.js';
import { respond } from '@ringwire/common/sip/respond.js';
import type { SipHeaders, SipRequest, SipResponse } from '@ringwire/common/sip/stack.js';
import { takePlaceForEdge } from '@ringwire/common/sip/take-place.js';
import { watchCancel } from '@ringwire/common/sip/two-leg-setup.js';
import { type Admission, type AdmissionContext, admit, identify, type NotAdmitted } from './admission/admit.js';
import { hearsUs, isScanner, sourceOf } from './admission/shield.js';
import type { TemporaryGateways } from './admission/temporary-gateways.js';
import type { Destination, Invite, Rejection } from './admission/types.js';
import type { TeamsSources } from './admission/who.js';
import { addressOfFeatureServer, headersToFeatureServer, TEAMS_TRUNK } from './feature-server-leg.js';
import { type FeatureServers, mayTryNext } from './feature-servers.js';
import { referToOf } from './refer-to.js';
import { type CallerCheck, type CallerChecks, refuseCaller } from './stir/caller-check.js';
import { takeOverCall } from './take-over-call.js';
import type { UserContext } from './users/authenticate-user.js';
import type { QuietAlerts } from './users/quiet-alerts.js';

/** Outside of dialogs and within, RFC 3261 §20.5. */
const ALLOW = 'INVITE, ACK, CANCEL, BYE, OPTIONS, REGISTER, MESSAGE, INFO, UPDATE, REFER, NOTIFY, PRACK';

/** What taking calls needs besides the edge. */
export interface InboundOptions {
  edge: Edge;
  servers: FeatureServers;
  digest: DigestServer;
  shield: Shield;
  temporary: TemporaryGateways;
  callers: CallerChecks;
  users: Omit<UserContext, 'snapshot' | 'digest'>;
  registrations: Registrations;
  alerts: QuietAlerts;
  teams: TeamsSources;
}

/** Takes INVITEs from outside until the process ends; answers OPTIONS, by which carriers check that we live. */
export function takeInboundCalls(options: InboundOptions): void {
  const { stack, logger } = options.edge;
  stack.options((request, response) => void respond(response, isUnwelcome(options, request) ? 403 : 200));
  // Telephones subscribe to their voicemail unasked, and would take the SIP server's 503 for an edge that is down (RFC 3263 §4.3).
  const refuseEvents = (_request: SipRequest, response: SipResponse): void =>
    void respond(response, 405, undefined, { headers: { Allow: ALLOW } });
  stack.subscribe(refuseEvents);
  stack.publish(refuseEvents);
  stack.invite((request, response) => {
    // Must be first: a CANCEL may come before the next await returns.
    const abandoned = watchCancel(request, response);
    // Also counted before anything is known of it, so that a process that drains waits for it.
    const counted = options.edge.calls.enter();
    takeCall(options, { request, response, abandoned, counted })
      .catch((err: unknown) => {
        logger.error({ err, sipCallId: request.get('Call-ID') }, 'INVITE was not handled');
        respond(response, 500);
      })
      .finally(counted);
  });
}

/** Whether who asks if we live is banned, or says that it is an attack tool. */
function isUnwelcome({ edge: { trustedProxies }, shield }: InboundOptions, request: SipRequest): boolean {
  const source = sourceOf(request, trustedProxies);
  if (!isScanner(request)) return shield.isBanned(source);
  shield.offended(source, 'scanner', hearsUs(request, trustedProxies));
  return true;
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
  options: InboundOptions,
  { request, response, abandoned, counted }: IncomingInvite,
): Promise<void> {
  const { edge, shield } = options;
  // Another process of ours has looked at it and sends it here.
  const replacing = takePlaceForEdge(edge, { request, response, abandoned });
  if (replacing) return replacing;
  const attemptedAt = nowMs();
  const source = sourceOf(request, edge.trustedProxies);
  const isHeard = hearsUs(request, edge.trustedProxies);
  if (!shield.admits(source, isHeard)) {
    // Nothing is looked up, nothing written, and nothing said that helps.
    respond(response, 403);
    return;
  }
  if (!hasRoom(edge, request, response)) return;
  const callSid = randomUUID();
  const context: AdmissionContext = {
    callSid,
    snapshot: edge.provisioning.snapshot(),
    limits: edge.limits,
    digest: options.digest,
    temporary: options.temporary,
    trusted: edge.trustedProxies,
    registrations: options.registrations,
    teams: options.teams,
    ...options.users,
  };
  if (request.has('Replaces')) {
    const identified = await identify(request, context);
    tellShield(shield, source, identified, isHeard);
    if (!identified.ok) reject(options, identified, request, response, { callSid, attemptedAt });
    else await takeOverCall(edge, { request, response, abandoned }, identified, teamsHeaders(request));
    return;
  }
  const admission = await admit(request, context);
  tellShield(shield, source, admission, isHeard);
  if (!admission.ok) {
    reject(options, admission, request, response, { callSid, attemptedAt });
    return;
  }
  try {
    const journal = openJournal(edge, request, admission.invite, { callSid, attemptedAt }, admission.destination);
    sayDecisions(journal, admission);
    journal.started();
    const { destination } = admission;
    const { carrier } = destination;
    const caller: CallerCheck = carrier
      ? await options.callers.check(request, { ...destination, carrier }, journal.timeline)
      : { ok: true };
    if (!caller.ok) {
      edge.edgeMetrics.rejected('stir');
      refuseCaller(caller.stir, response, journal);
      return;
    }
    const leg = { request, response, abandoned, counted, journal, ...(caller.stir ? { stir: caller.stir } : {}) };
    await connect(options, leg, admission.invite, admission.destination);
  } finally {
    admission.place.release();
  }
}

/**
 * Who is known may call beyond a limit as often as he likes, and from a gateway or where he is registered what is not there; who is known by a password
 * only is slowed down when he calls one unknown number or user after the other.
 */
function tellShield(shield: Shield, source: string, admission: { ok: true } | NotAdmitted, isHeard: boolean): void {
  if (admission.ok) {
    shield.succeeded(source);
    return;
  }
  const { carrier, user, tenant, metric } = admission.rejection;
  const hasProven = carrier !== undefined || user !== undefined || tenant !== undefined;
  const isUnknown = metric === 'unknown-number' || metric === 'unknown-user';
  if (hasProven && !isUnknown) shield.succeeded(source);
  else shield.offended(source, hasProven ? 'unknown-number' : metric, isHeard || admission.rejection.isHeard === true);
}

/** What is known of the call's owner: everything, or what a rejection knew. */
type Known = Partial<Pick<Destination, 'account' | 'application' | 'carrier' | 'user' | 'tenant'>>;

function openJournal(
  edge: Edge,
  request: SipRequest,
  invite: Invite,
  { callSid, attemptedAt }: Pick<CallStarted, 'callSid' | 'attemptedAt'>,
  { account, application, carrier, user, tenant }: Known,
): CallJournal {
  const call: CallStarted = {
    callSid,
    accountSid: account?.accountSid ?? null,
    serviceProviderSid: account?.serviceProviderSid ?? carrier?.serviceProviderSid ?? null,
    applicationSid: application?.applicationSid ?? null,
    voipCarrierSid: carrier?.voipCarrierSid ?? null,
    direction: 'inbound',
    from: invite.from.user ?? 'anonymous',
    to: invite.target.user ?? 'anonymous',
    sipCallId: invite.sipCallId,
    trunk: carrier?.name ?? (user ? 'user' : tenant ? TEAMS_TRUNK : ''),
    remoteHost: invite.sourceAddress,
    host: request.receivedOn ?? edge.sipAddress,
    attemptedAt,
    owner: edge.instanceId,
  };
  const { sink, registry, edgeMetrics: metrics, logger } = edge;
  const journal = new CallJournal(call, { sink, registry, metrics, logger });
  journal.timeline.info('call', `INVITE from ${call.from} to ${call.to}`, {
    from: call.from,
    to: call.to,
    sipCallId: call.sipCallId,
    source: `${request.protocol}/${request.source_address}:${request.source_port}`,
    uri: request.uri,
  });
  return journal;
}

function sayDecisions(journal: CallJournal, { decisions }: Pick<Admission, 'decisions'>): void {
  for (const { kind, text, data } of decisions) journal.timeline.info(kind, text, data);
}

function reject(
  { edge, alerts }: InboundOptions,
  admission: NotAdmitted,
  request: SipRequest,
  response: SipResponse,
  call: Pick<CallStarted, 'callSid' | 'attemptedAt'>,
): void {
  const { rejection, invite } = admission;
  const { status, reason, metric, phrase, alert } = rejection;
  const cancelled = response.finalResponseSent;
  respond(response, status, phrase, { headers: { ...reasonHeader(reason), ...rejection.headers } });
  if (status === 401) {
    // A question, no refusal.
    edge.edgeMetrics.rejected(metric);
    return;
  }
  if (!rejection.recorded || !invite) {
    if (alert && rejection.account) alerts(rejection.account, alert);
    edge.refusals.tell(request, { status, cause: rejection.cause ?? reason, metric });
    edge.logger.debug({ metric, source: request.source_address, sipCallId: request.get('Call-ID') }, 'INVITE rejected');
    return;
  }
  edge.edgeMetrics.rejected(metric);
  const journal = openJournal(edge, request, invite, call, knownOf(rejection));
  sayDecisions(journal, admission);
  journal.started();
  if (alert) journal.alert(alert);
  journal.timeline.error('routing', `refused with ${status}: ${reason}`, { status, reason: metric });
  if (cancelled) journal.endedNow({ status: 487, reason: 'Request Terminated', termination: 'caller abandoned' });
  else journal.endedNow({ status, reason: response.reason, termination: 'failed', cause: reason });
}

const knownOf = ({ account, application, carrier, user, tenant }: Rejection): Known => ({
  ...(tenant ? { tenant } : {}),
  ...(user ? { user } : {}),
  ...(account ? { account } : {}),
  ...(application ? { application } : {}),
  ...(carrier ? { carrier } : {}),
});

/** The caller's side of a call. */
interface InboundLeg extends IncomingInvite {
  journal: CallJournal;
}

async function connect(
  { edge, servers }: InboundOptions,
  { stir, ...leg }: InboundLeg & { stir?: StirResult },
  invite: Invite,
  destination: Destination,
): Promise<void> {
  const { callSid, attemptedAt } = leg.journal.call;
  const localTag = randomBytes(8).toString('hex');
  const headers = headersToFeatureServer(leg.request, {
    invite,
    destination,
    callSid,
    localTag,
    attemptedAt,
    ...(stir ? { stir } : {}),
  });
  const tried = new Set<string>();
  let current: { instanceId: string; release: () => void } | undefined;
  const nextTarget = (failure?: LegFailure): LegTarget | null => {
    if (failure && current) {
      current.release();
      servers.avoid(current.instanceId);
      if (!mayTryNext(failure)) return null;
    }
    const server = servers.choose(tried);
    if (!server) return null;
    tried.add(server.instanceId);
    current = { instanceId: server.instanceId, release: servers.occupy(server.instanceId) };
    return {
      name: server.instanceId,
      ...addressOfFeatureServer(invite, server),
      headers,
      gone: servers.gone(server.instanceId),
    };
  };
  const calledBy = destination.carrier ?? { realm: destination.account.sipRealm };
  const call = new BridgedCall(edge.bridging, {
    ...leg,
    offer: invite.sdp,
    callerTag: invite.from.tag,
    localTag,
    nextTarget,
    watchedSide: 'b',
    watched: ({ name }) => name,
    farEnd: 'feature server',
    refer: { referTo: (uri) => referToOf(uri, leg.request, calledBy, edge.provisioning.snapshot()) },
    ...(destination.tenant ? { responseHeaders: teamsHeaders(leg.request) } : {}),
  });
  await call.run().finally(() => current?.release());
}

/** What Microsoft Teams needs in our responses: it knows us by the domain, port and transport that it called, and asks what we allow. */
function teamsHeaders(request: SipRequest): () => SipHeaders {
  const headers = {
    Contact: `<${request.uri.replace(/^(sips?:)[^@]*@/i, '$1').replace(/;user=phone/i, '')}>`,
    Allow: 'INVITE, ACK, OPTIONS, CANCEL, BYE, UPDATE, NOTIFY, REFER',
  };
  return () => headers;
}
