import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import t from 'tap';
import type { AppRequest } from './test-app.js';
import {
  connectApp,
  disconnect,
  nothingHeld,
  sdp,
  startPhone,
  startServer,
  type Teardown,
  until,
  uriOf,
} from './test-rig.js';

/** A request-handler that answers with what `decide` returns; keeps the queries it got. */
async function startHandler(t: Teardown, decide: (query: URLSearchParams) => object | string | undefined) {
  const queries: Array<Record<string, string>> = [];
  const bodies: string[] = [];
  const answer = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const { searchParams } = new URL(req.url ?? '', 'http://localhost');
    queries.push(Object.fromEntries(searchParams));
    let body = '';
    for await (const chunk of req) body += String(chunk);
    bodies.push(body);
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
  return { url: `http://127.0.0.1:${port}/route`, queries, bodies };
}

t.test('routing: several applications of a method take turns', async (t) => {
  const server = await startServer(t);
  const taken: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    await connectApp(t, server, (srf) => {
      srf.invite((_req, res) => {
        taken.push(name);
        res.send(486);
      });
    });
  }
  const phone = await startPhone(t);
  for (let i = 0; i < 6; i++) await phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered.catch(() => undefined);
  t.same(taken, ['a', 'b', 'c', 'a', 'b', 'c']);
});

t.test('routing: without an application a request gets 503; when one has gone the others take its turn', async (t) => {
  const server = await startServer(t);
  const phone = await startPhone(t);
  const statusOf = () => phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered.catch((err: unknown) => err);
  t.match(await statusOf(), { status: 503 });
  const first = await connectApp(t, server, (srf) => srf.invite((_req, res) => res.send(480)));
  await connectApp(t, server, (srf) => srf.invite((_req, res) => res.send(486)));
  disconnect(first);
  await until(() => server.counters.clientsLost === 1);
  t.match(await statusOf(), { status: 486 });
  t.match(await statusOf(), { status: 486 });
  t.equal(server.counters.unroutable, 1);
});

t.test('request-handler: is told the facts and routes by tag', async (t) => {
  const handler = await startHandler(t, (query) => ({
    action: 'route',
    data: { tag: query.get('uriUser') === '100' ? 'inbound' : 'outbound' },
  }));
  const server = await startServer(t, ['--http-handler', handler.url]);
  const taken: string[] = [];
  for (const tag of ['inbound', 'outbound']) {
    const answer = (_req: AppRequest, res: { send(status: number): void }): void => {
      taken.push(tag);
      res.send(486);
    };
    await connectApp(t, server, (srf) => srf.invite(answer), [tag]);
  }
  await connectApp(t, server, (srf) => srf.options((_req, res) => res.send(200)));
  const phone = await startPhone(t);
  const from = 'sip:4711@example.com';
  for (const user of ['100', '200']) {
    const call = phone.invite({ uri: uriOf(server, user), to: 'sip:callee@x', from, sdp: sdp(1) });
    t.match(await call.answered.catch((err: unknown) => err), { status: 486 });
  }
  t.same(taken, ['inbound', 'outbound']);
  t.match(handler.queries[0], {
    method: 'INVITE',
    domain: '127.0.0.1',
    protocol: 'udp',
    source_address: '127.0.0.1',
    source_port: String(phone.addresses[0]?.port),
    fromUser: '4711',
    toUser: 'callee',
    uriUser: '100',
    contentType: 'application/sdp',
    uid: /./,
  });
  t.equal((await phone.request({ method: 'OPTIONS', uri: uriOf(server) }))?.status, 200);
  t.equal(handler.queries.length, 2, 'OPTIONS goes by route');
});

t.test('request-handler: rejects, redirects, and gets the message by POST', async (t) => {
  const handler = await startHandler(t, (query) =>
    query.get('uriUser') === 'r'
      ? { action: 'reject', data: { status: 403, reason: 'Go Away' } }
      : { action: 'redirect', data: { contacts: ['sip:there@127.0.0.1'] } },
  );
  const server = await startServer(t, ['--http-handler', handler.url, '--http-method', 'POST']);
  const phone = await startPhone(t);
  const outcome = (user: string) =>
    phone.invite({ uri: uriOf(server, user), sdp: sdp(1) }).answered.catch((err: unknown) => err);
  t.match(await outcome('r'), { status: 403, reason: 'Go Away' });
  const redirected = (await outcome('x')) as { status: number; response: { get(name: string): string } };
  t.equal(redirected.status, 302);
  t.equal(redirected.response.get('Contact'), '<sip:there@127.0.0.1>');
  t.match(handler.bodies[0], /^INVITE sip:r@/);
});

t.test(
  'request-handler: no answer, nonsense, an unknown tag and a dead handler give 503 and are counted',
  async (t) => {
    const handler = await startHandler(t, (query) => {
      const user = query.get('uriUser');
      if (user === 'late') return undefined;
      return user === 'nonsense' ? '{"action":"dance"}' : { action: 'route', data: { tag: 'nobody' } };
    });
    const server = await startServer(t, ['--http-handler', handler.url]);
    const phone = await startPhone(t);
    for (const user of ['late', 'nonsense', 'unknown']) {
      const call = phone.invite({ uri: uriOf(server, user), sdp: sdp(1) });
      t.match(await call.answered.catch((err: unknown) => err), { status: 503 }, user);
    }
    t.match({ ...server.counters }, { handlerRequests: 3, handlerFailures: 2, unroutable: 1 });
    const dead = await startServer(t, ['--http-handler', 'http://127.0.0.1:1/route']);
    const call = phone.invite({ uri: uriOf(dead), sdp: sdp(1) });
    t.match(await call.answered.catch((err: unknown) => err), { status: 503 });
    t.equal(dead.counters.handlerFailures, 1);
    await nothingHeld(server);
  },
);

t.test('request-handler: a caller who gives up while it is asked gets 487, no application hears of it', async (t) => {
  const handler = await startHandler(t, () => undefined);
  const server = await startServer(t, ['--http-handler', handler.url]);
  let calls = 0;
  await connectApp(t, server, (srf) => srf.invite(() => calls++), ['inbound']);
  const phone = await startPhone(t);
  const call = phone.invite({ uri: uriOf(server), sdp: sdp(1) });
  await until(() => handler.queries.length === 1);
  call.cancel();
  t.match(await call.answered.catch((err: unknown) => err), { status: 487 });
  t.equal(calls, 0);
});

t.test('proxying is refused with a reason', async (t) => {
  const server = await startServer(t);
  const reasons: unknown[] = [];
  await connectApp(t, server, (srf) => {
    srf.invite((req, res) => {
      req.proxy({ destination: 'sip:127.0.0.1' }).catch((err: unknown) => {
        reasons.push(err);
        res.send(501);
      });
    });
  });
  const phone = await startPhone(t);
  const call = phone.invite({ uri: uriOf(server), sdp: sdp(1) });
  t.match(await call.answered.catch((err: unknown) => err), { status: 501 });
  t.match(String(reasons[0]), /not supported/);
});
