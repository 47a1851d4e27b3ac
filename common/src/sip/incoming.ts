import type { Edge } from './edge.js';
import { reasonHeader } from './header-policy.js';
import { respond } from './respond.js';
import type { SipRequest, SipResponse } from './stack.js';

/** Seconds after which a caller that was refused for overload may try again. */
const RETRY_AFTER_S = 5;

/**
 * The first look at an INVITE, the same at both edges: a process that drains or is overloaded answers 503 at once, so that
 * the calls it has stay well.
 *
 * @param edge - which counts the INVITE already
 * @returns true when the INVITE may be handled
 */
export function hasRoom(edge: Edge, request: SipRequest, response: SipResponse): boolean {
  edge.edgeMetrics.invite();
  // It is among those that are counted (`LiveCalls.enter`).
  const others = Math.max(0, edge.calls.size - 1);
  // Who takes over a call (Replaces) changes one that there is: that goes on while the process drains.
  const isWelcome = edge.accepting || request.has('Replaces');
  const why = isWelcome ? edge.guard.overloaded(others) : 'draining';
  if (why === null) return true;
  edge.refusals.tell(request, { status: 503, cause: why, metric: why });
  respond(response, 503, undefined, { headers: { 'Retry-After': `${RETRY_AFTER_S}`, ...reasonHeader(why) } });
  return false;
}

/**
 * The SDP of an INVITE: its body, or the SDP part of a multipart body (the other parts are metadata of recording clients).
 * Null when there is a multipart body without SDP.
 */
export function sdpOf(request: SipRequest): string | null {
  const type = (request.get('Content-Type') ?? '').toLowerCase();
  if (!type.startsWith('multipart/')) return request.body ?? '';
  const part = request.payload?.find(({ type: partType }) => partType?.toLowerCase().startsWith('application/sdp'));
  return part?.content ? part.content.replace(/\r?\n?$/, '\r\n') : null;
}
