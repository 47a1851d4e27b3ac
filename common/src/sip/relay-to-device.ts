import type { Edge } from './edge.js';
import { reasonHeader } from './header-policy.js';
import { SIP_HEADERS } from './headers.js';
import { respond } from './respond.js';
import type { SipRequest, SipResponse } from './stack.js';
import { splitUri } from './uri.js';

/**
 * A request of another edge for a device that talks to this one: our SIP server passes it on over the device's own connection and stays on
 * the way of a call (Record-Route). The call, its media and its record are the other edge's.
 *
 * @returns whether the request was one of these
 */
export function relayToDevice(edge: Edge, request: SipRequest, response: SipResponse): boolean {
  const flow = request.get(SIP_HEADERS.flow);
  if (flow === undefined || !edge.sources.isEdge(request.source_address, Number(request.source_port) || null)) {
    return false;
  }
  if (!splitUri(flow)) {
    respond(response, 400, undefined, { headers: reasonHeader(`invalid ${SIP_HEADERS.flow}`) });
    return true;
  }
  edge.stack.proxyRequest(request, [flow], { remainInDialog: request.method === 'INVITE' }).catch((err: unknown) => {
    edge.logger.warn({ err, sipCallId: request.get('Call-ID'), flow }, 'a request of another edge was not passed on');
  });
  return true;
}
