import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import t, { type Test } from 'tap';
import { ApplicationServer } from '../testing/application-server.js';
import { CollectingSink, journalOver } from '../testing/fakes.js';
import { AddressGuard } from './address-guard.js';
import type { Hook } from './application.js';
import { HttpApplication } from './http-application.js';
import { type ExchangeLimits, HttpClient } from './http-exchange.js';

const SECRET = 'wh_secret_test';

interface Setup {
  app: ApplicationServer;
  sink: CollectingSink;
  client: (hook?: Partial<Hook>, limits?: Partial<ExchangeLimits>, allowPrivate?: boolean) => HttpApplication;
}

async function setUp(t: Test): Promise<Setup> {
  const app = await ApplicationServer.start();
  t.teardown(() => app.stop());
  const sink = new CollectingSink();
  return {
    app,
    sink,
    client: (hook = {}, limits = {}, allowPrivate = true) => {
      const http = new HttpClient(new AddressGuard({ allowPrivate }), limits);
      t.teardown(() => http.close());
      return new HttpApplication({
        client: http,
        journal: journalOver(sink),
        callHook: { url: `${app.url}/hook`, ...hook },
        webhookSecret: SECRET,
        traceId: 'a'.repeat(32),
      });
    },
  };
}

t.test('a POST carries snake_case JSON, a valid signature and basic authentication', async (t) => {
  const { app, client } = await setUp(t);
  app.on('/hook', [{ verb: 'hangup' }]);
  const hook: Hook = { url: `${app.url}/hook`, method: 'POST', username: 'jane', password: 'pass:word' };
  const payload = {
    callSid: 'c1',
    customerData: { keepThis: 1 },
    sip: { headers: { 'X-Any': 'x' } },
    absent: undefined,
  };
  const reply = await client().request('session:new', hook, payload);
  t.match(reply, { kind: 'verbs', verbs: [{ verb: 'hangup' }] });
  const seen = await app.next('/hook');
  t.same(seen.json, { call_sid: 'c1', customer_data: { keepThis: 1 }, sip: { headers: { 'X-Any': 'x' } } });
  t.match(seen.headers['content-type'], 'application/json');
  t.equal(seen.headers.authorization, `Basic ${Buffer.from('jane:pass:word').toString('base64')}`);
  const [, at, signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(seen.headers['jambonz-signature'])) ?? [];
  t.equal(signature, createHmac('sha256', SECRET).update(`${at}.${seen.body}`).digest('hex'));
  t.ok(Math.abs(Number(at) - Date.now() / 1000) < 60, 'the time is in seconds');
});

t.test('a GET has no body, keeps its query and is signed over the payload', async (t) => {
  const { app, client } = await setUp(t);
  app.on('/hook', [{ verb: 'hangup' }]);
  await client().request('session:new', { url: `${app.url}/hook?tenant=7`, method: 'GET' }, { callSid: 'c1' });
  const seen = await app.next('/hook');
  t.equal(seen.method, 'GET');
  t.equal(seen.body, '');
  t.equal(seen.headers['content-type'], undefined);
  const [, at, signature] = /^t=(\d+),v1=(.*)$/.exec(String(seen.headers['jambonz-signature'])) ?? [];
  t.equal(signature, createHmac('sha256', SECRET).update(`${at}.{"call_sid":"c1"}`).digest('hex'));
});

t.test('a relative hook is resolved against the call hook and uses its credentials', async (t) => {
  const { app, client } = await setUp(t);
  app.on('/menu/choice', { ok: true });
  const reply = await client({ username: 'u', password: 'p' }).request('verb:hook', { url: '/menu/choice' }, {});
  t.same(reply, {
    kind: 'nothing',
    because: 'it is not an array of verbs',
    isMeant: false,
    status: 200,
    object: { ok: true },
  });
  t.equal((await app.next('/menu/choice')).headers.authorization, `Basic ${Buffer.from('u:p').toString('base64')}`);
});

t.test('a hook with its own credentials uses those', async (t) => {
  const { app, client } = await setUp(t);
  app.on('/other', []);
  await client({ username: 'u', password: 'p' }).request(
    'verb:hook',
    { url: '/other', username: 'x', password: 'y' },
    {},
  );
  t.equal((await app.next('/other')).headers.authorization, `Basic ${Buffer.from('x:y').toString('base64')}`);
});

t.test('status 500 fails with an alert and a timeline entry that shows the answer', async (t) => {
  const { app, client, sink } = await setUp(t);
  app.on('/hook', (response) => response.writeHead(500, { 'Content-Type': 'text/plain' }).end('database is down'));
  await t.rejects(client().request('session:new', { url: '/hook' }, {}), { code: 'hook/status', status: 500 });
  t.equal(app.requests.length, 1, 'it is not tried again');
  t.match(sink.alerts, [{ alertType: 'webhook-failure', targetSid: 'call-1', accountSid: 'acc-1' }]);
  t.match(sink.alerts, [{ message: `${app.url}/hook: ` }], 'the relative URL is told resolved');
  const entry = sink.timeline.find(({ level }) => level === 'error');
  t.match(entry, { kind: 'hook', text: /500/, data: { answer: 'database is down' } });
});

t.test('503 is tried again twice, and a good answer then counts', async (t) => {
  const { app, client, sink } = await setUp(t);
  let count = 0;
  app.on('/hook', (response) => {
    count += 1;
    if (count < 3) response.writeHead(503).end();
    else response.writeHead(200, { 'Content-Type': 'application/json' }).end('[{"verb":"hangup"}]');
  });
  const reply = await client().request('session:new', { url: '/hook' }, {});
  t.equal(reply.kind, 'verbs');
  t.equal(count, 3);
  t.equal(sink.alerts.length, 0);
  t.equal(sink.lines.filter((line) => line.includes('again in')).length, 2);
});

t.test('a fragment in the URL sets the retries and is not sent', async (t) => {
  const { app, client } = await setUp(t);
  app.on('/hook', (response) => response.writeHead(503).end());
  await t.rejects(client().request('session:new', { url: '/hook#rc=0' }, {}), { code: 'hook/status' });
  t.equal(app.requests.length, 1);
  app.on('/four', (response) => response.writeHead(404).end());
  await t.rejects(client().request('session:new', { url: '/four#rc=1&rp=4xx' }, {}), { code: 'hook/status' });
  t.equal(app.seen('/four').length, 2);
});

t.test('a refused connection fails after retries with a connection alert', async (t) => {
  const { client, sink } = await setUp(t);
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  const hook = { url: `http://127.0.0.1:${port}/x` };
  await t.rejects(client().request('session:new', hook, {}), { code: 'hook/connection' });
  t.match(sink.alerts, [{ alertType: 'webhook-connection-failure', message: /ECONNREFUSED/ }]);
  t.equal(sink.lines.filter((line) => line.includes('again in')).length, 2);
});

t.test('no headers in time is a timeout, without another try', async (t) => {
  const { app, client, sink } = await setUp(t);
  app.on('/hook', () => {});
  const slow = client({}, { headersTimeoutMs: 500 });
  await t.rejects(slow.request('session:new', { url: '/hook' }, {}), { code: 'hook/timeout' });
  t.equal(app.requests.length, 1);
  t.match(sink.alerts, [{ alertType: 'webhook-connection-failure', message: /within 500 ms/ }]);
});

t.test('a body that does not end in time is a timeout', async (t) => {
  const { app, client } = await setUp(t);
  app.on('/hook', (response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.write('[');
  });
  const slow = client({}, { bodyTimeoutMs: 60 });
  await t.rejects(slow.request('session:new', { url: '/hook' }, {}), {
    code: 'hook/timeout',
    message: /finish its answer/,
  });
});

t.test('a body that is too long is refused while it is read', async (t) => {
  const { app, client, sink } = await setUp(t);
  app.on('/hook', (response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' });
    response.end(`[${' '.repeat(200_000)}]`);
  });
  const small = client({}, { maxBodyBytes: 100_000 });
  await t.rejects(small.request('session:new', { url: '/hook' }, {}), { code: 'hook/invalid-application' });
  t.match(sink.alerts, [{ alertType: 'invalid-app-payload', message: /longer than 100000 bytes/ }]);
});

t.test('HTML with status 200 is no application and the timeline says why', async (t) => {
  const { app, client, sink } = await setUp(t);
  app.on('/hook', (response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<h1>It works</h1>'));
  const reply = await client().request('verb:hook', { url: '/hook' }, {});
  t.match(reply, { kind: 'nothing', because: /"text\/html", not application\/json/ });
  t.ok(sink.lines.some((line) => line.startsWith('warn hook') && line.includes('text/html')));
});

t.test('broken JSON is refused with the reason and the answer', async (t) => {
  const { app, client, sink } = await setUp(t);
  app.on('/hook', (response) => response.writeHead(200, { 'Content-Type': 'application/json' }).end('[{"verb":'));
  await t.rejects(client().request('session:new', { url: '/hook' }, {}), { message: /not valid JSON/ });
  t.match(sink.timeline.at(-1), { level: 'error', data: { answer: '[{"verb":' } });
});

t.test('an unknown verb and a wrong property are refused with their JSON paths', async (t) => {
  const { app, client, sink } = await setUp(t);
  app.on('/hook', [
    { verb: 'say', text: 'hi' },
    { verb: 'sey', text: 'hi' },
    { verb: 'say', txt: 'hi', text: 'x' },
  ]);
  await t.rejects(client().request('session:new', { url: '/hook' }, {}), {
    code: 'hook/invalid-application',
    facts: { faults: [{ path: /\$\[1\]/ }, { path: /\$\[2\]/ }] },
  });
  const entry = sink.timeline.at(-1);
  t.match(entry, { level: 'error', kind: 'hook', data: { path: /\$\[1\]/, reason: /sey/, answer: /"sey"/ } });
  t.match(sink.alerts, [{ alertType: 'invalid-app-payload', detail: /sey/ }]);
});

t.test('redirects are not followed', async (t) => {
  const { app, client } = await setUp(t);
  app.on('/hook', (response) => response.writeHead(302, { Location: '/hook' }).end());
  await t.rejects(client().request('session:new', { url: '/hook' }, {}), { code: 'hook/status', status: 302 });
  t.equal(app.requests.length, 1);
});

t.test('204, an empty 200 and {} mean: go on, without a warning', async (t) => {
  const { app, client, sink } = await setUp(t);
  app.on('/none', (response) => response.writeHead(204).end());
  app.on('/empty', (response) => response.writeHead(200).end());
  t.match(await client().request('verb:hook', { url: '/none' }, {}), { kind: 'nothing', status: 204 });
  app.on('/object', {});
  t.match(await client().request('verb:hook', { url: '/empty' }, {}), { kind: 'nothing', status: 200 });
  t.match(await client().request('verb:hook', { url: '/object' }, {}), { kind: 'nothing', status: 200 });
  t.same(
    sink.lines.filter((line) => !line.startsWith('info')),
    [],
  );
});

t.test('a connection is kept for the next hook, and one that was closed meanwhile is replaced', async (t) => {
  const { app, client } = await setUp(t);
  const ports: (number | undefined)[] = [];
  app.on('/hook', (response) => {
    ports.push(response.socket?.remotePort);
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('[]');
  });
  const application = client();
  await application.request('verb:hook', { url: '/hook' }, {});
  await application.request('verb:hook', { url: '/hook' }, {});
  t.equal(ports[0], ports[1], 'same connection');
  app.on('/cut', (response) => {
    // The server closes the connection as it would an idle one: the next request meets a dead socket.
    response.writeHead(200, { 'Content-Type': 'application/json' }).end('[]');
    response.socket?.destroySoon();
  });
  await application.request('verb:hook', { url: '/cut' }, {});
  t.match(await application.request('verb:hook', { url: '/hook' }, {}), { kind: 'verbs' });
});

t.test('private addresses are refused unless allowed, by number and by name', async (t) => {
  const { app, client, sink } = await setUp(t);
  app.on('/hook', [{ verb: 'hangup' }]);
  const strict = client({}, {}, false);
  await t.rejects(strict.request('session:new', { url: `${app.url}/hook` }, {}), { code: 'hook/forbidden' });
  const byName = `${app.url.replace('127.0.0.1', 'localhost')}/hook`;
  await t.rejects(strict.request('session:new', { url: byName }, {}), { code: 'hook/forbidden' });
  t.equal(app.requests.length, 0);
  t.match(sink.alerts[0], { alertType: 'webhook-connection-failure', message: /private address 127\.0\.0\.1/ });
});

t.test('a hook that is no http URL is refused', async (t) => {
  const { client } = await setUp(t);
  await t.rejects(client().request('session:new', { url: 'wss://example.com/x' }, {}), { message: /not wss:/ });
  await t.rejects(client().request('session:new', { url: 'http://' }, {}), { code: 'hook/forbidden' });
});

t.test('notify never rejects and reports its failure', async (t) => {
  const { app, client, sink } = await setUp(t);
  app.on('/status', (response) => response.writeHead(500).end());
  await client().notify({ url: '/status' }, { callStatus: 'completed' });
  t.equal(sink.alerts.length, 1);
});

t.test('the timeline shows bodies up to 4 KB, without secrets', async (t) => {
  const { app, client, sink } = await setUp(t);
  app.on('/hook', [{ verb: 'tag', data: { password: 'swordfish', long: 'x'.repeat(6000) } }]);
  await client().request('session:new', { url: `${app.url}/hook?token=abcdef` }, { envVars: { KEY: 'opensesame' } });
  const shown = JSON.stringify(sink.timeline);
  t.notMatch(shown, /swordfish|opensesame|abcdef/);
  const response = sink.timeline.find(({ text }) => text.startsWith('200'))?.data?.response;
  t.ok(String(response).length < 4300, `${String(response).length} characters`);
});

t.test('an aborted request ends at once without an alert', async (t) => {
  const { app, client, sink } = await setUp(t);
  app.on('/hook', () => {});
  const controller = new AbortController();
  const asked = client().request('verb:hook', { url: '/hook' }, {}, controller.signal);
  await app.next('/hook');
  controller.abort();
  await t.rejects(asked);
  t.equal(sink.alerts.length, 0);
});
