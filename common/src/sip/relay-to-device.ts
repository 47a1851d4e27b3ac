import { firstHop, flowToken } from '../registrations/device-route.js';
import { type Registrations, RegistrationsAwayError } from '../registrations/registrations.js';
import type { Edge } from './edge.js';
import { reasonHeader } from './header-policy.js';
import { SIP_HEADERS } from './headers.js';
import { respond } from './respond.js';
import type { SipRequest, SipResponse } from './stack.js';
import { partyOf, splitUri } from './uri.js';

/** What passing requests on looks at. */
export interface RelayContext {
  edge: Pick<Edge, 'stack' | 'logger' | 'sipAddress' | 'sources'>;
  registrations: Pick<Registrations, 'bindingsOf'>;
}

/**
 * A request of another edge for a device that talks to this one: our SIP server passes it on over the device's own connection and stays on
 * the way of a call (Record-Route). The call, its media and its record are the other edge's. The request names a binding, not an address: whoever
 * sends from an edge's address reaches nothing but devices that are registered here. The device gets the token, which says nothing to it: drachtio's proxy
 * takes no header off.
 *
 * @returns whether the request was one of these
 */
export function relayToDevice(context: RelayContext, request: SipRequest, response: SipResponse): boolean {
  const token = request.get(SIP_HEADERS.flow);
  const { sources, logger } = context.edge;
  if (token === undefined || !sources.isEdge(request.source_address, Number(request.source_port) || null)) return false;
  relay(context, token, request, response).catch((err: unknown) => {
    logger.warn({ err, sipCallId: request.get('Call-ID') }, 'a request of another edge was not passed on');
    if (err instanceof RegistrationsAwayError) respond(response, 503);
  });
  return true;
}

async function relay(
  { edge, registrations }: RelayContext,
  token: string,
  request: SipRequest,
  response: SipResponse,
): Promise<void> {
  const called = splitUri(partyOf(request, 'to')?.uri ?? '');
  const aor = called?.user && called.host ? { user: called.user, realm: called.host } : null;
  const bindings = aor ? await registrations.bindingsOf(aor) : [];
  // Its caller has given up meanwhile.
  if (response.finalResponseSent) return;
  const kept = bindings.find(({ id, binding }) => binding.edge === edge.sipAddress && flowToken(id) === token);
  if (!kept) {
    respond(response, 480, undefined, { headers: reasonHeader('the device is not registered here any more') });
    return;
  }
  const remainInDialog = request.method === 'INVITE';
  await edge.stack.proxyRequest(request, [firstHop(kept.binding)], { remainInDialog });
}
