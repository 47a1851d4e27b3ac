import type { FeatureServerSources } from '@ringwire/common/sip/feature-server-sources.js';
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
 * feature servers, and of other edges, go to sbc-outbound, those of banned sources nowhere, all others to sbc-inbound.
 */
export function serveRoute(app: Express, sources: FeatureServerSources, isBanned: (address: string) => boolean): void {
  app.get('/route', (request, response) => {
    const address = parameter(request, 'source_address', 'sourceAddress', 'source_ip');
    const port = Number.parseInt(parameter(request, 'source_port', 'sourcePort') ?? '', 10);
    const from = Number.isNaN(port) ? null : port;
    const outbound = address !== null && (sources.isOurs(address, from) || sources.isEdge(address, from));
    if (!outbound && address !== null && isBanned(address)) {
      response.json({ action: 'reject', data: { status: 403, reason: 'Forbidden' } });
      return;
    }
    response.json({ action: 'route', data: { tag: outbound ? 'outbound' : 'inbound' } });
  });
}
