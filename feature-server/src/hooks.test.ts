/** Hooks of verbs, redirect and status, asked in every way in which a hook may be written (compat 2.2). */
import { createHmac } from 'node:crypto';
import t, { type Test } from 'tap';
import type { SeenRequest } from './testing/application-server.js';
import { startPlatform, webhookOf } from './testing/platform-rig.js';
import { SocketServer } from './testing/socket-server.js';

t.setTimeout(120_000);
const rig = await startPlatform(t, {}, (url) => ({
  callHook: { ...webhookOf(`${url}/hook`), username: 'app', password: 'secret' },
}));

/** In the order in which the call comes to them. */
const HOOKS = ['gather', 'play', 'dial', 'wait', 'enqueue', 'redirect', 'status'] as const;
type HookName = (typeof HOOKS)[number];
/** What is answered; to others nothing, which means to go on. */
const ANSWERS: Partial<Record<HookName, unknown[]>> = { wait: [{ verb: 'leave' }], redirect: [{ verb: 'hangup' }] };

/** A call whose verbs have hooks that are written so. */
async function callWith(way: string, hook: (name: HookName) => unknown): Promise<void> {
  rig.app.on('/hook', [
    { verb: 'gather', input: ['digits'], timeout: 0.05, actionHook: hook('gather') },
    { verb: 'play', url: 'silence_stream://20', actionHook: hook('play') },
    { verb: 'dial', target: [{ type: 'sip', sipUri: 'sip:nobody@127.0.0.1' }], actionHook: hook('dial') },
    { verb: 'enqueue', name: way, waitHook: hook('wait'), actionHook: hook('enqueue') },
    { verb: 'redirect', actionHook: hook('redirect'), statusHook: hook('status') },
  ]);
  const call = await rig.call({ headers: { 'X-Call-Sid': way } });
  await call.finished;
}

const basic = (credentials: string): string => `Basic ${Buffer.from(credentials).toString('base64')}`;

function isSigned(t: Test, { headers, body, method }: SeenRequest): void {
  const [, at = '', signature] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(String(headers['jambonz-signature'])) ?? [];
  const expected = createHmac('sha256', 'wh_secret').update(`${at}.${body}`).digest('hex');
  if (method === 'POST') t.equal(signature, expected, 'signed');
  else t.ok(signature, 'signed over what is not sent');
}

interface Way {
  hook(path: string): unknown;
  sees: { method: string; query?: string; authorization: string };
  /** The first try of each hook gets 503. */
  isRetried?: true;
}

const WAYS: Record<string, Way> = {
  relative: { hook: (path) => path, sees: { method: 'POST', authorization: basic('app:secret') } },
  absolute: {
    hook: (path) => ({ url: `${rig.app.url}${path}`, method: 'POST', username: 'jane', password: 'pass:word' }),
    sees: { method: 'POST', authorization: basic('jane:pass:word') },
  },
  basicAuth: {
    hook: (path) => ({ url: path, basicAuth: { username: 'joe', password: 'word' } }),
    sees: { method: 'POST', authorization: basic('joe:word') },
  },
  get: {
    hook: (path) => ({ url: `${path}?tenant=7&b=%20`, method: 'GET' }),
    sees: { method: 'GET', query: '?tenant=7&b=%20', authorization: basic('app:secret') },
  },
  fragment: {
    hook: (path) => `${path}?x=1#rc=1&rp=5xx`,
    sees: { method: 'POST', query: '?x=1', authorization: basic('app:secret') },
    isRetried: true,
  },
};

for (const [way, { hook, sees, isRetried }] of Object.entries(WAYS)) {
  t.test(`hooks that are written so: ${JSON.stringify(hook('/path'))}`, async (t) => {
    for (const name of HOOKS) {
      let tries = 0;
      rig.app.on(`/${way}-${name}`, (response) => {
        tries += 1;
        if (isRetried && tries === 1) response.writeHead(503).end();
        else response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(ANSWERS[name] ?? []));
      });
    }
    await callWith(way, (name) => hook(`/${way}-${name}`));
    for (const name of HOOKS) {
      const path = `/${way}-${name}`;
      for (let i = isRetried ? 2 : 1; i > 0; i--) {
        const seen = await rig.app.next(path);
        const { method, query, headers, body, json } = seen;
        t.match({ method, query, authorization: headers.authorization }, { query: '', ...sees }, name);
        isSigned(t, seen);
        if (method === 'GET') t.equal(body, '');
        else t.match(json, { call_sid: way, account_sid: String, call_status: String }, name);
      }
      t.equal(rig.app.seen(path).length, isRetried ? 2 : 1, `${name}: asked as often as it must be`);
    }
  });
}

t.test(
  'hooks with the URL of a WebSocket: each is a session of its own, with the payload of the hook; redirect and status stay there',
  async (t) => {
    const sockets = await SocketServer.start();
    t.teardown(() => sockets.stop());
    const finished = callWith('socket', (name) => ({ url: `${sockets.url}/${name}`, username: 'u', password: 'p' }));
    for (const name of HOOKS.slice(0, -1)) {
      const socket = await sockets.next();
      const first = await socket.next('session:new');
      t.match([socket.path, socket.headers.authorization, first.data.call_sid], [`/${name}`, basic('u:p'), 'socket']);
      socket.ack(first, ANSWERS[name] ?? []);
      if (name === 'redirect') t.match((await socket.next('call:status')).data, { call_status: 'completed' });
      t.match(await socket.closed, { code: 1000 }, name);
    }
    await finished;
  },
);
