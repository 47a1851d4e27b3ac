import { HttpError } from '@ringwire/common/http/errors.js';
import type { HttpServerOptions } from '@ringwire/common/http/server.js';
import type { CapturedMessage, CaptureRing } from './capture-ring.js';
import { rungOf, summaryOf } from './ladder.js';
import { maskSecrets } from './mask-secrets.js';
import { writePcap } from './pcap.js';

/** As the HTTP server of `common` has it. */
type Express = Parameters<NonNullable<HttpServerOptions['routes']>>[0];
/** What is looked at of a request. */
interface Query {
  query: Record<string, unknown>;
}

const DEFAULT_CALLS = 100;
const MAX_CALLS = 1_000;
/** A ladder longer than this is cut at its start: the answer would hold up calls. */
const MAX_MESSAGES = 2_000;
const MAX_ALSO = 10;

/**
 * `GET /calls?limit=`, `GET /calls/:id?full=1`, `GET /calls/:id/pcap`. An id is a Call-ID or an `X-Call-Sid`;
 * `also` names further ones, `since_us` and `until_us` bound the time. Secrets are masked.
 */
export function addCapturePages(
  app: Express,
  ring: CaptureRing,
  mayAsk: (address: string) => boolean,
  nowUs: () => number,
): void {
  app.use('/calls', (req, _res, next) => {
    // Metrics may be for others; what callers said is not.
    if (mayAsk(req.socket.remoteAddress ?? '')) next();
    else throw new HttpError(403, 'messages are shown to this machine only; see --capture-net');
  });
  app.get('/calls', (req, res) => {
    const limit = countOf(req, 'limit', DEFAULT_CALLS, MAX_CALLS);
    const calls = ring.recent(limit, nowUs()).map((call) => summaryOf(ring, call));
    res.json({ calls, remembered: ring.gauges });
  });
  app.get('/calls/:id', (req, res) => {
    const messages = findMessages(req, ring, nowUs());
    res.json({ messages: messages.map((message) => rungOf(ring, message, req.query.full === '1')) });
  });
  app.get('/calls/:id/pcap', (req, res) => {
    const packets = findMessages(req, ring, nowUs()).map((message) => ({
      ...message,
      bytes: maskSecrets(ring.bytesOf(message)),
    }));
    res.type('application/vnd.tcpdump.pcap').attachment('call.pcap').send(writePcap(packets));
  });
}

function findMessages(req: Query & { params: { id: string } }, ring: CaptureRing, nowUs: number): CapturedMessage[] {
  const also = [req.query.also ?? []].flat();
  if (also.length > MAX_ALSO || also.some((id) => typeof id !== 'string'))
    throw new HttpError(400, 'also: ids expected');
  const since = countOf(req, 'since_us', 0, Number.MAX_SAFE_INTEGER);
  const until = countOf(req, 'until_us', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  const found = ring.find([req.params.id, ...(also as string[])], nowUs);
  const messages = found.filter(({ atUs }) => atUs >= since && atUs <= until);
  if (messages.length === 0) throw new HttpError(404, `no message of ${req.params.id} is remembered`);
  return messages.slice(-MAX_MESSAGES);
}

function countOf(req: Query, name: string, fallback: number, max: number): number {
  const text = req.query[name];
  if (text === undefined) return fallback;
  const count = Number(text);
  if (typeof text !== 'string' || !/^\d{1,17}$/.test(text) || count > max) {
    throw new HttpError(400, `${name}: a whole number up to ${max} expected`);
  }
  return count;
}
