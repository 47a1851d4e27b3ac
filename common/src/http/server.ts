import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import express, { type ErrorRequestHandler, type Express } from 'express';
import { RingwireError } from '../errors.js';
import type { Logger } from '../log/logger.js';
import type { Metrics } from '../metrics/metrics.js';
import { HttpError } from './errors.js';

/** Bodies as they came, for whoever has to check a signature. */
const rawBodies = new WeakMap<IncomingMessage, Buffer>();

/** Keeps a request's body as it came; the `verify` of a body parser. */
export const keepRawBody = (req: IncomingMessage, _res: unknown, body: Buffer): void => void rawBodies.set(req, body);

/** The body of a request as it came; empty when there is none, or nobody has parsed it. */
export const rawBodyOf = (req: IncomingMessage): Buffer => rawBodies.get(req) ?? Buffer.alloc(0);

/** Whether a process can do its work; `facts` are shown beside the verdict. */
export interface HealthReport {
  healthy: boolean;
  facts?: Record<string, unknown>;
}

/** A running HTTP server. */
export interface HttpServer {
  /** `http://host:port`, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** Takes no more requests, lets those under way finish for up to `graceMs` (default 2000), then cuts them off. */
  close(graceMs?: number): Promise<void>;
}

/** Largest request body. Larger lets one request take the process's memory. */
const BODY_LIMIT = '1mb';
/** A health check must answer; what it asks may hang. */
const HEALTH_DEADLINE_MS = 3_000;

/** The parts of the errors of Express and of its body parser that matter here. */
interface MiddlewareError {
  status?: unknown;
  type?: unknown;
  message?: unknown;
}

/** What an error answers. Only what the client did wrong is told; our own failures are not described to strangers. */
function answerOf(err: unknown): { status: number; msg: string } {
  if (err instanceof HttpError) return { status: err.status, msg: err.message };
  const { status, type, message } = (typeof err === 'object' && err !== null ? err : {}) as MiddlewareError;
  if (type === 'entity.parse.failed') return { status: 400, msg: `request body is not valid JSON: ${String(message)}` };
  if (typeof status === 'number' && status >= 400 && status < 500) return { status, msg: String(message) };
  // MySQL or Redis is away: the client may try again.
  if (err instanceof RingwireError && err.retryable) return { status: 503, msg: 'temporarily unavailable, try again' };
  return { status: 500, msg: 'internal error' };
}

const handleErrors =
  (logger: Logger): ErrorRequestHandler =>
  (err, req, res, next) => {
    const { status, msg } = answerOf(err);
    if (status >= 500) logger.error({ err, method: req.method, path: req.path }, 'request failed');
    if (res.headersSent) return next(err);
    const retryAfter = err instanceof HttpError ? err.facts.retryAfter : undefined;
    if (retryAfter !== undefined) res.set('Retry-After', String(retryAfter));
    res.status(status).json({ msg });
  };

async function withDeadline(health: () => Promise<HealthReport>): Promise<HealthReport> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<HealthReport>((resolve) => {
    timer = setTimeout(
      () => resolve({ healthy: false, facts: { error: 'health check timed out' } }),
      HEALTH_DEADLINE_MS,
    );
  });
  const checked = health().catch((err: unknown): HealthReport => {
    return { healthy: false, facts: { error: err instanceof Error ? err.message : String(err) } };
  });
  return Promise.race([checked, late]).finally(() => clearTimeout(timer));
}

function buildApp(options: Omit<HttpServerOptions, 'host' | 'port'>): Express {
  const { health, metrics, routes, logger } = options;
  const app = express();
  app.disable('x-powered-by');
  app.get('/health', async (_req, res) => {
    const report = await withDeadline(health);
    res.status(report.healthy ? 200 : 503).json({ status: report.healthy ? 'ok' : 'failing', ...report.facts });
  });
  app.get('/metrics', async (_req, res) => {
    res.type(metrics.registry.contentType).send(await metrics.registry.metrics());
  });
  app.use(express.json({ limit: BODY_LIMIT, strict: false, verify: keepRawBody }));
  routes?.(app);
  app.use((req, _res, next) => next(new HttpError(404, `there is no ${req.method} ${req.path}`)));
  app.use(handleErrors(logger));
  return app;
}

/** What a server needs. */
export interface HttpServerOptions {
  host: string;
  /** 0 takes a free port. */
  port: number;
  metrics: Metrics;
  health: () => Promise<HealthReport>;
  logger: Logger;
  /** Adds the process's own routes; JSON bodies are parsed, rejections and {@link HttpError} become `{ msg }` answers. */
  routes?: (app: Express) => void;
}

/** Serves `GET /health` (200 or 503), `GET /metrics` and the given routes. Rejects when the port cannot be had. */
export async function startHttpServer({ host, port, ...options }: HttpServerOptions): Promise<HttpServer> {
  const server = createServer(buildApp(options));
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address();
  const boundPort = typeof address === 'object' && address !== null ? address.port : port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${boundPort}`,
    port: boundPort,
    async close(graceMs = 2_000) {
      if (!server.listening) return;
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      const timer = setTimeout(() => server.closeAllConnections(), graceMs);
      await closed;
      clearTimeout(timer);
    },
  };
}
