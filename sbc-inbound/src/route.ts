import type { Edge } from '@ringwire/common/sip/edge.js';
import { holderTag } from '@ringwire/common/sip/takeover-routing.js';
import type { Express, Request } from 'express';

const parameter = (request: Request, ...names: string[]): string | null => {
  for (const name of names) {
    // drachtio puts parameters of the Request-URI behind its own facts: of a name that comes twice, the first is drachtio's.
    const all = request.query[name];
    const value = Array.isArray(all) ? all[0] : all;
    if (typeof value === 'string' && value !== '') return value;
  }
  return null;
};

/**
 * Serves `GET /route`, which the edge's SIP server asks for every new INVITE (drachtio's request-handler): those of our own
 * feature servers, and of other edges, go to sbc-outbound, those of banned sources nowhere, all others to sbc-inbound. An edge may have named
 * the process (`routeToHolder`).
 */
export function serveRoute(
  app: Express,
  { sources, redis, logger }: Pick<Edge, 'sources' | 'redis' | 'logger'>,
  isBanned: (address: string) => boolean,
): void {
  const namedBy = async (request: Request, from: string): Promise<string | null> => {
    if (redis.status !== 'ready') return null;
    const [user, uri] = [parameter(request, 'fromUser') ?? '', parameter(request, 'uri') ?? ''];
    return holderTag(redis, { from, user, uri }).catch((err: unknown) => {
      logger.warn({ err, from }, 'redis did not say which process an INVITE of an edge is for');
      return null;
    });
  };
  app.get('/route', async (request, response) => {
    const address = parameter(request, 'source_address', 'sourceAddress', 'source_ip');
    const port = Number.parseInt(parameter(request, 'source_port', 'sourcePort') ?? '', 10);
    const from = Number.isNaN(port) ? null : port;
    const isEdge = address !== null && sources.isEdge(address, from);
    const named = isEdge ? await namedBy(request, `${address}:${from}`) : null;
    const outbound = isEdge || (address !== null && sources.isOurs(address, from));
    if (!outbound && address !== null && isBanned(address)) {
      response.json({ action: 'reject', data: { status: 403, reason: 'Forbidden' } });
      return;
    }
    response.json({ action: 'route', data: { tag: named ?? (outbound ? 'outbound' : 'inbound') } });
  });
}
