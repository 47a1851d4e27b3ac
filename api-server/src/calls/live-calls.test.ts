import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  activeCallsKey,
  announce,
  conferenceDirectory,
  FEATURE_SERVERS,
  featureServerKey,
  INTERNAL_SIGNATURE,
  ledgerKey,
  openInternal,
  Queue,
  UPDATE_CALL_PATH,
  type UpdateCallOrder,
} from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import t from 'tap';
import { startTestApi, type TestApi } from '../testing/api.js';

t.setTimeout(200_000);
let api: TestApi;
const orders: UpdateCallOrder[] = [];
/** What the feature server answers. */
let answer: { status: number; body?: unknown; headers?: Record<string, string> } = { status: 202 };
const PATH = `/v1/Accounts/${SEED.accountSid}/Calls`;
const LEDGER = ledgerKey('fs-1');

/** A live call as its feature server writes it down. */
async function live(
  callSid: string,
  payload: Record<string, unknown>,
  accountSid: string = SEED.accountSid,
): Promise<void> {
  const common = { callSid, accountSid, direction: 'inbound', callStatus: 'in-progress', sipStatus: 200 };
  const entry = {
    callSid,
    accountSid,
    applicationSid: 'app',
    answeredAt: Date.now() - 7_500,
    payload: { ...common, ...payload },
  };
  await api.redis.hset(LEDGER, callSid, JSON.stringify(entry));
  await api.redis.zadd(activeCallsKey(accountSid), Date.now() + 30_000, callSid);
}

t.before(async () => {
  api = await startTestApi({ workers: false });
  t.teardown(() => api.stop());
  const server = createServer(async (req, res) => {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const signature = req.headers[INTERNAL_SIGNATURE.toLowerCase()]?.toString();
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
    orders.push(openInternal('key material', UPDATE_CALL_PATH, { signature, body }) as UpdateCallOrder);
    res.writeHead(answer.status, { 'content-type': 'application/json', ...answer.headers });
    res.end(answer.body === undefined ? '' : JSON.stringify(answer.body));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => void server.close());
  const httpUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const announcement = announce({
    redis: api.redis,
    setKey: FEATURE_SERVERS,
    key: featureServerKey('fs-1'),
    instanceId: 'fs-1',
    // It drains: it takes no new calls, but those that it has are controlled.
    info: () => ({ instanceId: 'fs-1', httpUrl, sipAddress: '127.0.0.1:5060', calls: 2, accepting: false }),
    logger: api.logger,
  });
  await announcement.ready;
  t.teardown(() => announcement.close());
  await live('call-a', { from: '15551', to: '4930', callerId: 'x' });
  await live('call-b', {
    from: '15552',
    to: '4931',
    direction: 'outbound',
    callStatus: 'ringing',
    parentCallSid: 'call-a',
  });
  await live('call-of-another', { from: '1', to: '2' }, 'another-account');
});

t.test('live calls are listed in snake_case with duration, and filtered', async (t) => {
  const { status, body } = await api.account('GET', PATH);
  t.equal(status, 200);
  t.match((body as { call_sid: string }[]).map((call) => call.call_sid).sort(), ['call-a', 'call-b']);
  const only = async (query: string) =>
    ((await api.account('GET', `${PATH}?${query}`)).body as { call_sid: string }[]).map((call) => call.call_sid);
  t.same(await only('direction=outbound'), ['call-b']);
  t.same(await only('from=%2B15551'), ['call-a']);
  t.same(await only('to=4931'), ['call-b']);
  t.same(await only('callStatus=in-progress'), ['call-a']);
  t.same(await only('callStatus=busy'), []);
  t.match(await api.account('GET', `${PATH}?direction=sideways`), { status: 400, body: { msg: /^direction: / } });
  t.match(await api.serviceProvider('GET', PATH), { status: 200 });
  t.match(await api.stranger('GET', PATH), { status: 403 });
});

t.test('one live call, also a leg that another has called', async (t) => {
  t.match(await api.account('GET', `${PATH}/call-a`), {
    status: 200,
    body: { call_sid: 'call-a', caller_id: 'x', duration: Number, sip_status: 200, service_url: /^http/ },
  });
  t.match(await api.account('GET', `${PATH}/call-b`), { status: 200, body: { parent_call_sid: 'call-a' } });
  t.match(await api.account('GET', `${PATH}/none`), { status: 404, body: { msg: /no live call none/ } });
  t.match(await api.account('GET', `${PATH}/call-of-another`), { status: 404 });
});

t.test('an update goes to the feature server that holds the call, signed, and its answer comes back', async (t) => {
  orders.length = 0;
  t.match(await api.account('PUT', `${PATH}/call-b`, { mute_status: 'mute' }), { status: 202 });
  t.match(orders, [{ callSid: 'call-b', accountSid: SEED.accountSid, body: { mute_status: 'mute' } }]);
  answer = { status: 200, body: { status: 200, reason: 'OK' } };
  t.match(await api.account('POST', `${PATH}/call-a`, { sip_request: {} }), {
    status: 200,
    body: { status: 200, reason: 'OK' },
  });
  answer = { status: 400, body: { msg: 'sip_request.method: must be a text' } };
  t.match(await api.account('PUT', `${PATH}/call-a`, {}), { status: 400, body: { msg: /^sip_request.method/ } });
  answer = { status: 422, body: { msg: 'the call is over' } };
  t.match(await api.account('PUT', `${PATH}/call-a`, {}), { status: 422, body: { msg: 'the call is over' } });
  answer = { status: 429, body: { msg: 'too many commands for this call' }, headers: { 'retry-after': '1' } };
  const limited = await fetch(`${api.server.url}${PATH}/call-a`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${SEED.accountToken}`, 'content-type': 'application/json' },
    body: '{}',
  });
  t.match([limited.status, limited.headers.get('retry-after')], [429, '1']);
  t.match(await limited.json(), { msg: /too many commands/ });
  answer = { status: 500, body: {} };
  t.match(await api.account('PUT', `${PATH}/call-a`, {}), { status: 502 });
  orders.length = 0;
  t.match(await api.account('PUT', `${PATH}/call-of-another`, { call_status: 'completed' }), { status: 404 });
  t.match(await api.stranger('PUT', `${PATH}/call-a`, { call_status: 'completed' }), { status: 403 });
  t.equal(orders.length, 0);
});

t.test(
  'a call that is deleted is listed no more until its next status, and goes on with all that its end needs',
  async (t) => {
    orders.length = 0;
    t.match(await api.account('DELETE', `${PATH}/call-b`), { status: 204 });
    t.match(await api.account('DELETE', `${PATH}/call-b`), { status: 404 });
    t.equal(await api.redis.hexists(LEDGER, 'call-b'), 1, 'its last status can still be told, whoever dies');
    t.equal(orders.length, 0);
    await live('call-b', { from: '15552', to: '4931', direction: 'outbound', callStatus: 'in-progress' });
    t.match(await api.account('GET', `${PATH}/call-b`), { status: 200, body: { call_status: 'in-progress' } });
  },
);

t.test('conferences and queues of the account are listed', async (t) => {
  const account = `/v1/Accounts/${SEED.accountSid}`;
  t.same((await api.account('GET', `${account}/Conferences`)).body, []);
  const directory = conferenceDirectory({
    redis: api.redis,
    featureServer: 'fs-1',
    sipAddress: () => '127.0.0.1:5060',
    logger: api.logger,
  });
  t.teardown(() => directory.close());
  await directory.claim(SEED.accountSid, 'daily');
  const stopWaiting = directory.wait(SEED.accountSid, 'not begun', 'call-b');
  t.same((await api.account('GET', `${account}/Conferences`)).body, ['daily']);
  t.match((await api.account('GET', `${account}/Conferences?details=true`)).body, [
    { name: 'daily', started_at: Number, waiting: [], members: [] },
    { name: 'not begun', started_at: null, waiting: ['call-b'], members: [] },
  ]);
  stopWaiting();
  await new Queue(api.redis, SEED.accountSid, 'support').join('call-a', 999);
  t.same((await api.account('GET', `${account}/Queues`)).body, [{ name: 'support', length: '1' }]);
  t.same((await api.account('GET', `${account}/Queues?search=SUPP`)).body, [{ name: 'support', length: '1' }]);
  t.same((await api.account('GET', `${account}/Queues?search=sales`)).body, []);
  t.match(await api.stranger('GET', `${account}/Queues`), { status: 403 });
});
