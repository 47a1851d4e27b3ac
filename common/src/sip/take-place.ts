import type { BridgedCall } from './bridged-call.js';
import type { Edge } from './edge.js';
import { reasonHeader } from './header-policy.js';
import { sdpOf } from './incoming.js';
import { parseReplaces, type Replaces } from './replaces.js';
import { respond } from './respond.js';
import type { SipHeaders, SipRequest, SipResponse } from './stack.js';
import { partyOf } from './uri.js';

/** An INVITE with Replaces. */
export interface ReplacingInvite {
  request: SipRequest;
  response: SipResponse;
  /** From `watchCancel`. */
  abandoned: AbortSignal;
}

/** Refuses such an INVITE, and counts that. */
export function refuseToReplace(
  edge: Edge,
  { request, response }: ReplacingInvite,
  { status, cause, metric }: { status: number; cause: string; metric: string },
): void {
  respond(response, status, undefined, { headers: reasonHeader(cause) });
  edge.refusals.tell(request, { status, cause, metric });
}

/** Nobody is told more, who may not know whether there is such a call. */
export const NO_SUCH_CALL = { status: 481, cause: 'no such call to replace', metric: 'unknown-replaces' };

/** What the INVITE asks to replace; null when it was refused since it cannot be read. */
export function replacesOf(edge: Edge, invite: ReplacingInvite): Replaces | null {
  const { request } = invite;
  const replaces = request.has('Join') ? null : parseReplaces(request.get('Replaces'));
  if (!replaces) refuseToReplace(edge, invite, { status: 400, cause: 'Replaces cannot be read', metric: 'malformed' });
  return replaces;
}

/** The call of this process whose dialog with the outside is meant. */
export function callOf(edge: Edge, replaces: Replaces): BridgedCall | undefined {
  return edge.calls.find((one) => one.holds(replaces) !== null);
}

/**
 * Lets an INVITE whose sender may do so take a place in a call of this process: that of the one with whom the feature server's side talks, or of those who
 * ring. It leaves no record: the call goes on under its own.
 *
 * @param source - address of the sender, for people
 * @param headers - of the 200
 */
export async function takePlace(
  edge: Edge,
  invite: ReplacingInvite,
  {
    call,
    replaces,
    source,
    headers = {},
  }: { call: BridgedCall; replaces: Replaces; source: string; headers?: SipHeaders },
): Promise<void> {
  const { request } = invite;
  const from = partyOf(request, 'from');
  const offer = sdpOf(request);
  if (!from?.tag || offer === null)
    return refuseToReplace(edge, invite, { status: 400, cause: 'malformed INVITE', metric: 'malformed' });
  if (replaces.earlyOnly && call.holds(replaces) === 'answered') {
    const answered = { status: 486, cause: 'the call to replace is answered', metric: 'replaces-answered' };
    return refuseToReplace(edge, invite, answered);
  }
  const { timeline } = call.journal;
  const who = `${from.user ?? 'anonymous'} at ${source}`;
  timeline.info('sip', `INVITE with Replaces from ${who}`, { sipCallId: request.get('Call-ID') });
  const { status, why } = await call.takeOver({ ...invite, offer, callerTag: from.tag, headers });
  if (status === 200) return;
  edge.edgeMetrics.rejected('replaces-failed');
  timeline.warn('sip', `${who} does not take the call over: ${status} ${why ?? ''}`, { status });
}

/**
 * Takes an INVITE with Replaces that another process at the edge has looked at and found to be of this one.
 *
 * @returns whether the request was one of these
 */
export function takePlaceForEdge(edge: Edge, invite: ReplacingInvite): Promise<void> | null {
  const { request } = invite;
  if (!request.has('Replaces')) return null;
  const { source_address: address, source_port: port } = request;
  if (!edge.sources.isEdge(address, Number(port) || null)) return null;
  const replaces = replacesOf(edge, invite);
  if (!replaces) return Promise.resolve();
  const call = callOf(edge, replaces);
  if (call) return takePlace(edge, invite, { call, replaces, source: 'another process of the edge' });
  refuseToReplace(edge, invite, NO_SUCH_CALL);
  return Promise.resolve();
}
