import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Teardown } from './test-rig.js';

/** A request-handler that answers with what `decide` returns; keeps the queries it got. */
export async function startHandler(t: Teardown, decide: (query: URLSearchParams) => object | string | undefined) {
  const queries: Array<Record<string, string>> = [];
  const bodies: string[] = [];
  const paths: string[] = [];
  const handler = {
    url: '',
    queries,
    bodies,
    paths,
    /** Answers in the place of `decide` when it returns true. */
    respond: (_path: string, _res: ServerResponse): boolean => false,
  };
  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const { searchParams } = new URL(req.url ?? '', 'http://localhost');
    paths.push(req.url ?? '');
    queries.push(Object.fromEntries(searchParams));
    let body = '';
    for await (const chunk of req) body += String(chunk);
    bodies.push(body);
    if (handler.respond(req.url ?? '', res)) return;
    const decision = decide(searchParams);
    if (decision !== undefined) res.end(typeof decision === 'string' ? decision : JSON.stringify(decision));
  };
  const http = createServer((req, res) => void answer(req, res));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  t.teardown(() => {
    http.closeAllConnections();
    http.close();
  });
  const address = http.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  handler.url = `http://127.0.0.1:${port}/route`;
  return handler;
}
