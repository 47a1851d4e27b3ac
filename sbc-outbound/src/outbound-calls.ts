import {
  type CallPlace,
  type CallStarted,
  type FraudRefusal,
  type LimitReached,
  type LimitRefusal,
  limitRefusal,
  nowMs,
  SIP_HEADERS,
} from '@ringwire/common';
import { BridgedCall } from '@ringwire/common/sip/bridged-call.js';
import { CallJournal } from '@ringwire/common/sip/call-journal.js';
import type { Edge } from '@ringwire/common/sip/edge.js';
import { reasonHeader } from '@ringwire/common/sip/header-policy.js';
import { hasRoom } from '@ringwire/common/sip/incoming.js';
import { relayToDevice } from '@ringwire/common/sip/relay-to-device.js';
import { tagsText } from '@ringwire/common/sip/replaces.js';
import { respond } from '@ringwire/common/sip/respond.js';
import type { SipHeaders, SipMessageView, SipRequest, SipResponse } from '@ringwire/common/sip/stack.js';
import { takePlaceForEdge } from '@ringwire/common/sip/take-place.js';
import { watchCancel } from '@ringwire/common/sip/two-leg-setup.js';
import { destinationOf, type WayOut } from './destinations.js';
import { guard, type OutboundCall, type Refusal } from './guard.js';
import { limitedUser } from './limited-user.js';
import { checkForFraud, refusalHeaders } from './toll-fraud.js';

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
    const { place } = taken;
    await placeCall(edge, wayOut, { request, response, abandoned, counted, call, attemptedAt, place });
  } finally {
    taken.place.release();
  }
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

async function placeCall(
  edge: Edge,
  wayOut: WayOut,
  guarded: GuardedCall & IncomingInvite & { place: CallPlace },
): Promise<void> {
  const { request, response, abandoned, counted, call, attemptedAt, place } = guarded;
  const destination = await destinationOf(edge, wayOut, { request, call, atMs: attemptedAt, place });
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
  const way = destination.plan(journal);
  await new BridgedCall(edge.bridging, {
    request,
    response,
    abandoned,
    counted,
    journal,
    offer: call.sdp,
    callerTag: call.callerTag,
    ...way,
    calledUri: () => way.userUri,
    responseHeaders: (outer) => ({
      [SIP_HEADERS.outerCallId]: outer.get('Call-ID') ?? '',
      ...('status' in outer ? { ...outerTags(outer), ...way.answerHeaders } : {}),
      ...(journal.call.voipCarrierSid === null ? {} : { [SIP_HEADERS.voipCarrierSid]: journal.call.voipCarrierSid }),
    }),
    watchedSide: 'a',
    watched: () => edge.featureServerWatch.at(`${request.source_address}:${request.source_port}`)?.instanceId,
  }).run();
}

/** The dialog with the far end as its own telephone would name it in a Replaces; nothing where a proxy's answer makes none. */
function outerTags(response: SipMessageView): SipHeaders {
  const toTag = response.getParsedHeader('from').params.tag;
  const fromTag = response.getParsedHeader('to').params.tag;
  return toTag && fromTag ? { [SIP_HEADERS.outerTags]: tagsText({ toTag, fromTag }) } : {};
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
