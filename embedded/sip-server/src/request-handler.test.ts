import { once } from 'node:events';
import { createServer } from 'node:https';
import { makeAuthority } from '@ringwire/sip/test-certificates.js';
import t from 'tap';
import type { AppRequest, AppResponse } from './test-app.js';
import { startHandler } from './test-handler.js';
import {
  connectApp,
  notDrachtio,
  nothingHeld,
  sdp,
  startPhone,
  startServer,
  type Teardown,
  until,
  uriOf,
} from './test-rig.js';

type Phone = Awaited<ReturnType<typeof startPhone>>;
interface Outcome {
  status: number;
  reason: string;
  response: { get(name: string): string; getAll(name: string): string[] };
}

/** The final answer to an INVITE. */
async function outcome(phone: Phone, uri: string): Promise<Outcome> {
  return (await phone.invite({ uri, sdp: sdp(1) }).answered.catch((err: unknown) => err)) as Outcome;
}

t.test('request-handler: is told the facts and routes by tag', async (t) => {
  const handler = await startHandler(t, (query) => ({
    action: 'route',
    data: { tag: query.get('uriUser') === '100' ? 'inbound' : 'outbound' },
  }));
  const server = await startServer(t, ['--http-handler', `INVITE=${handler.url}`]);
  const taken: string[] = [];
  for (const tag of ['inbound', 'outbound']) {
    const answer = (_req: AppRequest, res: AppResponse): void => {
      taken.push(tag);
      res.send(486);
    };
    await connectApp(t, server, (srf) => srf.invite(answer), [tag, `also-${tag}`]);
  }
  await connectApp(t, server, (srf) => srf.options((_req, res) => res.send(200)));
  const phone = await startPhone(t);
  const from = 'sip:4711@example.com';
  for (const user of ['100', '200']) {
    const call = phone.invite({ uri: uriOf(server, user), to: 'sip:callee@x', from, sdp: sdp(1) });
    t.match(await call.answered.catch((err: unknown) => err), { status: 486 });
  }
  t.same(taken, ['inbound', 'outbound']);
  const { port } = server.layer.addressFor('udp');
  t.match(handler.queries[0], {
    method: 'INVITE',
    domain: '127.0.0.1',
    protocol: 'udp',
    source_address: '127.0.0.1',
    fromUser: '4711',
    toUser: 'callee',
    uriUser: '100',
    contentType: 'application/sdp',
    uri: `sip:100@127.0.0.1:${port};transport=udp`,
    // The parameters of the Request-URI.
    transport: 'udp',
  });
  t.match(
    handler.paths[0],
    /^\/route\/\?method=INVITE&domain=127\.0\.0\.1&protocol=udp&source_address=127\.0\.0\.1&from/,
  );
  t.equal((await phone.request({ method: 'OPTIONS', uri: uriOf(server) }))?.status, 200);
  t.equal(handler.queries.length, 2, 'OPTIONS goes by route');
});

t.test('request-handler: learns the port of the source and an id (not drachtio)', notDrachtio, async (t) => {
  const handler = await startHandler(t, () => ({ action: 'reject', data: { status: 404 } }));
  const server = await startServer(t, ['--http-handler', handler.url]);
  const phone = await startPhone(t);
  await outcome(phone, uriOf(server));
  t.match(handler.queries[0], { source_port: String(phone.addresses[0]?.port), uid: /./ });
});

t.test(
  'request-handler: a parameter of the Request-URI takes the place of no fact (not drachtio)',
  notDrachtio,
  async (t) => {
    const handler = await startHandler(t, () => ({ action: 'reject', data: { status: 404 } }));
    const server = await startServer(t, ['--http-handler', handler.url]);
    const phone = await startPhone(t);
    await outcome(phone, `${uriOf(server)};source_address=192.0.2.1;source_port=1;uid=x;tgrp=kept`);
    t.match(handler.queries[0], {
      source_address: '127.0.0.1',
      source_port: String(phone.addresses[0]?.port),
      tgrp: 'kept',
    });
  },
);

t.test('request-handler: rejects, redirects, and gets the message by POST', async (t) => {
  const answers: Record<string, object> = {
    r: { action: 'reject', data: { status: 403, reason: 'Go Away' } },
    n: { action: 'reject', data: { status: 404 } },
    one: { action: 'redirect', data: { contact: 'sip:there@127.0.0.1' } },
    two: { action: 'redirect', data: { contact: ['<sip:a@127.0.0.1>;q=1', 'sip:b@127.0.0.1'] } },
  };
  const handler = await startHandler(t, (query) => answers[query.get('uriUser') ?? '']);
  const server = await startServer(t, ['--http-handler', handler.url, '--http-method', 'POST']);
  const phone = await startPhone(t);
  t.match(await outcome(phone, uriOf(server, 'r')), { status: 403, reason: 'Go Away' });
  t.match(await outcome(phone, uriOf(server, 'n')), { status: 404, reason: 'Not Found' });
  const one = await outcome(phone, uriOf(server, 'one'));
  t.match(one, { status: 302, reason: 'Moved' });
  t.equal(one.response.get('Contact'), '<sip:there@127.0.0.1>');
  const two = (await outcome(phone, uriOf(server, 'two'))).response.getAll('Contact').join(', ');
  t.equal(two.replace(/,\s*/g, ', '), '<sip:a@127.0.0.1>;q=1, <sip:b@127.0.0.1>');
  t.match(handler.bodies[0], /^INVITE sip:r@/);
  t.match(handler.queries[0], { method: 'INVITE', uriUser: 'r' });
});

t.test('request-handler: what is no instruction gives 500, a tag that nobody has 480', async (t) => {
  const answers: Record<string, object | string> = {
    text: 'good morning',
    list: '[]',
    unknown: '{"action":"dance","data":{}}',
    dataless: '{"action":"reject"}',
    statusless: '{"action":"reject","data":{}}',
    routeless: '{"action":"route","data":{}}',
    contactless: '{"action":"redirect","data":{}}',
    large: ' '.repeat(20_000),
  };
  const handler = await startHandler(t, (query) => {
    return answers[query.get('uriUser') ?? ''] ?? { action: 'route', data: { tag: 'nobody' } };
  });
  const server = await startServer(t, ['--http-handler', handler.url]);
  // This application would take it, had it the tag.
  await connectApp(t, server, (srf) => srf.invite((_req, res) => res.send(486)), ['other']);
  const phone = await startPhone(t);
  for (const user of Object.keys(answers)) t.match(await outcome(phone, uriOf(server, user)), { status: 500 }, user);
  t.match(await outcome(phone, uriOf(server, 'nobody')), { status: 480 });
});

t.test('request-handler: one that is dead or silent gives 500', async (t) => {
  const handler = await startHandler(t, () => undefined);
  const around = { handlerTimeouts: { timeoutMs: 100 } };
  const silent = await startServer(t, ['--http-handler', handler.url], undefined, around);
  const dead = await startServer(t, ['--http-handler', 'http://127.0.0.1:1/route']);
  const phone = await startPhone(t);
  t.match(await outcome(phone, uriOf(silent)), { status: 500 });
  t.match(await outcome(phone, uriOf(dead)), { status: 500 });
});

t.test('request-handler: failures are counted and leave nothing behind (not drachtio)', notDrachtio, async (t) => {
  const handler = await startHandler(t, (query) =>
    query.get('uriUser') === 'nonsense' ? 'nonsense' : { action: 'route', data: { tag: 'nobody' } },
  );
  const server = await startServer(t, ['--http-handler', handler.url]);
  const phone = await startPhone(t);
  for (const user of ['nonsense', 'nobody']) await outcome(phone, uriOf(server, user));
  t.match({ ...server.counters }, { handlerRequests: 2, handlerFailures: 1, unroutable: 1 });
  await nothingHeld(server);
});

t.test('request-handler: the instruction counts, whatever the status; a redirection of HTTP is followed', async (t) => {
  const handler = await startHandler(t, () => ({ action: 'reject', data: { status: 410 } }));
  handler.respond = (path, res) => {
    if (path.startsWith('/moved')) return false;
    if (path.includes('uriUser=moved')) {
      res.writeHead(302, { location: '/moved' }).end();
      return true;
    }
    res.statusCode = 404;
    return false;
  };
  const server = await startServer(t, ['--http-handler', handler.url]);
  const phone = await startPhone(t);
  t.match(await outcome(phone, uriOf(server, 'moved')), { status: 410 });
  t.match(await outcome(phone, uriOf(server, 'absent')), { status: 410 });
});

t.test('request-handler: redirections without end give 500 (not drachtio)', notDrachtio, async (t) => {
  const handler = await startHandler(t, () => undefined);
  handler.respond = (_path, res) => {
    res.writeHead(307, { location: '/again' }).end();
    return true;
  };
  const server = await startServer(t, ['--http-handler', handler.url]);
  const phone = await startPhone(t);
  t.match(await outcome(phone, uriOf(server)), { status: 500 });
});

t.test('request-handler: each method has its own, the others share one (not drachtio)', notDrachtio, async (t) => {
  const [register, others] = [
    await startHandler(t, () => ({ action: 'reject', data: { status: 403 } })),
    await startHandler(t, () => ({ action: 'reject', data: { status: 404 } })),
  ];
  const flags = ['--http-handler', `REGISTER,SUBSCRIBE=${register.url}`, '--http-handler', others.url];
  const server = await startServer(t, flags);
  const phone = await startPhone(t);
  const statusOf = async (method: string) => (await phone.request({ method, uri: uriOf(server) }))?.status;
  t.same([await statusOf('REGISTER'), await statusOf('SUBSCRIBE')], [403, 403]);
  t.same([await statusOf('OPTIONS'), await statusOf('MESSAGE')], [404, 404]);
  t.equal((await outcome(phone, uriOf(server))).status, 404);
});

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

/** An HTTPS handler that rejects with 410. */
async function startSecureHandler(t: Teardown, identity: { cert: string | Buffer; key: string | Buffer }) {
  const http = createServer(identity, (_req, res) => res.end('{"action":"reject","data":{"status":410}}'));
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  t.teardown(() => {
    http.closeAllConnections();
    http.close();
  });
  const address = http.address();
  return `https://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}/route`;
}

t.test(
  'request-handler: over https it must prove its name unless told otherwise (not drachtio)',
  notDrachtio,
  async (t) => {
    const authority = makeAuthority(t);
    const url = await startSecureHandler(t, authority.issue('handler.test'));
    const phone = await startPhone(t);
    const statusWith = async (...flags: string[]): Promise<number> => {
      const server = await startServer(t, ['--http-handler', url, ...flags]);
      return (await outcome(phone, uriOf(server))).status;
    };
    t.equal(await statusWith(), 500);
    t.equal(await statusWith('--tls-ca-file', authority.caFile), 410);
    t.equal(await statusWith('--tls-no-verify'), 410);
  },
);
