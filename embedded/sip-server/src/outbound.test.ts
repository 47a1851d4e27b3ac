import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { makeAuthority } from '@ringwire/sip/test-certificates.js';
import t from 'tap';
import { type App, newApp } from './test-app.js';
import { startHandler } from './test-handler.js';
import { notDrachtio, nothingHeld, sdp, startPhone, startServer, type Teardown, until, uriOf } from './test-rig.js';

const SECRET = 'cymru';

/** An application that waits for connections of the server, as `srf.listen` does; `sockets` are those it has now. */
async function listeningApp(t: Teardown, setUp: (srf: App) => void, options: { secret?: string; tls?: object } = {}) {
  const srf = newApp();
  srf.on('connect', () => {});
  setUp(srf);
  const server = srf.listen({ host: '127.0.0.1', port: 0, secret: SECRET, ...options });
  const sockets = new Set<Socket>();
  let accepted = 0;
  server.on('connection', (socket) => {
    accepted++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return { srf, sockets, uri: `127.0.0.1:${port}`, accepted: () => accepted };
}

/** A server whose request-handler always says to connect to `uri`. */
async function routedTo(t: Teardown, uri: string, flags: string[] = [], around: object = {}) {
  const handler = await startHandler(t, () => ({ action: 'route', data: { uri } }));
  return await startServer(t, ['--http-handler', handler.url, ...flags], undefined, around);
}

async function statusOf(phone: Awaited<ReturnType<typeof startPhone>>, uri: string): Promise<number> {
  const result = await phone.invite({ uri, sdp: sdp(1) }).answered.catch((err: unknown) => err);
  return (result as { status: number }).status;
}

/** Answers, and ends the connection when the call has ended. */
function answering(srf: App, ended: () => void = () => {}): void {
  srf.invite(async (req, res) => {
    const dialog = await srf.createUAS(req, res, { localSdp: sdp(2) });
    dialog.on('destroy', () => {
      ended();
      srf.endSession(req);
    });
  });
}

t.test('outbound: each call gets a connection of its own, which the application ends with it', async (t) => {
  let ended = 0;
  const app = await listeningApp(t, (srf) => answering(srf, () => ended++));
  const server = await routedTo(t, app.uri);
  const phone = await startPhone(t);
  const call = await phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered;
  t.match(call.remoteSdp, /m=audio 2 /);
  const other = await phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered;
  t.equal(app.accepted(), 2);
  t.equal(app.sockets.size, 2);
  await call.bye();
  await until(() => app.sockets.size === 1);
  await other.bye();
  await until(() => app.sockets.size === 0);
  t.equal(ended, 2);
});

t.test('outbound: the application may end the call and the connection at once', async (t) => {
  const app = await listeningApp(t, (srf) => {
    srf.invite(async (req, res) => {
      const dialog = await srf.createUAS(req, res, { localSdp: sdp(2) });
      void dialog.destroy();
      srf.endSession(req);
    });
  });
  const server = await routedTo(t, `${app.uri};transport=tcp`);
  const phone = await startPhone(t);
  const call = await phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered;
  await once(call, 'ended');
  await until(() => app.sockets.size === 0);
});

t.test('outbound: requests of other methods are connected likewise', async (t) => {
  const app = await listeningApp(t, (srf) => {
    srf.options((req, res) => {
      res.send(200);
      srf.endSession(req);
    });
  });
  const server = await routedTo(t, app.uri);
  const phone = await startPhone(t);
  t.equal((await phone.request({ method: 'OPTIONS', uri: uriOf(server) }))?.status, 200);
  await until(() => app.sockets.size === 0);
});

t.test('outbound: tcp:// as handler connects without asking', async (t) => {
  const app = await listeningApp(t, (srf) => srf.invite((_req, res) => res.send(486)));
  const server = await startServer(t, ['--http-handler', `tcp://${app.uri}`]);
  const phone = await startPhone(t);
  t.equal(await statusOf(phone, uriOf(server)), 486);
});

t.test('outbound: an application that is not there gives 480', async (t) => {
  const server = await routedTo(t, '127.0.0.1:1');
  const phone = await startPhone(t);
  t.equal(await statusOf(phone, uriOf(server)), 480);
});

t.test(
  'outbound: whatever fails on the way is 480, counted, and leaves nothing (not drachtio)',
  notDrachtio,
  async (t) => {
    const phone = await startPhone(t);
    const wrong = await listeningApp(t, () => {}, { secret: 'wrong' });
    const silent = createServer((socket) => socket.on('error', () => socket.destroy()));
    const rude = createServer((socket) => socket.destroy());
    for (const server of [silent, rude]) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      t.teardown(() => server.close());
    }
    const uris = [
      wrong.uri,
      ...[silent, rude].map((server) => `127.0.0.1:${(server.address() as { port: number }).port}`),
    ];
    for (const uri of [...uris, 'localhost:1', 'no-such-host.invalid:5000']) {
      const server = await routedTo(t, uri, [], { controlLimits: { dialWithinMs: 200, refuseAfterMs: 10 } });
      t.equal(await statusOf(phone, uriOf(server)), 480, uri);
      t.match({ ...server.counters }, { outboundDials: 1, outboundFailures: 1, handlerFailures: 0 });
      await until(() => server.control.outbound.size === 0);
      await nothingHeld(server);
    }
  },
);

t.test('outbound: more than the allowed number of connections gives 480 (not drachtio)', notDrachtio, async (t) => {
  const app = await listeningApp(t, answering);
  const server = await routedTo(t, app.uri, [], { controlLimits: { outbound: 2 } });
  const phone = await startPhone(t);
  const calls = [
    await phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered,
    await phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered,
  ];
  t.equal(await statusOf(phone, uriOf(server)), 480);
  for (const call of calls) await call.bye();
  await until(() => server.control.outbound.size === 0);
  const call = await phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered;
  await call.bye();
});

t.test(
  'outbound: a caller who gives up while it is dialled gets 487; the application hears nothing (not drachtio)',
  notDrachtio,
  async (t) => {
    const sockets = new Set<Socket>();
    const silent = createServer((socket) => {
      sockets.add(socket);
      socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
      socket.resume();
    });
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    t.teardown(() => silent.close());
    const server = await routedTo(t, `127.0.0.1:${(silent.address() as { port: number }).port}`);
    const phone = await startPhone(t);
    const call = phone.invite({ uri: uriOf(server), sdp: sdp(1) });
    await until(() => sockets.size === 1);
    call.cancel();
    t.match(await call.answered.catch((err: unknown) => err), { status: 487 });
    await until(() => sockets.size === 0);
    await nothingHeld(server);
  },
);

t.test('outbound: a call whose application is lost ends with BYE (not drachtio)', notDrachtio, async (t) => {
  const app = await listeningApp(t, answering);
  const server = await routedTo(t, app.uri);
  const phone = await startPhone(t);
  const call = await phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered;
  for (const socket of app.sockets) socket.destroy();
  await once(call, 'ended');
  await nothingHeld(server);
});

t.test('outbound: over TLS, to an application that proves its name (not drachtio)', notDrachtio, async (t) => {
  const authority = makeAuthority(t);
  const { cert, key } = authority.issue('app.test');
  const app = await listeningApp(t, answering, { tls: { cert, key } });
  const phone = await startPhone(t);
  const server = await routedTo(t, `${app.uri};transport=tls`, ['--tls-ca-file', authority.caFile]);
  const call = await phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered;
  await call.bye();
  await until(() => server.control.outbound.size === 0);
  const distrustful = await routedTo(t, `${app.uri};transport=tls`);
  t.equal(await statusOf(phone, uriOf(distrustful)), 480);
  const trusting = await startServer(t, ['--http-handler', `tls://${app.uri}`, '--tls-no-verify']);
  const another = await phone.invite({ uri: uriOf(trusting), sdp: sdp(1) }).answered;
  await another.bye();
});
