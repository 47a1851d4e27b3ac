import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { makeAuthority } from '@ringwire/sip/test-certificates.js';
import t from 'tap';
import type { SipServer } from './server.js';
import { newApp } from './test-app.js';
import {
  connectApp,
  disconnect,
  notDrachtio,
  sdp,
  startPhone,
  startServer,
  type Teardown,
  until,
  uriOf,
} from './test-rig.js';

/** A raw control connection; `send` frames its text. */
function speak(t: Teardown, socket: Socket) {
  t.teardown(() => socket.destroy());
  socket.on('error', () => socket.destroy());
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk.toString();
  });
  const send = (...texts: string[]): void => {
    for (const text of texts) socket.write(`${Buffer.byteLength(text)}#${text}`);
  };
  return { socket, send, received: () => received };
}

async function dial(t: Teardown, server: SipServer) {
  const client = speak(t, connect(server.controlPort, '127.0.0.1'));
  await once(client.socket, 'connect');
  return client;
}

async function closed(socket: Socket): Promise<void> {
  // `once` would reject on the reset that such a close may be.
  if (!socket.closed) await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}

/** A server with a control port over TLS, and who vouches for it. */
async function startTls(t: Teardown, around: object = {}) {
  const authority = makeAuthority(t);
  const { certFile, keyFile } = authority.issue('sip.test');
  const flags = ['--tls-port', '0', '--cert-file', certFile, '--key-file', keyFile];
  const server = await startServer(t, flags, undefined, around);
  return { server, authority };
}

t.test('control port: applications connect over TLS as over TCP (not drachtio)', notDrachtio, async (t) => {
  const { server, authority } = await startTls(t);
  const srf = newApp();
  t.teardown(() => disconnect(srf));
  srf.on('error', () => {});
  srf.invite(async (req, res) => void (await srf.createUAS(req, res, { localSdp: sdp(2) })));
  srf.connect({ host: '127.0.0.1', port: server.controlTlsPort!, secret: 'cymru', tls: { ca: authority.ca } });
  await once(srf, 'connect');
  await until(() => server.control.registry.select('INVITE') !== undefined);
  const phone = await startPhone(t);
  const call = await phone.invite({ uri: uriOf(server), sdp: sdp(1) }).answered;
  await call.bye();
  await connectApp(t, server);
  t.equal(server.control.registry.size, 2);
});

t.test('control port: what is no TLS is closed and counted, TLS goes on (not drachtio)', notDrachtio, async (t) => {
  const { server, authority } = await startTls(t);
  const port = server.controlTlsPort!;
  const plain = speak(t, connect(port, '127.0.0.1'));
  plain.send('1|authenticate|cymru|');
  await closed(plain.socket);
  t.equal(plain.received().includes('OK'), false);
  t.equal(server.counters.tlsFailures, 1);
  const old = speak(t, tlsConnect({ port, ca: authority.ca, maxVersion: 'TLSv1.1', minVersion: 'TLSv1' }));
  await closed(old.socket);
  const stranger = speak(t, tlsConnect({ port, ca: authority.ca, host: '127.0.0.1' }));
  stranger.send('1|authenticate|wrong|');
  await closed(stranger.socket);
  t.match(stranger.received(), /NO\|incorrect secret$/);
  const client = speak(t, tlsConnect({ port, ca: authority.ca, host: '127.0.0.1' }));
  client.send('1|authenticate|cymru|');
  await until(() => client.received().includes('|1|OK|'));
});

t.test(
  'control port: strangers have a deadline, over TLS before the handshake as well (not drachtio)',
  notDrachtio,
  async (t) => {
    const { server } = await startTls(t, { controlLimits: { authenticateWithinMs: 50 } });
    const started = performance.now();
    const mute = await dial(t, server);
    await closed(mute.socket);
    const shaken = speak(t, tlsConnect({ port: server.controlTlsPort!, host: '127.0.0.1', rejectUnauthorized: false }));
    await closed(shaken.socket);
    const dumb = speak(t, connect(server.controlTlsPort!, '127.0.0.1'));
    await closed(dumb.socket);
    t.ok(performance.now() - started < 5000);
  },
);

t.test(
  'control port: guessing the secret bars the source, slowly answered, for as long as it fails (not drachtio)',
  notDrachtio,
  async (t) => {
    const controlLimits = { failuresPerSource: 3, refuseAfterMs: 50 };
    const server = await startServer(t, [], undefined, { controlLimits });
    const early = await dial(t, server);
    early.send('1|authenticate|cymru|');
    await until(() => early.received().includes('|1|OK|'));
    const started = performance.now();
    const guesses = await Promise.all([1, 2, 3, 4, 5].map(() => dial(t, server)));
    for (const guess of guesses) guess.send('1|authenticate|guess|', '2|authenticate|cymru|', '3|ping');
    for (const guess of guesses) {
      await closed(guess.socket);
      t.match(guess.received(), /^\d+#[^#]*\|response\|1\|NO\|incorrect secret$/, 'one answer, no second guess');
    }
    t.ok(performance.now() - started >= 50, 'the answer waits');
    const barred = await dial(t, server);
    await closed(barred.socket);
    t.equal(barred.received(), '');
    t.ok(server.counters.barredConnections >= 1);
    t.equal(server.counters.authenticationFailures, 5);
    early.send('4|ping');
    await until(() => early.received().includes('|4|OK|pong'));
    // One failure is forgiven a second.
    await until(() => !server.control.bars('127.0.0.1'));
    const late = await dial(t, server);
    late.send('1|authenticate|cymru|');
    await until(() => late.received().includes('|1|OK|'));
  },
);

t.test(
  'control port: too many strangers push out the oldest of them, never an application (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t, [], undefined, { controlLimits: { strangers: 5 } });
    const app = await dial(t, server);
    app.send('1|authenticate|cymru|');
    await until(() => app.received().includes('|1|OK|'));
    const strangers = [];
    for (let i = 0; i < 8; i++) strangers.push(await dial(t, server));
    for (const { socket } of strangers.slice(0, 3)) await closed(socket);
    t.equal(server.counters.strangersClosed, 3);
    const last = strangers.at(-1)!;
    last.send('1|authenticate|cymru|');
    await until(() => last.received().includes('|1|OK|'));
    app.send('2|ping');
    await until(() => app.received().includes('|2|OK|pong'));
  },
);

t.test(
  'control port: a second authentication adds tags; with a wrong secret it ends the connection (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t);
    const client = await dial(t, server);
    client.send('1|authenticate|cymru|a', '2|route|invite', '3|authenticate|cymru|b,c', '4|ping');
    await until(() => client.received().includes('|4|OK|pong'));
    t.equal(server.control.registry.size, 1);
    for (const tag of ['a', 'b', 'c']) t.ok(server.control.registry.select('INVITE', tag), tag);
    t.equal(server.control.registry.select('INVITE', 'd'), undefined);
    client.send('5|authenticate|wrong|');
    await closed(client.socket);
    t.match(client.received(), /\|5\|NO\|incorrect secret$/);
    await until(() => server.control.registry.size === 0);
  },
);

t.test(
  'control port: remove_route drops all routes of that connection and of no other (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t);
    // One application may connect several times.
    const [one, other] = [await dial(t, server), await dial(t, server)];
    for (const client of [one, other]) {
      client.send('1|authenticate|cymru|', '2|route|invite', '3|route|invite', '4|route|options', '5|ping');
      await until(() => client.received().includes('|5|OK|pong'));
    }
    const { registry } = server.control;
    t.not(registry.select('INVITE'), registry.select('INVITE'), 'in turn, however often they registered');
    one.send('6|remove_route|invite', '7|ping');
    await until(() => one.received().includes('|7|OK|pong'));
    t.match(one.received(), /\|response\|6\|OK/);
    t.equal(registry.select('INVITE'), registry.select('INVITE'));
    t.equal(registry.select('OPTIONS'), registry.select('OPTIONS'));
    t.equal(registry.select('*'), undefined);
  },
);

t.test('control port: a command without name, and one that nobody knows, are answered and closed', async (t) => {
  const server = await startServer(t);
  for (const [text, reason] of [
    ['lonely', 'Invalid message format'],
    ['2|dance', 'Unknown message type'],
  ] as const) {
    const client = await dial(t, server);
    client.send('1|authenticate|cymru|');
    await until(() => client.received().includes('|1|OK|'));
    client.send(text);
    await closed(client.socket);
    t.ok(client.received().endsWith(`|NO|${reason}`), reason);
  }
});

t.test(
  'control port: an application that does not read is given up; the others wait for nothing (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t);
    const deaf = await dial(t, server);
    deaf.send('1|authenticate|cymru|', '2|route|message');
    await until(() => deaf.received().includes('|2|OK'));
    deaf.socket.pause();
    let answered = 0;
    await connectApp(t, server, (srf) => srf.options((_req, res) => res.send(200, {}, () => answered++)));
    const phone = await startPhone(t);
    // What it asks for itself fills its queue as well as anything.
    const ping = `${'x'.repeat(60_000)}|ping`;
    let slowestMs = 0;
    while (server.counters.slowControlClients === 0) {
      for (let i = 0; i < 40; i++) deaf.send(ping);
      const started = performance.now();
      t.equal((await phone.request({ method: 'OPTIONS', uri: uriOf(server) }))?.status, 200);
      slowestMs = Math.max(slowestMs, performance.now() - started);
    }
    t.ok(slowestMs < 1000, `the slowest answer took ${slowestMs.toFixed()} ms`);
    await until(() => server.counters.clientsLost === 1);
    t.ok(answered > 0);
  },
);
