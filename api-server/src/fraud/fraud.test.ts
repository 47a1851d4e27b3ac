import { createMetrics, fraudGuard, loadProvisioning, PROVISIONING_CHANGED } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import t from 'tap';
import { startTestApi } from '../testing/api.js';

t.setTimeout(200_000);
const api = await startTestApi({ workers: false });
t.teardown(() => api.stop());
const { admin, serviceProvider, account, stranger, db, redis, logger } = api;
const platform = '/v1/FraudPolicy';
const ofServiceProvider = `/v1/ServiceProviders/${SEED.serviceProviderSid}/FraudPolicy`;
const ofAccount = `/v1/Accounts/${SEED.accountSid}/FraudPolicy`;
const block = `/v1/Accounts/${SEED.accountSid}/FraudBlock`;
const blocks = `/v1/ServiceProviders/${SEED.serviceProviderSid}/FraudBlocks`;
const allow = (...prefixes: string[]) => prefixes.map((prefix) => ({ prefix, action: 'allow' }));
const policy = async () => {
  const provisioning = await loadProvisioning({ db, redis, logger, encryptionSecret: 'key material' });
  await provisioning.close();
  return provisioning.snapshot().fraudPolicies.of(SEED.accountSid, SEED.serviceProviderSid);
};
const may = async (...numbers: string[]) => {
  const found = await policy();
  return numbers.map((number) => found.verdict(number).allowed);
};

t.test('the built-in word counts until the operator has one; then each may narrow what the others allow', async (t) => {
  const subscriber = redis.duplicate();
  t.teardown(() => subscriber.disconnect());
  const heard: string[] = [];
  subscriber.on('message', (_channel, table) => void heard.push(table));
  await subscriber.subscribe(PROVISIONING_CHANGED);
  t.match((await account('GET', ofAccount)).body, {
    limits: { expensive_prefixes_per_hour: 10, calls_per_hour: null },
    built_in: { about: 'platform', default_action: 'allow', high_risk_action: 'deny', destinations: [] },
    operator: null,
    service_provider: null,
    account: null,
  });
  t.same(await may('49301', '881612345678'), [true, false]);
  t.equal(
    (await admin('PUT', platform, { destinations: [{ country: 'de', action: 'allow' }, ...allow('33')] })).status,
    204,
  );
  t.same(await may('49301', '331', '44', '8816'), [true, true, false, false]);
  t.equal(
    (await serviceProvider('PUT', ofServiceProvider, { destinations: allow('49', '44'), calls_per_hour: 50 })).status,
    204,
  );
  t.same(await may('49301', '331', '44'), [true, false, false]);
  t.equal((await account('PUT', ofAccount, { default_action: 'allow', calls_per_hour: 90 })).status, 204);
  t.same(await may('49301', '331', '44'), [true, false, false], 'an account cannot widen');
  t.equal((await account('PUT', ofAccount, { destinations: allow('4930'), calls_per_hour: 9 })).status, 204);
  t.same(await may('49301', '4989'), [true, false]);
  const all = (await account('GET', ofAccount)).body;
  t.notMatch(all, { built_in: {} });
  t.match(all, {
    limits: { calls_per_hour: 9, calls_per_minute: null, block_minutes: 60 },
    operator: { about: 'platform', destinations: [{ country: 'DE', action: 'allow' }, { prefix: '33' }] },
    service_provider: { about: SEED.serviceProviderSid, calls_per_hour: 50 },
    account: { about: SEED.accountSid, default_action: 'deny' },
  });
  t.equal(
    (await serviceProvider('PUT', ofAccount, { destinations: allow('49', '33'), expensive_rate: 0.25 })).status,
    204,
  );
  t.match((await account('GET', ofAccount)).body, {
    limits: { calls_per_hour: 9, expensive_rate: 0.25 },
    service_provider: { about: SEED.accountSid },
    account: { calls_per_hour: 9 },
  });
  t.equal((await account('DELETE', ofAccount)).status, 204);
  t.equal((await account('DELETE', ofAccount)).status, 404);
  t.same(await may('4989', '331', '44'), [true, true, false]);
  await until('changes are announced', () => heard.length >= 6);
  t.ok(heard.every((table) => table === 'fraud_policies'));
});

t.test('nobody speaks for others, and accounts do not lift their block', async (t) => {
  for (const [path, ...clients] of [
    [platform, account, serviceProvider, stranger],
    [ofServiceProvider, account, stranger],
    [ofAccount, stranger],
  ] as const) {
    for (const client of clients) {
      t.equal((await client('GET', path)).status, 403);
      t.equal((await client('PUT', path, {})).status, 403);
      t.equal((await client('DELETE', path)).status, 403);
    }
  }
  t.equal((await account('DELETE', block)).status, 403);
  t.equal((await stranger('GET', block)).status, 403);
  t.equal((await account('GET', blocks)).status, 403);
  t.equal((await admin('GET', '/v1/ServiceProviders/nobody/FraudPolicy')).status, 404);
});

t.test('what is wrong is named', async (t) => {
  for (const [body, field] of [
    [{ default_action: 'refuse' }, 'default_action'],
    [{ high_risk_action: 'refuse' }, 'high_risk_action'],
    [{ messages_per_minute: -1 }, 'messages_per_minute'],
    [{ messages_per_hour: 'many' }, 'messages_per_hour'],
    [
      {
        destinations: [
          { prefix: '49', action: 'allow' },
          { prefix: 'x', action: 'allow' },
        ],
      },
      'destinations[1].prefix',
    ],
    [{ destinations: [{ country: 'Germany', action: 'allow' }] }, 'destinations[0].country'],
    [{ calls_per_minute: -1 }, 'calls_per_minute'],
    [{ calls_per_hour: 1.5 }, 'calls_per_hour'],
    [{ expensive_prefixes_per_hour: '3' }, 'expensive_prefixes_per_hour'],
    [{ expensive_rate: -0.1 }, 'expensive_rate'],
    [{ block_minutes: 0 }, 'block_minutes'],
    [{ rules: [] }, 'rules'],
  ] as const) {
    const answer = await admin('PUT', platform, body);
    t.equal(answer.status, 400, field);
    t.equal((answer.body as { msg: string }).msg.split(':')[0], field);
  }
});

t.test('a policy of limits alone denies nothing but what is of high risk; one of destinations all else', async (t) => {
  await serviceProvider('DELETE', ofAccount);
  await serviceProvider('DELETE', ofServiceProvider);
  t.equal((await admin('PUT', platform, { messages_per_minute: 60 })).status, 204);
  t.same(await may('49301', '331', '881612345678'), [true, true, false]);
  t.equal((await admin('PUT', platform, { destinations: allow('49') })).status, 204);
  t.same(await may('49301', '331', '881612345678'), [true, false, false]);
  t.equal((await admin('PUT', platform, { high_risk_action: 'allow' })).status, 204);
  t.same(await may('49301', '331', '881612345678'), [true, true, true]);
});

t.test('a block that the edges made is shown, listed and lifted', async (t) => {
  const words = {
    default_action: 'allow',
    high_risk_action: 'allow',
    calls_per_hour: 0,
    messages_per_minute: 7,
    messages_per_hour: 70,
    block_minutes: 30,
  };
  await admin('PUT', platform, words);
  t.match((await admin('GET', platform)).body, { operator: words });
  const metrics = createMetrics({ name: 'edge', instanceId: 'edge' });
  const guard = fraudGuard({ redis, logger, metrics, owner: 'edge', deadlineMs: 20_000 });
  t.teardown(() => guard.close());
  const { accountSid, serviceProviderSid } = SEED;
  const call = { callSid: 'c', accountSid, serviceProviderSid, number: '49301', policy: await policy(), price: null };
  t.same(await account('GET', block), { status: 404, body: { msg: `account ${accountSid} is not blocked` } });
  t.notOk((await guard.check(call)).ok);
  t.match(await account('GET', block), {
    status: 200,
    body: { account_sid: accountSid, reason: 'calls-per-hour', number: '49301', expires_at: /^20.*Z$/ },
  });
  t.match((await serviceProvider('GET', blocks)).body, [{ account_sid: accountSid }]);
  t.equal((await serviceProvider('DELETE', block)).status, 204);
  t.equal((await admin('DELETE', block)).status, 404);
  t.same((await admin('GET', blocks)).body, []);
  await api.redisServer.kill();
  await until('the loss is noticed', async () => (await account('GET', block)).status === 503);
});
