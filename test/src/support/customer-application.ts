import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PayloadCheck } from '@ringwire/verb-specs/testing/payload-check.js';
import { within } from './eventually.js';

/** One request as the application saw it. */
export interface HookRequest {
  method: string;
  /** Path without the query. */
  path: string;
  query: URLSearchParams;
  headers: IncomingMessage['headers'];
  /** The body as it came, for signatures. */
  raw: string;
  /** The body parsed as JSON, `{}` when there is none. */
  body: Record<string, unknown>;
  /** When it came: ms since the epoch. */
  at: number;
}

/** What an application sends back. */
export interface HookAnswer {
  status?: number;
  /** Sent as JSON unless `text` is given. */
  json?: unknown;
  text?: string | Buffer;
  contentType?: string;
}

/** Answers one request: verbs, a whole answer, or `'never'` to keep the caller waiting. */
export type Responder = (
  request: HookRequest,
) => unknown[] | HookAnswer | 'never' | Promise<unknown[] | HookAnswer | 'never'>;

/** A customer's webhook server in the test's own process. */
export interface CustomerApplication {
  url: string;
  /** Every request so far, oldest first. */
  requests: HookRequest[];
  /** Sets what a path answers from now on: a list of verbs or a function. */
  answer(path: string, answer: unknown[] | HookAnswer | Responder): void;
  /** The next request that fits and was not returned before; waits for it. */
  request(fits: string | ((request: HookRequest) => boolean), timeoutMs?: number): Promise<HookRequest>;
  /** Holds every body against jambonz' published schemas. */
  payloads: PayloadCheck;
  /** Values of `call_status` posted to a path for a call (all calls when absent), in order. */
  statuses(path: string, callSid?: string): string[];
  close(): Promise<void>;
}

interface Waiter {
  fits: (request: HookRequest) => boolean;
  resolve: (request: HookRequest) => void;
}

/** Starts a webhook server on a free port of 127.0.0.1. Paths without an answer get 200 with an empty body. */
export async function startCustomerApplication(
  /** Hears of payloads that are not as jambonz publishes them. */
  onWrongPayload: (fault: string) => void = () => {},
): Promise<CustomerApplication> {
  const payloads = new PayloadCheck(onWrongPayload);
  const answers = new Map<string, Responder>();
  const requests: HookRequest[] = [];
  const taken = new Set<HookRequest>();
  const waiters: Waiter[] = [];
  const server = createServer((req, res) => {
    readRequest(req).then(
      async (request) => {
        const responder = answers.get(request.path);
        payloads.see({ hook: request.path, payload: request.body });
        deliver(request);
        const answer = responder ? await responder(request) : { status: 200, text: '' };
        payloads.learn(isAnswer(answer) ? answer.json : answer);
        await respond(res, answer);
      },
      () => res.destroy(), // The platform went away in the middle of its request: there is nobody to answer.
    );
  });
  const deliver = (request: HookRequest): void => {
    requests.push(request);
    const index = waiters.findIndex(({ fits }) => fits(request));
    if (index < 0) return;
    taken.add(request);
    waiters.splice(index, 1)[0]?.resolve(request);
  };
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    answer(path, answer) {
      answers.set(path, typeof answer === 'function' ? answer : () => answer);
    },
    async request(wanted, timeoutMs = 10_000) {
      const fits = typeof wanted === 'string' ? (request: HookRequest) => request.path === wanted : wanted;
      const already = requests.find((request) => !taken.has(request) && fits(request));
      if (already) {
        taken.add(already);
        return already;
      }
      const next = new Promise<HookRequest>((resolve) => waiters.push({ fits, resolve }));
      return within(timeoutMs, `a request to ${wanted}`, next, () =>
        requests.slice(-20).map(({ method, path, body }) => `${method} ${path} ${JSON.stringify(body).slice(0, 300)}`),
      );
    },
    payloads,
    statuses: (path, callSid) =>
      requests
        .filter((request) => request.path === path && (callSid === undefined || request.body.call_sid === callSid))
        .map((request) => String(request.body.call_status)),
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      await closed;
    },
  };
}

const isAnswer = (answer: unknown[] | HookAnswer | 'never'): answer is HookAnswer =>
  typeof answer === 'object' && !Array.isArray(answer);

async function readRequest(req: IncomingMessage): Promise<HookRequest> {
  const at = Date.now();
  const chunks: Buffer[] = [];
  for await (const chunk of req) chunks.push(chunk as Buffer);
  const raw = Buffer.concat(chunks).toString('utf8');
  const url = new URL(req.url ?? '/', 'http://application');
  const body = raw === '' ? {} : (JSON.parse(raw) as Record<string, unknown>);
  return { method: req.method ?? '', path: url.pathname, query: url.searchParams, headers: req.headers, raw, body, at };
}

async function respond(res: ServerResponse, answer: unknown[] | HookAnswer | 'never'): Promise<void> {
  if (answer === 'never') return;
  const { status = 200, json, text, contentType } = Array.isArray(answer) ? ({ json: answer } as HookAnswer) : answer;
  const body = text ?? JSON.stringify(json ?? []);
  res.writeHead(status, { 'content-type': contentType ?? (text === undefined ? 'application/json' : 'text/plain') });
  res.end(body);
}
