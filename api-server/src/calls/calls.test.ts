import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  announce,
  FEATURE_SERVERS,
  type FeatureServerInfo,
  featureServerKey,
  INTERNAL_SIGNATURE,
  openInternal,
  PLACE_CALL_PATH,
  type PlaceCallOrder,
} from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { findFreePort } from '@ringwire/common/testing/services.js';
import t, { type Test } from 'tap';
import { startTestApi, type TestApi } from '../testing/api.js';

t.setTimeout(200_000);

let api: TestApi;
t.before(async () => {
  api = await startTestApi({ workers: false });
  t.teardown(() => api.stop());
});

const PATH = `/v1/Accounts/${SEED.accountSid}/Calls`;
const CALL = { from: '15550002222', to: { type: 'phone', number: '4930123456' }, application_sid: SEED.applicationSid };

/** Tells the API server of a feature server. */
async function announced(t: Test, info: Pick<FeatureServerInfo, 'instanceId' | 'httpUrl' | 'calls'>): Promise<void> {
  const { instanceId } = info;
  const announcement = announce({
    redis: api.redis,
    setKey: FEATURE_SERVERS,
    key: featureServerKey(instanceId),
    instanceId,
    info: () => ({ ...info, sipAddress: '127.0.0.1:5060', accepting: true }),
    logger: api.logger,
  });
  await announcement.ready;
  t.teardown(() => announcement.close());
}

/** The HTTP interface of a feature server, with the orders that it got. */
async function featureServer(t: Test, answer: { status: number; msg?: string }) {
  const orders: PlaceCallOrder[] = [];
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const signature = req.headers[INTERNAL_SIGNATURE.toLowerCase()]?.toString();
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
    const order = openInternal('key material', PLACE_CALL_PATH, { signature, body }) as PlaceCallOrder;
    orders.push(order);
    res.writeHead(answer.status, { 'content-type': 'application/json' });
    res.end(JSON.stringify(answer.msg ? { msg: answer.msg } : { sid: order.callSid, callId: 'call-id' }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, orders };
}

t.test('create call: the feature server with the fewest calls gets the order', async (t) => {
  const [busy, idle] = [await featureServer(t, { status: 201 }), await featureServer(t, { status: 201 })];
  await announced(t, { instanceId: 'busy', httpUrl: busy.url, calls: 9 });
  await announced(t, { instanceId: 'idle', httpUrl: idle.url, calls: 1 });
  const to = { ...CALL.to, auth: { username: 'u', password: 'p' } };
  const amd = { actionHook: '/amd' };
  const { status, body } = await api.account('POST', PATH, {
    ...CALL,
    ...{ to, amd, tag: { a: 1 }, timeout: 20, referHook: '/refer', answerOnBridge: true, dual_streams: true },
    ...{ call_hook: 'wss://example.com/app', speech_synthesis_label: 'mine' },
  });
  t.equal(status, 201);
  t.equal(busy.orders.length, 0);
  t.match(idle.orders, [
    {
      accountSid: SEED.accountSid,
      applicationSid: SEED.applicationSid,
      from: '15550002222',
      to: { type: 'phone', number: '4930123456' },
      timeoutMs: 20_000,
      tag: { a: 1 },
      callHook: { url: 'wss://example.com/app' },
      speech: { synthesisLabel: 'mine' },
      config: { amd, referHook: '/refer' },
      notAvailable: ['to.auth', 'dual_streams'],
    },
  ]);
  t.notOk('auth' in (idle.orders[0]!.to as object), 'carriers have credentials of their own');
  t.same(body, { sid: idle.orders[0]?.callSid, callId: 'call-id' });
});

t.test(
  'create call: the next feature server is asked when one is gone or takes no calls; 480 when none is left',
  async (t) => {
    t.match(await api.account('POST', PATH, CALL), { status: 480, body: { msg: /no feature server/ } });
    const full = await featureServer(t, { status: 503, msg: 'feature server is draining' });
    const good = await featureServer(t, { status: 201 });
    await announced(t, { instanceId: 'gone', httpUrl: `http://127.0.0.1:${await findFreePort()}`, calls: 0 });
    await announced(t, { instanceId: 'full', httpUrl: full.url, calls: 1 });
    await announced(t, { instanceId: 'good', httpUrl: good.url, calls: 2 });
    t.equal((await api.admin('POST', PATH, CALL)).status, 201);
    t.equal(full.orders.length, 1);
    t.equal(good.orders[0]?.callSid, full.orders[0]?.callSid, 'it is the same call');
  },
);

t.test('create call: what a feature server finds wrong is told, and nobody else is asked', async (t) => {
  const odd = await featureServer(t, { status: 404, msg: 'there is no application' });
  const other = await featureServer(t, { status: 201 });
  await announced(t, { instanceId: 'odd', httpUrl: odd.url, calls: 0 });
  await announced(t, { instanceId: 'other', httpUrl: other.url, calls: 1 });
  t.match(await api.account('POST', PATH, CALL), { status: 404, body: { msg: 'there is no application' } });
  t.equal(other.orders.length, 0);
});

t.test('create call: what cannot be dialled or sent is refused by name', async (t) => {
  const server = await featureServer(t, { status: 201 });
  await announced(t, { instanceId: 'one', httpUrl: server.url, calls: 0 });
  const refused = async (change: object, msg: RegExp) =>
    t.match(await api.account('POST', PATH, { ...CALL, ...change }), { status: 400, body: { msg } });
  for (const number of ['123\r\nX-Evil: 1', '"; drop', '1'.repeat(65), '']) {
    await refused({ to: { type: 'phone', number } }, /^to/);
  }
  await refused({ headers: { 'X-Bad': 'a\r\nX-Injected: b' } }, /headers\.X-Bad.*control/);
  await refused({ to: { ...CALL.to, headers: { 'X-Bad': 'a\nb' } } }, /to\.headers\.X-Bad.*control/);
  t.equal(server.orders.length, 0);
  t.equal((await api.account('POST', PATH, { ...CALL, to: { type: 'phone', number: '+49 (30) 12-34' } })).status, 201);
});

t.test(
  'create call: a SIP URI, user or proxy that is none is refused at once; a caller may have 256 characters',
  async (t) => {
    const server = await featureServer(t, { status: 201 });
    await announced(t, { instanceId: 'one', httpUrl: server.url, calls: 0 });
    const place = (change: object) => api.account('POST', PATH, { ...CALL, ...change });
    const sip = (sipUri: string) => ({ to: { type: 'sip', sipUri } });
    for (const sipUri of [
      'nonsense',
      'bob@example.com',
      'tel:+49',
      'sip:',
      'sip:a b@example.com',
      'http://example.com',
    ]) {
      t.match(await place(sip(sipUri)), { status: 400, body: { msg: /^to\.sipUri: must be a SIP URI/ } }, sipUri);
    }
    t.match(await place({ to: { type: 'user', name: 'a@b c' } }), {
      status: 400,
      body: { msg: /^to\.name: must be a user/ },
    });
    t.match(await place({ to: { ...CALL.to, proxy: 'somewhere' } }), { status: 400, body: { msg: /^to\.proxy: / } });
    t.match(await place({ from: '1'.repeat(257) }), { status: 400, body: { msg: /^from: .*256/ } });
    t.equal(server.orders.length, 0);
    const good = [
      sip('sip:bob@[::1]:5070;transport=tcp'),
      sip('sips:example.com'),
      { to: { type: 'user', name: 'jane@example.com' } },
    ];
    for (const change of [...good, { from: 'a'.repeat(256) }]) t.equal((await place(change)).status, 201);
  },
);

t.test("create call: headers that are the call's own are left out, and the timeline tells", async (t) => {
  const server = await featureServer(t, { status: 201 });
  await announced(t, { instanceId: 'one', httpUrl: server.url, calls: 0 });
  const headers = { 'Call-ID': 'mine', 'X-Call-Sid': 'mine', 'X-Good': 'yes' };
  const to = { ...CALL.to, headers: { Via: 'v', 'X-Mine': 'm' } };
  t.equal((await api.account('POST', PATH, { ...CALL, headers, to })).status, 201);
  t.strictSame(server.orders[0]?.headers, { 'X-Good': 'yes', 'X-Mine': 'm' });
  t.strictSame(server.orders[0]?.notAvailable, ['headers.Call-ID', 'headers.X-Call-Sid', 'to.headers.Via']);
});

t.test('create call: only the account itself and the operator place its calls', async (t) => {
  const server = await featureServer(t, { status: 201 });
  await announced(t, { instanceId: 'one', httpUrl: server.url, calls: 0 });
  t.equal((await api.serviceProvider('POST', PATH, CALL)).status, 403);
  t.equal((await api.stranger('POST', PATH, CALL)).status, 403);
  const sibling = `/v1/Accounts/${SEED.siblingAccountSid}/Calls`;
  t.match(await api.admin('POST', sibling, CALL), { status: 403, body: { msg: /another account/ } });
  t.equal(server.orders.length, 0);
});
