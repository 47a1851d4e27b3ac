import t, { type Test } from 'tap';
import { ApplicationServer } from '../testing/application-server.js';
import { Channel, CollectingSink, journalOver } from '../testing/fakes.js';
import { SocketServer } from '../testing/socket-server.js';
import { AddressGuard } from './address-guard.js';
import type { ApplicationCommand, ApplicationEnd, Hook } from './application.js';
import type { ApplicationRouter } from './application-router.js';
import { HttpClient } from './http-exchange.js';
import { openApplication } from './open-application.js';
import { DEFAULT_CONVERSATION_LIMITS } from './ws-application-options.js';

const HANGUP = [{ verb: 'hangup' }];
const PAUSE = [{ verb: 'pause', length: 1 }];

interface Setup {
  web: ApplicationServer;
  sockets: SocketServer;
  commands: Channel<ApplicationCommand>;
  ends: Channel<ApplicationEnd>;
  open(hook: Hook, opening?: object): ApplicationRouter;
}

async function setUp(t: Test): Promise<Setup> {
  const web = await ApplicationServer.start();
  t.teardown(() => web.stop());
  const sockets = await SocketServer.start();
  t.teardown(() => sockets.stop());
  const guard = new AddressGuard({ allowPrivate: true });
  const http = new HttpClient(guard);
  t.teardown(() => http.close());
  const commands = new Channel<ApplicationCommand>();
  const ends = new Channel<ApplicationEnd>();
  return {
    web,
    sockets,
    commands,
    ends,
    open: (hook, opening) => {
      const application = openApplication(
        { http, guard, sockets: { ...DEFAULT_CONVERSATION_LIMITS, handshakeTimeoutMs: 30_000, ackTimeoutMs: 30_000 } },
        {
          hook,
          callSid: 'call-1',
          journal: journalOver(new CollectingSink()),
          traceId: 'a'.repeat(32),
          webhookSecret: 'secret',
          ...(opening && { opening }),
        },
      );
      application.onCommand((command) => commands.post(command));
      application.onEnd((end) => ends.post(end));
      t.teardown(() => application.close());
      return application;
    },
  };
}

/** A router whose application is behind a socket, with its session begun. */
async function overSocket({ sockets, open }: Setup, path = '/app') {
  const hook = { url: `${sockets.url}${path}`, username: 'app', password: 'secret' };
  const application = open(hook);
  const reply = application.request('session:new', hook, {});
  const socket = await sockets.next();
  socket.ack(await socket.next('session:new'), HANGUP);
  await reply;
  return { application, socket };
}

t.test('a WebSocket application: an absolute http hook is a signed webhook with credentials of its own', async (t) => {
  const rig = await setUp(t);
  const { application, socket } = await overSocket(rig);
  rig.web.on('/plain', HANGUP).on('/own', HANGUP);
  await application.request('verb:hook', { url: `${rig.web.url}/plain` }, { digits: '1' });
  const plain = await rig.web.next('/plain');
  t.same(plain.json, { digits: '1' });
  t.ok(plain.headers['jambonz-signature']);
  t.notOk(plain.headers.authorization, "the application's password is for its socket");
  await application.request('verb:hook', { url: `${rig.web.url}/own`, username: 'own', password: 'x' }, {});
  t.ok((await rig.web.next('/own')).headers.authorization);
  t.ok(application.staysOpen);
  t.equal(socket.messages.size, 0);
});

t.test('a WebSocket application: session:redirect to an http URL moves the session to webhooks', async (t) => {
  const rig = await setUp(t);
  const { application, socket } = await overSocket(rig);
  rig.web.on('/moved', PAUSE).on('/next', HANGUP);
  const hook = { url: `${rig.web.url}/moved`, username: 'own', password: 'x' };
  t.match(await application.request('session:redirect', hook, {}), { kind: 'verbs', verbs: PAUSE });
  t.match(await socket.closed, { code: 1000 });
  t.notOk(application.staysOpen);
  await application.request('verb:hook', { url: '/next' }, {});
  t.ok((await rig.web.next('/next')).headers.authorization, 'relative hooks are its, and so are its credentials');
});

t.test('a redirect to a socket that answers without verbs: its end is told, as that of any application', async (t) => {
  const rig = await setUp(t);
  rig.web.on('/hook', HANGUP);
  const application = rig.open({ url: `${rig.web.url}/hook` });
  const hook = { url: `${rig.sockets.url}/commands`, username: 'b', password: 'of b' };
  const asked = application.request('session:redirect', hook, {});
  const socket = await rig.sockets.next();
  socket.ack(await socket.next('session:new'));
  t.match(await asked, { kind: 'nothing' });
  t.same(application.hook, hook, 'where a call that moves goes on, and with which password');
  socket.ws.close(1000);
  t.same(await rig.ends.take('end'), { how: 'closed' });
});

t.test('a session that another process has begun: only its own application hears of session:reconnect', async (t) => {
  const rig = await setUp(t);
  const application = rig.open({ url: `${rig.sockets.url}/app` }, { callSid: 'call-1' });
  const asked = application.request('verb:hook', { url: '/x' }, {});
  const own = await rig.sockets.next();
  own.ack(await own.next('session:reconnect'));
  own.ack(await own.next('verb:hook'), HANGUP);
  await asked;

  const adult = application.adult({ callSid: 'child', journal: journalOver(new CollectingSink()) });
  t.teardown(() => adult.close());
  const adulting = adult.request('session:adulting', { url: '' }, {});
  const ofChild = await rig.sockets.next();
  const first = await ofChild.messages.take();
  t.equal(first.type, 'session:adulting');
  ofChild.ack(first);
  await adulting;

  const moving = application.request('session:redirect', { url: `${rig.sockets.url}/other` }, {});
  const other = await rig.sockets.next();
  const message = await other.messages.take();
  t.equal(message.type, 'session:new');
  other.ack(message, HANGUP);
  await moving;
});

t.test('a session that another process has begun: the end of its application is told', async (t) => {
  const rig = await setUp(t);
  const application = rig.open({ url: `${rig.sockets.url}/app` }, { callSid: 'call-1' });
  const asked = application.request('verb:hook', { url: '/x' }, {});
  const socket = await rig.sockets.next();
  socket.ack(await socket.next('session:reconnect'));
  socket.ack(await socket.next('verb:hook'));
  await asked;
  socket.ws.close(1000);
  t.same(await rig.ends.take('end'), { how: 'closed' });
});

t.test('a redirect that fails moves nothing', async (t) => {
  const rig = await setUp(t);
  const { application, socket } = await overSocket(rig);
  await t.rejects(application.request('session:redirect', { url: `${rig.web.url}/nowhere` }, {}), {
    code: 'hook/status',
  });
  const asked = application.request('verb:hook', { url: '/x' }, {});
  socket.ack(await socket.next('verb:hook'));
  t.match(await asked, { kind: 'nothing' });
});

t.test('a webhook application: a ws hook is asked over a socket of its own, which is closed again', async (t) => {
  const { web, sockets, open } = await setUp(t);
  const application = open({ url: `${web.url}/hook` });
  const asked = application.request(
    'verb:hook',
    { url: `${sockets.url}/gathered`, username: 'u', password: 'p' },
    { digits: '1' },
  );
  const socket = await sockets.next();
  t.equal(socket.path, '/gathered');
  t.ok(socket.headers.authorization);
  const message = await socket.next('session:new');
  t.same(message.data, { digits: '1' });
  socket.ack(message, HANGUP);
  t.match(await asked, { kind: 'verbs', verbs: HANGUP });
  t.match(await socket.closed, { code: 1000 });
  t.notOk(application.staysOpen);
});

t.test('a webhook application: a redirect to a ws URL moves the session there, commands and all', async (t) => {
  const { web, sockets, open, commands } = await setUp(t);
  const application = open({ url: `${web.url}/hook` });
  const asked = application.request('session:redirect', { url: `${sockets.url}/app` }, { a: 1 });
  const socket = await sockets.next();
  const message = await socket.next('session:new');
  socket.ack(message, HANGUP);
  t.match(await asked, { kind: 'verbs' });
  t.ok(application.staysOpen);
  t.equal(application.baseUrl, `${sockets.url}/app`);
  socket.command('tag', { a: 1 });
  t.match(await commands.take(), { command: 'tag' });
  // Nobody answers it: only that it is sent counts here.
  void application.request('verb:hook', { url: '/x' }, {}).catch(() => {});
  t.match(await socket.next('verb:hook'), { hook: '/x' });
});

t.test('method WS reaches an http URL over a socket', async (t) => {
  const { sockets, open } = await setUp(t);
  const hook: Hook = { url: `${sockets.url.replace('ws:', 'http:')}/app`, method: 'WS' };
  const asked = open(hook).request('session:new', hook, {});
  const socket = await sockets.next();
  socket.ack(await socket.next('session:new'), HANGUP);
  t.match(await asked, { kind: 'verbs' });
});

t.test(
  'a WebSocket application: another path of its server is asked over its socket, but redirects go where they lead',
  async (t) => {
    const rig = await setUp(t);
    const { application, socket } = await overSocket(rig);
    const asked = application.request('verb:hook', { url: `${rig.sockets.url}/gathered` }, {});
    socket.ack(await socket.next('verb:hook'));
    await asked;
    const same = application.request('session:redirect', { url: '/menu' }, {});
    const redirect = await socket.next('session:redirect');
    t.equal(redirect.hook, '/menu');
    socket.ack(redirect, HANGUP);
    await same;
    const moved = application.request('session:redirect', { url: `${rig.sockets.url}/other` }, {});
    const other = await rig.sockets.next();
    t.equal(other.path, '/other');
    other.ack(await other.next('session:new'), HANGUP);
    await moved;
    t.match(await socket.closed, { code: 1000 });
  },
);

t.test('call status: WebSocket applications always hear it, and so does an http status hook', async (t) => {
  const rig = await setUp(t);
  const { application, socket } = await overSocket(rig);
  rig.web.on('/status', (response) => response.writeHead(204).end());
  await application.notify(undefined, { callStatus: 'trying' });
  t.match(await socket.next('call:status'), { data: { call_status: 'trying' } });
  await application.notify({ url: `${rig.web.url}/status` }, { callStatus: 'in-progress' });
  t.match(await socket.next('call:status'), { data: { call_status: 'in-progress' } });
  t.match((await rig.web.next('/status')).json, { call_status: 'in-progress' });
  await application.notify({ url: `${rig.sockets.url}/app` }, { callStatus: 'completed' });
  t.match(await socket.next('call:status'), { data: { call_status: 'completed' } });
  t.equal(rig.sockets.sockets.size, 0, 'its own URL as status hook is its own socket');
});

t.test(
  'call status: a ws status hook of a webhook application gets one socket, which begins with session:new',
  async (t) => {
    const { web, sockets, open } = await setUp(t);
    const application = open({ url: `${web.url}/hook` });
    const hook = { url: `${sockets.url}/status` };
    const first = application.notify(hook, { callStatus: 'trying' });
    const socket = await sockets.next();
    socket.ack(await socket.next('session:new'), HANGUP);
    await first;
    await application.notify(hook, { callStatus: 'in-progress' });
    t.match(await socket.next('call:status'), { data: { call_status: 'in-progress' } });
    application.close();
    t.match(await socket.closed, { code: 1000 });
  },
);

t.test('a leg that goes on by itself has a socket of its own', async (t) => {
  const rig = await setUp(t);
  const { application, socket } = await overSocket(rig, '/app?x=1');
  const child = application.adult({ callSid: 'child', journal: journalOver(new CollectingSink()) });
  t.teardown(() => child.close());
  const asked = child.request('session:adulting', { url: '' }, { parentCallInfo: { callSid: 'call-1' } });
  const own = await rig.sockets.next();
  t.equal(own.path, '/app/adulting?x=1');
  t.ok(own.headers.authorization);
  const message = await own.next('session:adulting');
  t.match(message, { call_sid: 'child', data: { parent_call_info: { call_sid: 'call-1' } } });
  own.ack(message);
  t.match(await asked, { kind: 'nothing' });
  application.close();
  await socket.closed;
  t.ok(child.staysOpen);
});
