import { createHash } from 'node:crypto';
import type { DialogHolder } from '../redis/call-registry.js';
import type { Redis } from '../redis/connection.js';
import { type SbcInfo, takeoverRouteKey } from '../redis/keys.js';
import type { SipRequest } from './stack.js';
import { partyOf } from './uri.js';

/** How long the router of the other SIP server has to look for it. */
const ROUTE_TTL_MS = 10_000;

/** Tag under which a process alone is known to its SIP server, beside that of its role. drachtio-srf allows 32 characters. */
export function processTag(instanceId: string): string {
  return `p-${createHash('sha256').update(instanceId).digest('hex').slice(0, 24)}`;
}

/**
 * Prepares the way of an INVITE with Replaces to the process that has the dialog: a SIP server's router sees little more of a request than who sends it to
 * which URI, so it is told in Redis. Resolves to the URI to send it to; null where that process is gone. Over UDP, however long the INVITE is: edges
 * know each other by address and port.
 *
 * @param from - `ip:port` of the SIP server that passes the INVITE on
 * @throws what Redis says
 */
export async function routeToHolder(
  redis: Pick<Redis, 'set'>,
  request: SipRequest,
  { from, holder, edges }: { from: string; holder: DialogHolder; edges: readonly SbcInfo[] },
): Promise<string | null> {
  const edge = edges.find(({ instanceId }) => instanceId === holder.owner);
  if (!edge) return null;
  const destination = `sip:replaces@${edge.privateSipAddress};transport=udp`;
  const user = partyOf(request, 'from')?.user ?? '';
  // A Request-URI that names the SIP server itself becomes the destination, any other stays.
  for (const uri of new Set([request.uri, destination])) {
    await redis.set(takeoverRouteKey({ from, user, uri }), processTag(holder.owner), 'PX', ROUTE_TTL_MS);
  }
  return destination;
}

/** The tag of the process that an INVITE of an edge is for; null where nothing was said. Rejects with what Redis says. */
export function holderTag(
  redis: Pick<Redis, 'getdel'>,
  invite: { from: string; user: string; uri: string },
): Promise<string | null> {
  return redis.getdel(takeoverRouteKey(invite));
}
