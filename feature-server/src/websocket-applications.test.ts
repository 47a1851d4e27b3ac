/** Calls whose application is behind a WebSocket: jambonz' own clients, unmodified, and servers that misbehave. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { createEndpoint, type Session } from '@jambonz/sdk/websocket';
import { until } from '@ringwire/common/testing/until.js';
import type { PlaceCallOptions } from '@ringwire/phone';
import t, { type Test } from 'tap';
import { Channel } from './testing/fakes.js';
import { startPlatform, webhookOf } from './testing/platform-rig.js';
import { SocketServer } from './testing/socket-server.js';

const SILENCE = 'silence_stream://60000';
const quiet = { info: () => {}, error: () => {}, debug: () => {} };

/** What the tests use of `@jambonz/node-client-ws`, which has no types. */
interface OldSession {
  gather(options: object): OldSession;
  play(options: object): OldSession;
  hangup(options?: object): OldSession;
  say(options: object): OldSession;
  on(event: string, listener: (data: Record<string, unknown>) => void): OldSession;
  send(options?: object): void;
  reply(): void;
  injectCommand(command: string, data: unknown): void;
}
const { createEndpoint: createOldEndpoint } = createRequire(import.meta.url)('@jambonz/node-client-ws') as {
  createEndpoint(options: object): (options: { path: string }) => {
    on(event: string, listener: (session: OldSession) => void): void;
  };
};

async function listen(t: Test): Promise<{ server: ReturnType<typeof createServer>; url: string }> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return { server, url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/app` };
}

// Server and client share this process and a busy machine: nothing is late here unless it is meant to be.
const PATIENT = { WS_HANDSHAKE_TIMEOUT_MS: '30000', WS_ACK_TIMEOUT_MS: '30000' };
const rig = await startPlatform(t, PATIENT, (http) => ({ fallbackCallHook: webhookOf(`${http}/fallback`) }));
let count = 0;

/** A call whose application is at `url`; `saw` waits for a line of its timeline. */
async function callTo(t: Test, url: string, options: Partial<PlaceCallOptions> = {}) {
  const callSid = `call-${++count}`;
  const headers = { 'X-Call-Sid': callSid, 'X-Jambonz-Call-Hook': url };
  const call = await rig.call({ ...options, headers });
  t.teardown(() => call.hangup());
  const lines = () =>
    rig.sink.events
      .filter((event) => event.callSid === callSid)
      .map(({ data }) => String((data as { text?: string }).text));
  const saw = (part: string) => until(part, () => lines().some((line) => line.includes(part)));
  /** Its result, once the application has been told of its end. */
  const finished = async () => {
    const result = await call.finished;
    await until('the session is over', async () => (await rig.redis.keys('ringwire:fs-calls*')).length === 0);
    return result;
  };
  return { callSid, call, saw, finished };
}

t.test('@jambonz/sdk: gather, its hook, and verbs in the reply', async (t) => {
  const { server, url } = await listen(t);
  const sessions = new Channel<Session>();
  const statuses: unknown[] = [];
  const closed = new Channel<number>();
  createEndpoint({ server, logger: quiet })({ path: '/app' }).on('session:new', (session: Session) => {
    session.on('call:status', ({ call_status }: { call_status: string }) => statuses.push(call_status));
    session.on('close', (code: number) => closed.post(code));
    session.on('/digits', ({ digits }: { digits: string }) => {
      session.hangup({ headers: { 'X-Digits': digits } }).reply();
    });
    session.gather({ input: ['digits'], numDigits: 3, actionHook: '/digits', timeout: 30 }).send();
    sessions.post(session);
  });
  const { callSid, finished } = await callTo(t, url, { dtmf: '123', dtmfAfterMs: 100 });
  const { endHeaders, status } = await finished();
  t.equal(status, 200);
  t.equal(endHeaders['x-digits'], '123');
  t.equal(await closed.take('close'), 1000);
  const session = await sessions.take();
  t.match(session, { callSid, from: '15551234567', to: '15550100', direction: 'inbound' });
  t.match(session.data, { sip: { method: 'INVITE' }, defaults: { synthesizer: { vendor: 'espeak' } } });
  t.same(statuses, ['trying', 'in-progress', 'completed']);
});

t.test('@jambonz/node-client-ws: the call waits without verbs, and later ones come as commands', async (t) => {
  const { server, url } = await listen(t);
  const sessions = new Channel<OldSession>();
  const hooks = new Channel<Record<string, unknown>>();
  createOldEndpoint({ server, logger: quiet })({ path: '/app' }).on('session:new', (session) => {
    session.on('/played', (data) => {
      session.reply();
      hooks.post(data);
    });
    session.play({ url: 'silence_stream://20', actionHook: '/played' }).send();
    sessions.post(session);
  });
  const { finished, saw } = await callTo(t, url);
  const session = await sessions.take();
  t.match(await hooks.take('hook'), { reason: 'playCompleted', call_status: 'in-progress' });
  await saw('the application may send more');
  session.play({ url: SILENCE, actionHook: '/never' }).send();
  session.hangup({ headers: { 'X-How': 'queued' } }).send({ execImmediate: false });
  await saw(`play: "${SILENCE}"`);
  // Ends the long play, and what is queued behind it.
  session.hangup({ headers: { 'X-How': 'at once' } }).send();
  t.equal((await finished()).endHeaders['x-how'], 'at once');
});

t.test('a command right behind an ack comes after its verbs, also where a redirect has just led there', async (t) => {
  const server = await SocketServer.start();
  t.teardown(() => server.stop());
  rig.app.on('/hook', [{ verb: 'answer' }, { verb: 'redirect', actionHook: `${server.url}/app` }]);
  for (const url of [`${server.url}/app`, `${rig.app.url}/hook`]) {
    const { finished } = await callTo(t, url);
    const socket = await server.next();
    const message = await socket.next('session:new');
    // Both in one segment, most likely.
    socket.ack(message, [{ verb: 'play', url: SILENCE }]);
    socket.command('redirect', [{ verb: 'answer' }, { verb: 'hangup', headers: { 'X-How': 'redirected' } }]);
    t.equal((await finished()).endHeaders['x-how'], 'redirected', url);
  }
});

t.test('a socket that is cut during the call: the call lives, and its next hook comes over the new one', async (t) => {
  const server = await SocketServer.start((fault) => t.fail(fault));
  t.teardown(() => server.stop());
  const { call, callSid, finished } = await callTo(t, `${server.url}/app`);
  const socket = await server.next();
  socket.ack(await socket.next('session:new'), [
    { verb: 'gather', input: ['digits'], numDigits: 1, actionHook: '/key', timeout: 60 },
  ]);
  await call.answered();
  await socket.next('call:status');
  socket.ws.terminate();
  const again = await server.next();
  const reconnect = await again.next('session:reconnect');
  t.match(reconnect.data, { call_sid: callSid, call_status: 'trying', sip: {} });
  again.ack(reconnect);
  await call.sendDtmf('7');
  const asked = await again.next('verb:hook');
  t.match(asked, { hook: '/key', data: { digits: '7', call_status: 'in-progress' } });
  again.ack(asked, [{ verb: 'hangup' }]);
  t.equal((await finished()).endedBy, 'them');
  t.match(await again.next('call:status'), { data: { call_status: 'completed' } });
  t.match(await again.closed, { code: 1000 });
});

t.test('an application that is lost during the call: its fallback takes over, or the call ends', async (t) => {
  const server = await SocketServer.start((fault) => t.fail(fault));
  t.teardown(() => server.stop());
  const lose = async () => {
    const { call, finished } = await callTo(t, `${server.url}/app#rc=0`);
    const socket = await server.next();
    socket.ack(await socket.next('session:new'), [{ verb: 'play', url: SILENCE }]);
    await call.answered();
    socket.ws.terminate();
    return finished();
  };
  rig.app.on('/fallback', [{ verb: 'hangup', headers: { 'X-From': 'fallback' } }]);
  t.equal((await lose()).endHeaders['x-from'], 'fallback');
  t.match(rig.app.seen('/fallback')[0]?.json, { call_status: 'in-progress' });

  rig.app.on('/fallback', (response) => response.writeHead(404).end());
  t.equal((await lose()).endedBy, 'them');
  t.match(rig.sink.alerts[0], { alertType: 'webhook-connection-failure' });
});

t.test('an application that is lost during the call: a fallback that takes its time is waited for', async (t) => {
  const server = await SocketServer.start((fault) => t.fail(fault));
  t.teardown(() => server.stop());
  let answerFallback = (): void => {};
  rig.app.on('/fallback', (response) => {
    answerFallback = () => {
      response.writeHead(200, { 'content-type': 'application/json' });
      response.end(JSON.stringify([{ verb: 'hangup', headers: { 'X-From': 'late fallback' } }]));
    };
  });
  const { call, saw, finished } = await callTo(t, `${server.url}/app#rc=0`);
  const socket = await server.next();
  socket.ack(await socket.next('session:new'), [
    { verb: 'gather', input: ['digits'], numDigits: 1, timeout: 60, actionHook: '/key' },
  ]);
  await call.answered();
  const before = rig.app.seen('/fallback').length;
  socket.ws.terminate();
  while (rig.app.seen('/fallback').length === before) await rig.app.next('/fallback');
  // The last verb ends, and nobody is there to say what comes.
  await call.sendDtmf('7');
  await saw('gather done');
  answerFallback();
  t.equal((await finished()).endHeaders['x-from'], 'late fallback');
  rig.app.on('/fallback', (response) => response.writeHead(404).end());
});

t.test('an application that closes with 1000: its verbs are done, then the call ends', async (t) => {
  const server = await SocketServer.start((fault) => t.fail(fault));
  t.teardown(() => server.stop());
  const { call, saw, finished } = await callTo(t, `${server.url}/app`);
  const socket = await server.next();
  socket.ack(await socket.next('session:new'), [{ verb: 'answer' }]);
  await call.answered();
  await saw('the application may send more');
  socket.ws.close(1000);
  t.equal((await finished()).endedBy, 'them');
  t.equal(server.sockets.size, 0);
});

t.test('a redirect moves the call from webhooks to a socket, and back', async (t) => {
  // What it is asked first is session:new, with the payload of a redirect (jambonz).
  const server = await SocketServer.start();
  t.teardown(() => server.stop());
  rig.app.on('/hook', [{ verb: 'answer' }, { verb: 'redirect', actionHook: `${server.url}/app` }]);
  rig.app.on('/back', [{ verb: 'gather', input: ['digits'], timeout: 0.1, actionHook: '/relative' }]);
  rig.app.on('/relative', [{ verb: 'hangup', headers: { 'X-From': 'webhook' } }]);
  const { callSid, finished } = await callTo(t, `${rig.app.url}/hook`);
  const socket = await server.next();
  const message = await socket.next('session:new');
  t.match(message.data, { call_sid: callSid, call_status: 'in-progress' });
  socket.ack(message, [{ verb: 'redirect', actionHook: `${rig.app.url}/back` }]);
  const { endHeaders } = await finished();
  t.equal(endHeaders['x-from'], 'webhook');
  t.ok((await rig.app.next('/back')).headers['jambonz-signature']);
  t.match(await socket.closed, { code: 1000 });
});

t.test('a redirect loop ends the call, over webhooks and over a socket', async (t) => {
  rig.app.on('/hook', [{ verb: 'answer' }, { verb: 'redirect', actionHook: '/loop' }]);
  rig.app.on('/loop', [{ verb: 'redirect', actionHook: '/loop' }]);
  const { finished, saw } = await callTo(t, `${rig.app.url}/hook`);
  t.equal((await finished()).endedBy, 'them');
  await saw('redirects in a loop');
  const times = rig.app.seen('/loop').length;
  t.ok(times < 200, `${times} times`);

  const { server, url } = await listen(t);
  let again = 0;
  createEndpoint({ server, logger: quiet })({ path: '/app' }).on('session:new', (session: Session) => {
    session.on('/again', () => {
      again += 1;
      session.redirect({ actionHook: '/again' }).reply();
    });
    session.answer().redirect({ actionHook: '/again' }).send();
  });
  const other = await callTo(t, url);
  t.equal((await other.finished()).endedBy, 'them');
  t.ok(again < 200, `${again} times`);
});

t.test('a thousand commands at once: what is too much is refused, and the call lives', async (t) => {
  const server = await SocketServer.start((fault) => t.fail(fault));
  t.teardown(() => server.stop());
  const { call, finished } = await callTo(t, `${server.url}/app`);
  const socket = await server.next();
  socket.ack(await socket.next('session:new'), [{ verb: 'play', url: SILENCE }]);
  await call.answered();
  for (let n = 0; n < 1000; n++) socket.command('tag', { n });
  t.match(await socket.next('jambonz:error'), { data: { msg: 'TooManyMessages' } });
  // As many tokens as a command needs are back by now.
  socket.command('redirect', [{ verb: 'hangup', headers: { 'X-How': 'redirected' } }]);
  t.equal((await finished()).endHeaders['x-how'], 'redirected');
});

t.test('an application that never acknowledges: its fallback, or 480', async (t) => {
  const server = await SocketServer.start((fault) => t.fail(fault));
  t.teardown(() => server.stop());
  const own = await startPlatform(t, { ...PATIENT, WS_ACK_TIMEOUT_MS: '150' }, (http) => ({
    callHook: webhookOf(`${server.url}/app`),
    callStatusHook: null,
    fallbackCallHook: webhookOf(`${http}/fallback`),
  }));
  const { status, endHeaders } = await (await own.call()).finished;
  t.equal(status, 480);
  t.equal(endHeaders['x-reason'], 'webhook timed out');
  own.app.on('/fallback', [{ verb: 'answer' }, { verb: 'hangup', headers: { 'X-From': 'fallback' } }]);
  const second = await own.call({ headers: { 'X-Call-Sid': 'second' } });
  t.equal((await second.finished).endHeaders['x-from'], 'fallback');
});
