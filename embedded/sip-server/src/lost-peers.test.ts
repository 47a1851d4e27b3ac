import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { createLogger } from '@ringwire/common/log/logger.js';
import { makeAuthority } from '@ringwire/sip/test-certificates.js';
import t from 'tap';
import { answering, startTarget, statusesOf } from './proxy/test-targets.js';
import type { AppResponse } from './test-app.js';
import { startHandler } from './test-handler.js';
import { startPeer } from './test-peer.js';
import {
  appRequest,
  connectApp,
  notDrachtio,
  nothingHeld,
  sdp,
  startServer,
  type Teardown,
  uriOf,
} from './test-rig.js';

const authority = makeAuthority(t);
const own = authority.issue('sip.ringwire.test');
const other = authority.issue('other.ringwire.test', '127.0.0.9');
const TLS = ['--cert-file', own.certFile, '--key-file', own.keyFile, '--tls-ca-file', authority.caFile];
const CONTACTS = ['--contact', 'sip:127.0.0.1:0;transport=udp,tcp', '--contact', 'sip:127.0.0.1:0;transport=tls'];
/** Who is not told that a connection is lost waits for 32 s, longer than a test may take. */
const USUAL_TIMERS = { T1: 500 };

/** The URI of a peer on a free port. */
async function uriOfPeer(t: Teardown, server: Server, transport: string): Promise<string> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
  });
  server.on('tlsClientError', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  return `sip:b@127.0.0.1:${typeof address === 'object' && address ? address.port : 0};transport=${transport}`;
}

const withoutTls = (): Server =>
  createServer((socket) => socket.once('data', () => socket.end('HTTP/1.1 400\r\n\r\n')));
const misnamed = (): Server => createTlsServer(other, (socket) => socket.on('error', () => socket.destroy()).resume());
const closing = (): Server => createServer((socket) => socket.destroy());

t.test(
  'lost peer: createUAC and request end with 503 where TLS fails, the log says why (not drachtio)',
  notDrachtio,
  async (t) => {
    const said: unknown[] = [];
    const logger = Object.assign(createLogger({ name: 'test', level: 'silent' }), {
      info: (facts: unknown) => said.push(facts),
    });
    const server = await startServer(t, [...CONTACTS, ...TLS], USUAL_TIMERS, { logger });
    const srf = await connectApp(t, server);
    for (const [peer, why] of [
      [withoutTls, /^TLS: /],
      [misnamed, /altnames/],
    ] as const) {
      const uri = await uriOfPeer(t, peer(), 'tls');
      const error = await srf.createUAC(uri, { localSdp: sdp(1) }).catch((err: unknown) => err);
      t.match(error, { status: 503, reason: /^Service Unavailable( \(\w+\))?$/ });
      t.equal((await appRequest(srf, uri, { method: 'OPTIONS' })).status, 503);
      const [, port = ''] = /:(\d+);/.exec(uri) ?? [];
      t.match(said.splice(0), [
        { cause: why, to: `tls/127.0.0.1:${port}`, method: 'INVITE' },
        { cause: why, to: `tls/127.0.0.1:${port}`, method: 'OPTIONS' },
      ]);
    }
    const metrics = await (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text();
    t.match(metrics, /^sip_transport_errors_total(\{[^}]*\})? 4$/m);
    await nothingHeld(server);
  },
);

t.test('lost peer: createB2BUA tells the caller 503 where TLS fails (not drachtio)', notDrachtio, async (t) => {
  const server = await startServer(t, [...CONTACTS, ...TLS], USUAL_TIMERS);
  const uri = await uriOfPeer(t, withoutTls(), 'tls');
  await connectApp(t, server, (srf) => {
    srf.invite((req, res) => void srf.createB2BUA(req, res, uri, { localSdpB: req.body }).catch(() => undefined));
  });
  const caller = await startPeer(t);
  const failure = await caller.invite(uriOf(server)).final();
  t.equal(failure.status, 503);
  t.match(failure.reason, /^Service Unavailable( \(\w+\))?$/, 'no addresses of ours');
  await nothingHeld(server);
});

for (const [what, peer, transport] of [
  ['closes its connection', closing, 'tcp'],
  ['proves another name', misnamed, 'tls'],
] as const) {
  t.test(
    `lost peer: proxy: after a target that ${what} the next one is asked (not drachtio)`,
    notDrachtio,
    async (t) => {
      const server = await startServer(t, [...CONTACTS, ...TLS], USUAL_TIMERS);
      const good = await startTarget(t, answering(200));
      const targets = [await uriOfPeer(t, peer(), transport), good.uri()];
      const results: Array<ReturnType<typeof statusesOf>> = [];
      await connectApp(t, server, (srf) => {
        srf.options((req) => void srf.proxyRequest(req, targets).then((result) => results.push(statusesOf(result))));
      });
      const caller = await startPeer(t);
      t.equal((await caller.send('OPTIONS', uriOf(server)).final()).status, 200);
      await nothingHeld(server);
      t.same(good.methods(), ['OPTIONS']);
      t.equal(server.layer.counters.transportErrors, 1);
    },
  );
}

const INJECTED = 'Go\r\nX-Injected: 1\r\n\r\nAway\u0000\tnow';

t.test(
  'reason phrase: line ends in it make no header, from a request-handler (not drachtio)',
  notDrachtio,
  async (t) => {
    const handler = await startHandler(t, () => ({ action: 'reject', data: { status: 403, reason: INJECTED } }));
    const server = await startServer(t, ['--http-handler', handler.url]);
    const caller = await startPeer(t);
    const response = await caller.invite(uriOf(server)).final();
    t.match(response, { status: 403, reason: /^Go +X-Injected: 1 +Away \tnow$/ });
    t.notOk(response.has('X-Injected'));
  },
);

t.test(
  'reason phrase: control characters of an application are taken out of it (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t);
    await connectApp(t, server, (srf) => {
      const refuse = (reason: string) => (_req: unknown, res: AppResponse) =>
        res.send(403, reason as unknown as object);
      srf.invite(refuse('Go\u0000Away'));
      srf.options(refuse('Go\nX-Injected: 1'));
      srf.message(refuse('Go\rX-Injected: 1'));
    });
    const caller = await startPeer(t);
    t.match(await caller.invite(uriOf(server)).final(), { status: 403, reason: 'Go Away' });
    for (const method of ['OPTIONS', 'MESSAGE']) {
      const response = await caller.send(method, uriOf(server)).final();
      t.match(response, { status: 403, reason: 'Go X-Injected: 1' });
      t.notOk(response.has('X-Injected'));
    }
  },
);
