import { callPlacesKey, loadProvisioning, PROVISIONING_CHANGED } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import t from 'tap';
import { startTestApi } from '../testing/api.js';

const api = await startTestApi({ workers: false });
t.teardown(() => api.stop());
const { admin, serviceProvider, account, stranger, db, redis, logger } = api;
const ofAccount = `/v1/Accounts/${SEED.accountSid}/Limits`;
const ofApplication = `/v1/Applications/${SEED.applicationSid}/Limits`;
const ofServiceProvider = `/v1/ServiceProviders/${SEED.serviceProviderSid}/Limits`;
const calls = (quantity: unknown) => ({ category: 'voice_call_session', quantity });

t.test('a limit is set, changed, announced, read by the call path, and removed', async (t) => {
  const subscriber = redis.duplicate();
  t.teardown(() => subscriber.disconnect());
  const heard: string[] = [];
  subscriber.on('message', (_channel, table) => void heard.push(table));
  await subscriber.subscribe(PROVISIONING_CHANGED);
  const provisioning = await loadProvisioning({ db, redis, logger, encryptionSecret: 'key material' });
  t.teardown(() => provisioning.close());
  const limits = async () => {
    const snapshot = await provisioning.reload();
    return [
      snapshot.callLimit('account', SEED.accountSid),
      snapshot.callLimit('application', SEED.applicationSid),
      snapshot.callLimit('service_provider', SEED.serviceProviderSid),
    ];
  };
  t.same(await limits(), [null, null, null]);
  const made = await serviceProvider('POST', ofAccount, calls(5));
  t.match(made, { status: 201, body: { sid: /^[0-9a-f-]{36}$/ } });
  t.equal((await account('POST', ofApplication, calls(0))).status, 201);
  t.equal((await admin('POST', ofServiceProvider, calls(70))).status, 201);
  t.equal((await admin('POST', ofAccount, { category: 'device', quantity: 3 })).status, 201);
  t.same(await limits(), [5, 0, 70]);
  t.same((await admin('POST', ofAccount, calls(6))).body, made.body, 'one of each category');
  t.same(await limits(), [6, 0, 70]);
  t.match((await account('GET', ofAccount)).body, [
    { account_sid: SEED.accountSid, category: 'voice_call_session', quantity: 6 },
    { category: 'device', quantity: 3 },
  ]);
  t.match((await account('GET', `${ofAccount}?category=device`)).body, [{ category: 'device' }]);
  t.equal((await admin('DELETE', `${ofAccount}?category=device`)).status, 204);
  t.match((await account('GET', ofAccount)).body, [{ account_limits_sid: (made.body as { sid: string }).sid }]);
  t.equal((await admin('DELETE', ofAccount)).status, 204);
  t.same(await limits(), [null, 0, 70]);
  t.ok(['account_limits', 'application_limits', 'service_provider_limits'].every((table) => heard.includes(table)));
});

t.test('nobody lifts their own limit, and nobody sees those of others', async (t) => {
  t.equal((await account('POST', ofAccount, calls(1000))).status, 403);
  t.equal((await account('DELETE', ofAccount)).status, 403);
  t.equal((await serviceProvider('POST', ofServiceProvider, calls(1000))).status, 403);
  t.equal((await serviceProvider('GET', ofServiceProvider)).status, 200);
  t.equal((await account('GET', ofServiceProvider)).status, 403);
  for (const method of ['GET', 'POST', 'DELETE']) {
    t.equal((await stranger(method, ofAccount, method === 'POST' ? calls(1) : undefined)).status, 403);
    t.equal((await stranger(method, ofApplication, method === 'POST' ? calls(1) : undefined)).status, 404);
  }
  t.equal((await admin('GET', '/v1/ServiceProviders/nobody/Limits')).status, 404);
});

t.test('a wrong field is named', async (t) => {
  t.match(await admin('POST', ofAccount, { category: 'calls', quantity: 1 }), {
    status: 400,
    body: { msg: /^category/ },
  });
  for (const wrong of [-1, 1.5, '5', null, undefined]) {
    t.match(await admin('POST', ofAccount, calls(wrong)), { status: 400, body: { msg: /^quantity/ } });
  }
  t.match(await admin('POST', ofAccount, { ...calls(1), more: 1 }), { status: 400, body: { msg: /^more/ } });
  t.equal((await admin('GET', `${ofAccount}?category=x`)).status, 400);
});

t.test('the calls of an account are counted in both directions', async (t) => {
  const add = (direction: string, score: number, member: string) =>
    redis.zadd(callPlacesKey(SEED.serviceProviderSid, direction, 'account', SEED.accountSid), score, member);
  await add('inbound', Date.now() + 10_000, 'one');
  await add('inbound', Date.now() - 1, 'of a dead process');
  await add('outbound', Date.now() + 10_000, 'two');
  await add('outbound', Date.now() + 10_000, 'three');
  const path = `/v1/Accounts/${SEED.accountSid}/CallCount`;
  t.same(await account('GET', path), { status: 200, body: { inbound: 1, outbound: 2 } });
  t.equal((await stranger('GET', path)).status, 403);
});
