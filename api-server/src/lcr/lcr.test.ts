import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import t from 'tap';
import { startTestApi } from '../testing/api.js';

t.setTimeout(200_000);
const api = await startTestApi({ workers: false });
t.teardown(() => api.stop());
const { serviceProvider, account, stranger, admin } = api;
const sidOf = ({ body }: { body: unknown }): string => (body as { sid: string }).sid;
const shared = await serviceProvider('POST', '/v1/SipGateways', {
  voip_carrier_sid: SEED.sharedCarrierSid,
  ipv4: '127.0.0.2',
  inbound: false,
  outbound: true,
});
t.equal(shared.status, 201);

interface Preview {
  gateways: { carrier: string; why: string }[];
}
const preview = async (to: string): Promise<string[]> => {
  const { body } = await account('POST', `/v1/Accounts/${SEED.accountSid}/RoutePreview`, { to });
  return (body as Preview).gateways.map(({ carrier, why }) => `${carrier}: ${why}`);
};
const entry = (voip_carrier_sid: string, more: object = {}) => ({ voip_carrier_sid, ...more });

t.test('an LCR with routes and carriers decides where calls go, at once', async (t) => {
  const made = await account('POST', '/v1/Lcrs', { name: 'mine' });
  t.equal(made.status, 201);
  const lcr = `/v1/Lcrs/${sidOf(made)}`;
  t.equal((await account('POST', '/v1/Lcrs', { name: 'another' })).status, 422);
  const route = await account('POST', '/v1/LcrRoutes', { lcr_sid: sidOf(made), regex: '49*', priority: 1 });
  t.equal(route.status, 201);
  const first = await account('POST', '/v1/LcrCarrierSetEntries', {
    lcr_route_sid: sidOf(route),
    voip_carrier_sid: SEED.sharedCarrierSid,
  });
  t.equal(first.status, 201);
  await until('the route decides', async () => /^shared: LCR route 49\*/.test((await preview('4930'))[0] ?? ''));
  t.match((await account('GET', lcr)).body, {
    name: 'mine',
    account_sid: SEED.accountSid,
    number_routes: 1,
    is_active: true,
  });
  t.equal((await account('PUT', `/v1/LcrRoutes/${sidOf(route)}`, { regex: '^44' })).status, 204);
  t.equal(
    (
      await account('PUT', `/v1/LcrCarrierSetEntries/${sidOf(first)}`, {
        voip_carrier_sid: SEED.carrierSid,
        workload: 7,
      })
    ).status,
    204,
  );
  await until('the change decides', async () =>
    /^carrier: LCR route \^44.*share 7/.test((await preview('4412'))[0] ?? ''),
  );
  t.equal((await account('PUT', lcr, { default_carrier_set_entry_sid: sidOf(first) })).status, 204);
  t.match(await account('PUT', lcr, { default_carrier_set_entry_sid: 'nothing' }), {
    status: 400,
    body: { msg: /^default_/ },
  });
  await until('the default decides', async () => /^carrier: default of the LCR/.test((await preview('1'))[0] ?? ''));
  t.equal((await account('DELETE', `/v1/LcrCarrierSetEntries/${sidOf(first)}`)).status, 204);
  t.match((await account('GET', lcr)).body, { default_carrier_set_entry_sid: null });
  t.equal((await account('DELETE', `/v1/LcrRoutes/${sidOf(route)}`)).status, 204);
  t.same((await account('GET', '/v1/LcrRoutes')).body, []);

  const batch = [
    { regex: '49', lcr_carrier_set_entries: [entry(SEED.carrierSid, { priority: 1 }), entry(SEED.sharedCarrierSid)] },
    { regex: '.*', priority: 9_999, lcr_carrier_set_entries: [entry(SEED.sharedCarrierSid)] },
  ];
  t.equal((await account('PUT', `${lcr}/Routes`, batch)).status, 204);
  t.match((await account('GET', `${lcr}/Routes`)).body, [
    {
      regex: '49',
      priority: 0,
      lcr_carrier_set_entries: [{ voip_carrier_sid: SEED.sharedCarrierSid }, { voip_carrier_sid: SEED.carrierSid }],
    },
    { regex: '.*', priority: 9_999 },
  ]);
  t.match((await account('GET', lcr)).body, { number_routes: 2, default_carrier_set_entry_sid: /^[0-9a-f-]{36}$/ });
  t.equal((await account('POST', `${lcr}/Routes`, [{ regex: '33', priority: 5 }])).status, 204);
  t.match((await account('GET', lcr)).body, { number_routes: 3 });
  t.equal((await account('PUT', `${lcr}/Routes`, [])).status, 204);
  t.match((await account('GET', lcr)).body, { number_routes: 0, default_carrier_set_entry_sid: null });
  t.equal((await account('DELETE', lcr)).status, 204);
  t.equal((await account('GET', lcr)).status, 404);
});

t.test('a faulty route is named with its place, and nothing of the batch is kept', async (t) => {
  const made = await serviceProvider('POST', '/v1/Lcrs', {
    name: 'for all',
    service_provider_sid: SEED.serviceProviderSid,
  });
  const routes = `/v1/Lcrs/${sidOf(made)}/Routes`;
  for (const [body, field] of [
    [{}, 'routes'],
    [[1], '[0]'],
    [[{ regex: '49' }, { regex: '(' }], '[1].regex'],
    [[{ regex: '(.?){30}x' }], '[0].regex'],
    [[{ regex: '49', priority: 'x' }], '[0].priority'],
    [[{ regex: '49', strategy: 'best' }], '[0].strategy'],
    [[{ priority: 1 }], '[0].regex'],
    [[{ regex: '49', lcr_carrier_set_entries: [{}] }], '[0].lcr_carrier_set_entries[0].voip_carrier_sid'],
    [
      [{ regex: '49', lcr_carrier_set_entries: [entry(SEED.sharedCarrierSid, { workload: -1 })] }],
      '[0].lcr_carrier_set_entries[0].workload',
    ],
    [
      [{ regex: '49', lcr_carrier_set_entries: [entry(SEED.carrierSid)] }],
      '[0].lcr_carrier_set_entries[0].voip_carrier_sid',
    ],
  ] as const) {
    const answer = await serviceProvider('PUT', routes, body);
    t.match([answer.status, (answer.body as { msg: string }).msg.split(':')[0]], [400, field]);
  }
  t.same((await serviceProvider('GET', routes)).body, []);
  t.equal((await account('GET', routes)).status, 404, 'an account does not see it');
  t.equal((await stranger('DELETE', `/v1/Lcrs/${sidOf(made)}`)).status, 404);
  t.equal((await account('POST', '/v1/LcrRoutes', { lcr_sid: sidOf(made), regex: '1', priority: 1 })).status, 404);
  t.equal((await admin('PUT', `/v1/Lcrs/${sidOf(made)}`, { name: 'all', is_active: false })).status, 204);
  t.match((await serviceProvider('GET', '/v1/Lcrs')).body, [{ name: 'all', is_active: false }]);
});

t.test('a service provider asks what an account without anything of its own would try', async (t) => {
  const path = `/v1/ServiceProviders/${SEED.serviceProviderSid}/RoutePreview`;
  const { status, body } = await serviceProvider('POST', path, { to: '+49-30.123' });
  t.equal(status, 200);
  t.match(body, { to: '4930123', gateways: [{ carrier: 'shared' }] });
  t.equal((await account('POST', path, { to: '49' })).status, 403);
  t.equal((await stranger('POST', path, { to: '49' })).status, 403);
});
