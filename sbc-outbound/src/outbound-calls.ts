import { type CallStarted, type LimitReached, limitRefusal, nowMs, SIP_HEADERS } from '@ringwire/common';
import { BridgedCall } from '@ringwire/common/sip/bridged-call.js';
import { CallJournal } from '@ringwire/common/sip/call-journal.js';
import type { Edge } from '@ringwire/common/sip/edge.js';
import { reasonHeader } from '@ringwire/common/sip/header-policy.js';
import { hasRoom } from '@ringwire/common/sip/incoming.js';
import { respond } from '@ringwire/common/sip/respond.js';
import type { SipRequest, SipResponse } from '@ringwire/common/sip/stack.js';
import { watchCancel } from '@ringwire/common/sip/two-leg-setup.js';
import { guard, type OutboundCall, type Refusal } from './guard.js';
import { targetOf } from './target.js';

/** Takes INVITEs of feature servers until the process ends. */
export function takeOutboundCalls(edge: Edge): void {
  edge.stack.invite((request, response) => {
    // Must be first: a CANCEL may come before the next await returns.
    const abandoned = watchCancel(request, response);
    takeCall(edge, request, response, abandoned).catch((err: unknown) => {
      edge.logger.error({ err, sipCallId: request.get('Call-ID') }, 'INVITE was not handled');
      respond(response, 500);
    });
  });
}

async function takeCall(edge: Edge, request: SipRequest, response: SipResponse, abandoned: AbortSignal): Promise<void> {
  const attemptedAt = nowMs();
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
  const { accountSid, serviceProviderSid } = call.account;
  const applicationSid = request.get(SIP_HEADERS.applicationSid) ?? null;
  const taken = await edge.limits.take({ callSid: call.callSid, accountSid, serviceProviderSid, applicationSid });
  if (!taken.ok) {
    refuseForLimit(edge, { request, response, call, attemptedAt }, taken.reached);
    return;
  }
  try {
    await placeCall(edge, { request, response, abandoned, call, attemptedAt });
  } finally {
    taken.place.release();
  }
}

/** A call that passed the guard. */
interface GuardedCall {
  request: SipRequest;
  response: SipResponse;
  call: OutboundCall;
  attemptedAt: number;
}

function refuseForLimit(
  edge: Edge,
  { request, response, call, attemptedAt }: GuardedCall,
  reached: LimitReached,
): void {
  const { status, reason, metric, headers, alert } = limitRefusal(reached);
  const journal = openJournal(edge, request, call, attemptedAt, '');
  journal.started();
  edge.edgeMetrics.rejected(metric);
  const sent = respond(response, status, reason, { headers: { ...reasonHeader(reason), ...headers } });
  if (alert) journal.alert(alert);
  journal.timeline.error('routing', `refused with ${status}: ${reason}`, { status, reason: metric });
  if (sent === 0) journal.endedNow({ status: 487, reason: 'Request Terminated', termination: 'caller abandoned' });
  else journal.endedNow({ status, reason, termination: 'failed', cause: reason });
}

async function placeCall(
  edge: Edge,
  { request, response, abandoned, call, attemptedAt }: GuardedCall & { abandoned: AbortSignal },
): Promise<void> {
  const target = targetOf(request, call);
  const journal = openJournal(edge, request, call, attemptedAt, target.ok ? target.host : '');
  journal.started();
  if (!target.ok) {
    const { status, reason, metric } = target.refusal;
    edge.edgeMetrics.rejected(metric);
    answer(target.refusal, response);
    journal.timeline.error('routing', `refused with ${status}: ${reason}`, { status, reason: metric });
    journal.endedNow({ status, reason: response.reason, termination: 'failed', cause: reason });
    return;
  }
  const targets = [target.leg];
  await new BridgedCall(edge.bridging, {
    request,
    response,
    abandoned,
    journal,
    offer: call.sdp,
    callerTag: call.callerTag,
    nextTarget: () => targets.shift() ?? null,
    responseHeaders: { [SIP_HEADERS.callSid]: call.callSid },
    watchedSide: 'a',
    farEnd: 'far end',
  }).run();
}

function answer({ status, reason }: Refusal, response: SipResponse): void {
  respond(response, status, undefined, { headers: reasonHeader(reason) });
}

function openJournal(
  edge: Edge,
  request: SipRequest,
  call: OutboundCall,
  attemptedAt: number,
  remoteHost: string,
): CallJournal {
  const started: CallStarted = {
    callSid: call.callSid,
    accountSid: call.account.accountSid,
    serviceProviderSid: call.account.serviceProviderSid,
    applicationSid: request.get(SIP_HEADERS.applicationSid) ?? null,
    voipCarrierSid: null,
    direction: 'outbound',
    from: call.from.user ?? 'anonymous',
    to: call.target.user ?? request.uri,
    sipCallId: call.sipCallId,
    trunk: 'sipUri',
    remoteHost,
    host: request.receivedOn ?? edge.sipAddress,
    attemptedAt,
    owner: edge.instanceId,
  };
  const { sink, registry, edgeMetrics: metrics, logger } = edge;
  const journal = new CallJournal(started, { sink, registry, metrics, logger });
  journal.timeline.info('call', `INVITE from ${started.from} to ${started.to}`, {
    from: started.from,
    to: started.to,
    sipCallId: started.sipCallId,
    parentSipCallId: request.get(SIP_HEADERS.outerCallId) ?? null,
    routing: call.routing,
    uri: request.uri,
  });
  return journal;
}
