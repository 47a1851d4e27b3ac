import { once } from 'node:events';
import t, { type Test } from 'tap';
import { Channel, CollectingSink, journalOver } from '../testing/fakes.js';
import { type ServerSocket, SocketServer } from '../testing/socket-server.js';
import { AddressGuard } from './address-guard.js';
import type { ApplicationCommand, ApplicationEnd, Hook, HookReply } from './application.js';
import { WebSocketApplication } from './ws-application.js';
import { type ConversationLimits, DEFAULT_CONVERSATION_LIMITS } from './ws-application-options.js';

const HANGUP = [{ verb: 'hangup' }];
const TRACE = 'a'.repeat(32);

interface Setup {
  server: SocketServer;
  sink: CollectingSink;
  application: WebSocketApplication;
  commands: Channel<ApplicationCommand>;
  ends: Channel<ApplicationEnd>;
  hook: Hook;
}

async function setUp(
  t: Test,
  hook: Partial<Hook> = {},
  limits: Partial<ConversationLimits> = {},
  more: { hasFallback?: boolean; allowPrivate?: boolean } = {},
): Promise<Setup> {
  const server = await SocketServer.start();
  t.teardown(() => server.stop());
  const sink = new CollectingSink();
  const whole: Hook = { url: `${server.url}/app`, ...hook };
  const application = new WebSocketApplication({
    hook: whole,
    callSid: 'call-1',
    journal: journalOver(sink),
    traceId: TRACE,
    guard: new AddressGuard({ allowPrivate: more.allowPrivate ?? true }),
    // Server and client share this process: nothing is late here unless it is meant to be.
    limits: { ...DEFAULT_CONVERSATION_LIMITS, handshakeTimeoutMs: 30_000, ackTimeoutMs: 30_000, ...limits },
    ...more,
  });
  t.teardown(() => application.close());
  const commands = new Channel<ApplicationCommand>();
  application.onCommand((command) => commands.post(command));
  const ends = new Channel<ApplicationEnd>();
  application.onEnd((end) => ends.post(end));
  return { server, sink, application, commands, ends, hook: whole };
}

/** A session that has begun. */
async function begin({ server, application, hook }: Setup): Promise<ServerSocket> {
  const reply = application.request('session:new', hook, { callSid: 'call-1', callerName: 'Jane' });
  const socket = await server.next();
  socket.ack(await socket.next('session:new'), HANGUP);
  await reply;
  return socket;
}

t.test(
  'session:new opens a socket with the subprotocol and basic authentication, and its ack brings the verbs',
  async (t) => {
    const { server, application, hook } = await setUp(t, { username: 'jane', password: 'pass:word' });
    const reply = application.request('session:new', hook, {
      callSid: 'call-1',
      sip: { headers: { 'X-Any': 'x' } },
      customerData: { keepThis: 1 },
    });
    const socket = await server.next();
    t.equal(socket.ws.protocol, 'ws.jambonz.org');
    t.equal(socket.path, '/app');
    t.equal(socket.headers.authorization, `Basic ${Buffer.from('jane:pass:word').toString('base64')}`);
    t.notOk(socket.headers['jambonz-signature']);
    const message = await socket.next('session:new');
    t.match(message, { type: 'session:new', call_sid: 'call-1', b3: `${TRACE}-${TRACE.slice(0, 16)}-1` });
    t.ok(message.msgid);
    t.notOk('hook' in message);
    t.same(message.data, { call_sid: 'call-1', sip: { headers: { 'X-Any': 'x' } }, customer_data: { keepThis: 1 } });
    socket.ack(message, HANGUP);
    t.match(await reply, { kind: 'verbs', verbs: HANGUP });
    t.ok(application.staysOpen);
  },
);

t.test('verb:hook names its hook; an ack without data means to go on, and one to no message is left', async (t) => {
  const rig = await setUp(t);
  const socket = await begin(rig);
  const { application } = rig;
  const first = application.request('verb:hook', { url: '/gathered' }, { digits: '12' });
  const asked = await socket.next('verb:hook');
  t.match(asked, { hook: '/gathered', data: { digits: '12' } });
  socket.ack({ ...asked, msgid: 'of nobody' }, HANGUP);
  socket.ack(asked);
  t.match(await first, { kind: 'nothing', isMeant: true });
  const second = application.request('verb:hook', { url: '/gathered' }, {});
  socket.ack(await socket.next('verb:hook'), []);
  t.match(await second, { kind: 'verbs', verbs: [] });
  const third = application.request('verb:hook', { url: '/gathered' }, {});
  socket.ack(await socket.next('verb:hook'), { some: 'object' });
  t.match(await third, { kind: 'nothing', object: { some: 'object' } });
});

t.test(
  'call:status goes out without a hook and without an ack; one that is told first goes behind session:new',
  async (t) => {
    const { server, application, hook } = await setUp(t);
    const told = application.notify(undefined, { callStatus: 'trying' });
    const reply = application.request('session:new', hook, {});
    const socket = await server.next();
    const message = await socket.messages.take();
    t.equal(message.type, 'session:new');
    t.match(await socket.messages.take(), { type: 'call:status', data: { call_status: 'trying' } });
    await told;
    socket.ack(message, HANGUP);
    await reply;
  },
);

t.test('what the application does not acknowledge in time has failed', async (t) => {
  const rig = await setUp(t, {}, { ackTimeoutMs: 50 });
  const reply = rig.application.request('session:new', rig.hook, {});
  await (await rig.server.next()).next('session:new');
  await t.rejects(reply, { code: 'hook/timeout', message: /did not acknowledge session:new within 50 ms/ });
  t.match(rig.sink.alerts, [{ alertType: 'webhook-connection-failure' }]);
});

t.test('verbs that cannot be run are refused with path and reason, over the socket too', async (t) => {
  const rig = await setUp(t);
  const socket = await begin(rig);
  const asked = rig.application.request('verb:hook', { url: '/x' }, {});
  socket.ack(await socket.next('verb:hook'), [{ verb: 'say' }]);
  await t.rejects(asked, { code: 'hook/invalid-application' });
  t.match(await socket.next('jambonz:error'), { data: { msg: 'invalid actionHook response', details: /text/ } });
  t.match(rig.sink.alerts, [{ alertType: 'invalid-app-payload' }]);
});

t.test('an application whose first verbs cannot be run finds its socket closed with 1001', async (t) => {
  const rig = await setUp(t);
  const reply = rig.application.request('session:new', rig.hook, {});
  const socket = await rig.server.next();
  socket.ack(await socket.next('session:new'), [{ verb: 'sing' }]);
  await t.rejects(reply, { code: 'hook/invalid-application' });
  rig.application.close();
  t.match(await socket.closed, { code: 1001, reason: /sing/ });
});

t.test('commands are handed on as they came; what is no message is answered with InvalidMessage', async (t) => {
  const rig = await setUp(t);
  const socket = await begin(rig);
  socket.command('redirect', HANGUP, { queueCommand: true, callSid: 'leg' });
  t.same(await rig.commands.take(), { command: 'redirect', data: HANGUP, queueCommand: true, callSid: 'leg' });
  socket.command('llm:tool-output', { result: 1 }, { tool_call_id: 't1' });
  t.same(await rig.commands.take(), { command: 'llm:tool-output', data: { result: 1 }, toolCallId: 't1' });
  socket.command('tts:flush');
  t.same(await rig.commands.take(), { command: 'tts:flush' });
  const cases: [unknown, RegExp][] = [
    ['a text', /not a JSON object/],
    [{ msgid: 'x' }, /^type: is missing/],
    [{ type: 'nack' }, /^type: must be ack or command, not "nack"/],
    [{ type: 'ack' }, /^msgid: is missing/],
    [{ type: 'command' }, /^command: is missing/],
    [{ type: 'command', command: 'redirect' }, /^data: is missing/],
    [[1], /not a JSON object/],
  ];
  for (const [message, details] of cases) {
    socket.send(message);
    t.match(await socket.next('jambonz:error'), { data: { msg: 'InvalidMessage', details } });
  }
  socket.ws.send('{ no json');
  t.match(await socket.next('jambonz:error'), { data: { details: /not JSON/, content: '{ no json' } });
  t.ok(rig.application.staysOpen);
});

t.test('a binary message ends the conversation with 1003', async (t) => {
  const rig = await setUp(t);
  const socket = await begin(rig);
  socket.ws.send(Buffer.from('{}'), { binary: true });
  t.equal((await socket.closed).code, 1003);
  t.match(await rig.ends.take(), { how: 'lost', reason: /binary/ });
  t.equal(rig.server.sockets.size, 0, 'nobody connects again');
});

t.test('a message that is too long ends the conversation with 1009', async (t) => {
  const rig = await setUp(t, {}, { maxMessageBytes: 2000 });
  const socket = await begin(rig);
  const asked = rig.application.request('verb:hook', { url: '/x' }, {});
  socket.ack(await socket.next('verb:hook'), [{ verb: 'say', text: 'x'.repeat(2000) }]);
  await t.rejects(asked, { code: 'hook/invalid-application', message: /longer than 2000 bytes/ });
  t.equal((await socket.closed).code, 1009);
  t.match(await rig.ends.take(), { how: 'lost' });
});

t.test('the application closes with 1000: it is told nothing more, and what it was asked means to go on', async (t) => {
  const rig = await setUp(t);
  const socket = await begin(rig);
  const asked = rig.application.request('verb:hook', { url: '/x' }, {});
  await socket.next('verb:hook');
  socket.ws.close(1000);
  t.match(await asked, { kind: 'nothing', isMeant: true });
  t.same(await rig.ends.take(), { how: 'closed' });
  t.notOk(rig.application.staysOpen);
  t.match(await rig.application.request('verb:hook', { url: '/x' }, {}), { kind: 'nothing' });
  await rig.application.notify(undefined, { callStatus: 'completed' });
  t.equal(rig.server.sockets.size, 0);
});

t.test('a lost connection: session:reconnect has the first payload, and all else waits for its ack', async (t) => {
  const rig = await setUp(t);
  const socket = await begin(rig);
  const unanswered = rig.application.request('verb:hook', { url: '/lost' }, {});
  await socket.next('verb:hook');
  socket.ws.terminate();
  await t.rejects(unanswered, { code: 'hook/connection', message: /lost before the answer/ });
  const held = rig.application.request('verb:hook', { url: '/held' }, {});
  const told = rig.application.notify(undefined, { callStatus: 'in-progress' });
  const again = await rig.server.next();
  const reconnect = await again.messages.take();
  t.match(reconnect, { type: 'session:reconnect', data: { call_sid: 'call-1', caller_name: 'Jane' } });
  again.send({ type: 'command', command: 'tag', data: { a: 1 } });
  await rig.commands.take('command');
  t.equal(again.messages.size, 0, 'nothing else comes before the ack');
  again.ack(reconnect);
  t.match(await again.messages.take(), { type: 'verb:hook', hook: '/held' });
  t.match(await again.messages.take(), { type: 'call:status' });
  await told;
  rig.application.close();
  await t.rejects(held);
  t.match(await again.closed, { code: 1000 });
});

t.test('a connection that is lost before session:new is answered: the reconnection takes over its ack', async (t) => {
  const { server, application, hook } = await setUp(t);
  const reply = application.request('session:new', hook, {});
  const socket = await server.next();
  await socket.next('session:new');
  socket.ws.terminate();
  const again = await server.next();
  again.ack(await again.next('session:reconnect'), HANGUP);
  t.match(await reply, { kind: 'verbs', verbs: HANGUP });
});

t.test('session:reconnect that is not acknowledged: the application is lost, and what waits has failed', async (t) => {
  const rig = await setUp(t, {}, { ackTimeoutMs: 200 });
  const socket = await begin(rig);
  socket.ws.close(1011);
  await rig.server.next();
  const held = rig.application.request('verb:hook', { url: '/held' }, {});
  t.match(await rig.ends.take(), { how: 'lost', reason: /session:reconnect/ });
  await t.rejects(held, { code: 'hook/connection' });
  t.match(rig.sink.alerts, [{ alertType: 'webhook-connection-failure' }, {}]);
});

t.test('an application may answer session:reconnect with a goodbye, or with verbs that nobody asked for', async (t) => {
  const rig = await setUp(t);
  const socket = await begin(rig);
  socket.ws.terminate();
  const again = await rig.server.next();
  again.ack(await again.next('session:reconnect'), [{ verb: 'sing' }]);
  const asked = rig.application.request('verb:hook', { url: '/x' }, {});
  again.ack(await again.next('verb:hook'));
  t.match(await asked, { kind: 'nothing' });
  again.ws.terminate();
  const third = await rig.server.next();
  await third.next('session:reconnect');
  const held = rig.application.request('verb:hook', { url: '/x' }, {});
  third.ws.close(1000);
  t.match(await held, { kind: 'nothing' });
  t.same(await rig.ends.take(), { how: 'closed' });
  t.notOk(rig.application.staysOpen);
});

t.test('the connection may be lost as often as rc says', async (t) => {
  const server = await SocketServer.start();
  t.teardown(() => server.stop());
  const rig = await setUp(t, { url: `${server.url}/app#rc=1` });
  const socket = await begin({ ...rig, server });
  socket.ws.terminate();
  const again = await server.next();
  again.ack(await again.next('session:reconnect'));
  again.ws.terminate();
  t.match(await rig.ends.take(), { how: 'lost', reason: /lost 2 times/ });
});

t.test('a server that is not there yet is tried again; one that refuses the handshake is not', async (t) => {
  const { server, application, hook, sink } = await setUp(t);
  await server.stop();
  const reply = application.request('session:new', hook, {});
  while (!sink.lines.some((line) => line.includes('again in 500 ms'))) await new Promise(setImmediate);
  await server.listen();
  const socket = await server.next();
  socket.ack(await socket.next('session:new'), HANGUP);
  t.match(await reply, { kind: 'verbs' });

  const other = await setUp(t);
  other.server.onUpgrade = (_request, socket) => socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n');
  await t.rejects(other.application.request('session:new', other.hook, {}), { code: 'hook/status', status: 403 });
  t.match(other.sink.alerts, [{ alertType: 'webhook-failure' }]);
});

t.test('a handshake that takes too long has failed', async (t) => {
  const { server } = await setUp(t);
  server.onUpgrade = () => {};
  const none = await setUp(t, { url: `${server.url}/app#rc=0` }, { handshakeTimeoutMs: 30 });
  await t.rejects(none.application.request('session:new', none.hook, {}), {
    code: 'hook/connection',
    message: /the handshake took longer than 30 ms/,
  });
});

t.test('a handshake that comes drop by drop has its time, and no more', async (t) => {
  const { server } = await setUp(t);
  server.onUpgrade = (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\n');
    const drops = setInterval(() => socket.write('X-Drop: 1\r\n'), 5);
    socket.on('error', () => {}).on('close', () => clearInterval(drops));
  };
  const slow = await setUp(t, { url: `${server.url}/app#rc=0` }, { handshakeTimeoutMs: 60 });
  await t.rejects(slow.application.request('session:new', slow.hook, {}), {
    code: 'hook/connection',
    message: /the handshake took longer than 60 ms/,
  });
});

t.test(
  'redirects are followed, credentials stay with their origin, and nothing leads to a private address',
  async (t) => {
    const rig = await setUp(t, { username: 'jane', password: 'x' });
    const other = await SocketServer.start();
    t.teardown(() => other.stop());
    rig.server.onUpgrade = (_request, socket) =>
      socket.end(`HTTP/1.1 302 Found\r\nLocation: ${other.url}/moved\r\nContent-Length: 0\r\n\r\n`);
    const reply = rig.application.request('session:new', rig.hook, {});
    const socket = await other.next();
    t.equal(socket.path, '/moved');
    t.notOk(socket.headers.authorization);
    socket.ack(await socket.next('session:new'), HANGUP);
    await reply;

    for (const url of ['ws://127.0.0.1:1/', 'ws://localhost:1/', 'ws://169.254.169.254/latest']) {
      const guarded = await setUp(t, { url }, {}, { allowPrivate: false });
      await t.rejects(guarded.application.request('session:new', guarded.hook, {}), { code: 'hook/forbidden' }, url);
    }
  },
);

t.test('a server that does not answer pings is taken for dead', async (t) => {
  const rig = await setUp(t, {}, { pingIntervalMs: 400 });
  const pings = await begin(rig);
  await once(pings.ws, 'ping');
  // Nothing is read any more, pings included.
  pings.ws.pause();
  const again = await rig.server.next();
  t.equal((await again.next('session:reconnect')).type, 'session:reconnect');
  t.ok(rig.sink.lines.some((line) => line.includes('did not answer a ping')));
  pings.ws.terminate();
});

t.test(
  'a server that does not read: no more waits for it than is allowed, then its connection is closed',
  async (t) => {
    const rig = await setUp(t, {}, { maxBufferedBytes: 100_000, pingIntervalMs: 0 });
    const socket = await begin(rig);
    socket.ws.pause();
    const big = { text: 'x'.repeat(50_000) };
    for (let n = 0; n < 2000 && !rig.sink.lines.some((line) => line.includes('does not read')); n++) {
      rig.application.send('verb:status', big);
      await new Promise(setImmediate);
    }
    t.ok(rig.sink.lines.some((line) => line.includes('more than 100000 bytes wait for it')));
    socket.ws.terminate();
    const again = await rig.server.next();
    again.ack(await again.next('session:reconnect'));
  },
);

t.test('a flood: what is too much is passed over and told; who goes on is cut off with 1008', async (t) => {
  const rig = await setUp(t);
  const socket = await begin(rig);
  for (let n = 0; n < 350; n++) socket.command('tag', { n });
  const { data } = await socket.next('jambonz:error');
  t.match(data, { msg: 'TooManyMessages', details: /messages were passed over/ });
  t.ok(rig.commands.size >= 300 && rig.commands.size < 350, `${rig.commands.size} came through`);
  for (let n = 0; n < 3000; n++) socket.command('tag', { n });
  t.equal((await socket.closed).code, 1008);
  t.match(await rig.ends.take(), { how: 'lost', reason: /floods/ });
  t.ok(rig.commands.size < 1000, `${rig.commands.size} came through`);
});

t.test('a flood of long messages: each counts as several', async (t) => {
  const rig = await setUp(t);
  const socket = await begin(rig);
  for (let n = 0; n < 20; n++) socket.command('tag', { text: 'x'.repeat(900_000) });
  t.match((await socket.next('jambonz:error')).data, { msg: 'TooManyMessages' });
  t.ok(rig.commands.size > 0 && rig.commands.size < 15, `${rig.commands.size} came through`);
});

t.test('the call is over: its socket is closed with 1000, and what waits for an answer fails', async (t) => {
  const rig = await setUp(t);
  const socket = await begin(rig);
  const asked: Promise<HookReply> = rig.application.request('verb:hook', { url: '/x' }, {});
  await socket.next('verb:hook');
  rig.application.close();
  await t.rejects(asked, { code: 'hook/connection' });
  t.match(await socket.closed, { code: 1000 });
  t.equal(rig.ends.size, 0);
});
