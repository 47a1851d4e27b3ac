import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { endpointOfUri, parseMessage, type SipMessage, tagOf } from '@ringwire/sip';
import t from 'tap';
import { startHandler } from '../test-handler.js';
import { connectApp, notDrachtio, sdp, startPhone, startServer, until, uriOf } from '../test-rig.js';
import { answering, noTransactions, startProxying, startTarget, statusesOf } from './test-targets.js';

t.test('proxy: RFC 4475 zeromf: Max-Forwards 0 is answered 483 and goes nowhere', async (t) => {
  const target = await startTarget(t, answering(200));
  const { server, results } = await startProxying(t, target.uri());
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const bytes = readFileSync(new URL('../../../sip/testdata/rfc4475/invalid/zeromf.dat', import.meta.url), 'latin1');
  socket.send(bytes.replace(/^(via\s*:[^;,\r]*)/im, '$1;rport'), server.layer.addressFor('udp').port, '127.0.0.1');
  const [answer] = (await once(socket, 'message')) as [Buffer];
  const parsed = parseMessage(answer);
  t.equal(parsed.ok && parsed.message.status, 483);
  await until(() => results.length === 1);
  t.match(String(results[0]), /483 Too Many Hops/);
  t.same(target.requests, []);
});

t.test(
  'proxy: a maddr that led here is taken from the Request-URI with its port and transport (not drachtio)',
  notDrachtio,
  async (t) => {
    const target = await startTarget(t, answering(200));
    const { server } = await startProxying(t, target.uri());
    const { port } = server.layer.addressFor('udp');
    const phone = await startPhone(t);
    const uri = `sip:b@elsewhere.test:${port};maddr=127.0.0.1;transport=udp;user=phone`;
    t.equal((await phone.request({ method: 'OPTIONS', uri }))?.status, 200);
    t.equal(target.requests[0]?.uri, 'sip:b@elsewhere.test;user=phone');
  },
);

t.test('proxy: a loop is answered 482, a spiral goes on (not drachtio)', notDrachtio, async (t) => {
  const target = await startTarget(t, answering(200));
  const { server, results } = await startProxying(t, (req) => {
    const { uri } = req as unknown as { uri: string };
    if (uri.includes('spiral')) return uriOf(server, 'end');
    return uri.includes('end') ? target.uri() : uriOf(server, uri.includes(':a@') ? 'b' : 'a');
  });
  const phone = await startPhone(t);
  const looped = await phone.request({ method: 'OPTIONS', uri: uriOf(server, 'a') });
  t.equal(looped?.status, 482);
  await until(() => results.some((result) => /482/.test(String(result))));
  const spiral = await phone.request({ method: 'OPTIONS', uri: uriOf(server, 'spiral') });
  t.equal(spiral?.status, 200);
  t.equal(target.requests[0]?.getList('Via').length, 3);
});

t.test(
  'proxy: Require is for the endpoint to judge, Proxy-Require for the proxy: 420 (not drachtio)',
  notDrachtio,
  async (t) => {
    const target = await startTarget(t, answering(200));
    const { server, results } = await startProxying(t, target.uri());
    const phone = await startPhone(t);
    const ask = async (headers: Record<string, string>): Promise<SipMessage | undefined> =>
      await phone.request({ method: 'OPTIONS', uri: uriOf(server), headers });
    t.equal((await ask({ Require: 'x-unheard-of' }))?.status, 200);
    t.equal(target.requests[0]?.get('Require'), 'x-unheard-of');
    const refused = await ask({ 'Proxy-Require': 'x-unheard-of, x-other' });
    t.equal(refused?.status, 420);
    t.equal(refused?.get('Unsupported'), 'x-unheard-of, x-other');
    await until(() => results.length === 2);
    t.match(String(results[1]), /420/);
  },
);

t.test(
  'an application that takes a request with an unknown Require as user agent: the caller gets 420, the application an error (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t);
    const errors: unknown[] = [];
    await connectApp(t, server, (srf) => {
      srf.invite((req, res) => {
        srf.createUAS(req, res, { localSdp: sdp(2) }).catch((err: unknown) => errors.push(err));
      });
    });
    const phone = await startPhone(t);
    const call = phone.invite({ uri: uriOf(server), sdp: sdp(1), headers: { Require: 'x-unheard-of' } });
    t.match(await call.answered.catch((err: unknown) => err), { status: 420 });
    await until(() => errors.length === 1);
    t.equal(server.bridge.dialogCount, 0);
  },
);

t.test(
  'proxy: MESSAGE and SUBSCRIBE go through with bodies, headers of the application are added (not drachtio)',
  notDrachtio,
  async (t) => {
    const target = await startTarget(t, answering(202));
    const { server, results } = await startProxying(t, target.uri(), {
      headers: { 'X-App': 'yes', Contact: '<sip:evil@x>', 'P-Asserted-Identity': '<sip:1@localhost>' },
    });
    const phone = await startPhone(t);
    const response = await phone.request({
      method: 'MESSAGE',
      uri: uriOf(server),
      content: { contentType: 'text/plain', body: 'grüße' },
    });
    t.equal(response?.status, 202);
    t.equal(target.requests[0]?.bodyText, 'grüße');
    t.equal(target.requests[0]?.get('X-App'), 'yes');
    t.notOk(target.requests[0]?.has('Contact'));
    await until(() => results.length === 1);
    t.same(statusesOf(results[0]), [202]);
    const headers = { Event: 'presence', Contact: '<sip:a@127.0.0.1>' };
    const subscribed = await phone.request({ method: 'SUBSCRIBE', uri: uriOf(server), headers });
    t.equal(subscribed?.status, 202);
    t.same(target.requests[1]?.getAll('Contact'), ['<sip:a@127.0.0.1>']);
  },
);

t.test('proxy: path: a REGISTER tells the registrar the way back (RFC 3327)', async (t) => {
  const registrar = await startTarget(t, answering(200));
  const { server } = await startProxying(t, registrar.uri(), { path: true });
  const phone = await startPhone(t);
  const headers = { Contact: '<sip:a@127.0.0.1:5060>', Supported: 'path' };
  t.equal((await phone.request({ method: 'REGISTER', uri: uriOf(server), headers }))?.status, 200);
  const [register] = registrar.requests;
  const { port } = server.layer.addressFor('udp');
  t.match(register?.get('Path'), new RegExp(`^<sip:127\\.0\\.0\\.1:${port};lr`));
  t.equal(register?.get('Require'), 'path');
  t.notOk(register?.has('Record-Route'));
});

t.test('proxy: a Request-URI that is not ours is kept; the destination is only where it goes', async (t) => {
  const target = await startTarget(t, answering(200));
  const { server } = await startProxying(t, target.uri());
  const phone = await startPhone(t);
  const destination = endpointOfUri(uriOf(server))!;
  const response = await phone.request({ method: 'OPTIONS', uri: 'sip:bob@far.example', destination });
  t.equal(response?.status, 200);
  t.equal(target.requests[0]?.uri, 'sip:bob@far.example');
});

t.test(
  'proxy: a request but INVITE that nobody answers is not answered 408 (RFC 4320) (not drachtio)',
  notDrachtio,
  async (t) => {
    const silent = await startTarget(t, () => {});
    const { server, results } = await startProxying(t, silent.uri());
    const phone = await startPhone(t);
    const response = await phone.request({ method: 'OPTIONS', uri: uriOf(server) });
    t.equal(response, undefined);
    await until(() => results.length === 1);
    t.match(results[0], { connected: false });
    await noTransactions(server);
  },
);

t.test(
  'proxy: what cannot be sent anywhere is an error for the application and 500 for the caller (not drachtio)',
  notDrachtio,
  async (t) => {
    const { server, results } = await startProxying(t, ['sip:127.0.0.1;transport=sctp', 'tel:+4930']);
    const phone = await startPhone(t);
    t.equal((await phone.request({ method: 'OPTIONS', uri: uriOf(server) }))?.status, 500);
    await until(() => results.length === 1);
    t.match(String(results[0]), /error proxying request to/);
  },
);

t.test('proxy: an application cannot proxy the same request twice', async (t) => {
  const target = await startTarget(t, answering(200));
  const server = await startServer(t);
  const errors: string[] = [];
  const srf = await connectApp(t, server, (app) => {
    app.options((req) => {
      void srf.proxyRequest(req, target.uri());
      srf.proxyRequest(req, target.uri()).catch((err: unknown) => errors.push(String(err)));
    });
  });
  const phone = await startPhone(t);
  t.equal((await phone.request({ method: 'OPTIONS', uri: uriOf(server) }))?.status, 200);
  await until(() => errors.length === 1);
  t.match(errors[0], /Unknown transaction id/);
  t.equal(target.requests.length, 1);
});

t.test('proxy: the request-handler proxies without any application', async (t) => {
  const first = await startTarget(t, answering(486));
  const second = await startTarget(t, answering(200));
  const handler = await startHandler(t, () => ({
    action: 'proxy',
    data: { destination: [first.uri(), second.uri()], recordRoute: true, provisionalTimeout: '2s', finalTimeout: '3s' },
  }));
  const server = await startServer(t, ['--http-handler', handler.url]);
  const phone = await startPhone(t);
  const dialog = await phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered;
  t.equal(first.requests.length, 1);
  t.equal((await dialog.bye())?.status, 200);
  await until(() => second.methods().includes('BYE'));
  t.same(second.methods(), ['INVITE', 'ACK', 'BYE'], 'by way of the server');
  t.equal(tagOf(second.requests[2]?.get('To')), tagOf(second.requests[1]?.get('To')));
});

for (const [what, data] of [
  ['no destination', {}],
  ['an empty list', { destination: [] }],
  ['a destination that is no text', { destination: [7] }],
  ['a time-out without unit', { destination: 'sip:127.0.0.1', finalTimeout: '5' }],
] as const) {
  t.test(`proxy: the request-handler's answer with ${what} is refused: 500 (not drachtio)`, notDrachtio, async (t) => {
    const handler = await startHandler(t, () => ({ action: 'proxy', data }));
    const server = await startServer(t, ['--http-handler', handler.url]);
    const phone = await startPhone(t);
    const call = phone.invite({ uri: uriOf(server), sdp: sdp(1) });
    t.match(await call.answered.catch((err: unknown) => err), { status: 500 });
    t.equal(server.counters.handlerFailures, 1);
  });
}

t.test(
  'proxy: whatever RFC 4475 and RFC 5118 send goes on or is refused, and the server lives on (not drachtio)',
  notDrachtio,
  async (t) => {
    const target = await startTarget(t, answering(200));
    const { server, results } = await startProxying(t, [target.uri('a'), target.uri('b')], {
      remainInDialog: true,
      followRedirects: true,
      forking: 'simultaneous',
      headers: { 'X-App': 'yes' },
    });
    const socket = createSocket('udp4');
    t.teardown(() => socket.close());
    const { port } = server.layer.addressFor('udp');
    const data = new URL('../../../sip/testdata/', import.meta.url);
    let sent = 0;
    for (const folder of ['rfc4475/valid/', 'rfc4475/invalid/', 'rfc5118/']) {
      for (const file of readdirSync(new URL(folder, data))) {
        socket.send(readFileSync(new URL(folder + file, data)), port, '127.0.0.1');
        sent++;
      }
    }
    const phone = await startPhone(t);
    const { counters } = server.layer;
    await until(() => counters.requestsReceived + counters.responsesReceived + counters.parseErrorTotal >= sent);
    t.equal((await phone.request({ method: 'OPTIONS', uri: uriOf(server) }))?.status, 200);
    await noTransactions(server);
    t.ok(results.length > 10);
    t.equal(counters.listenerErrors, 0);
    for (const request of target.requests) t.ok(Number(request.get('Max-Forwards')) < 255, request.method);
  },
);
