import { loadProvisioning, PROVISIONING_CHANGED } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import t from 'tap';
import { startTestApi } from './testing/api.js';
import { apiClient } from './testing/client.js';

const api = await startTestApi({ workers: false });
t.teardown(() => api.stop());
const { admin, serviceProvider, account, stranger, server } = api;

const hooks = {
  call_hook: { url: 'https://example.com/call', method: 'POST', username: 'u', password: 'hookpw' },
  call_status_hook: { url: 'https://example.com/status' },
};
const msg = (body: unknown) => (body as { msg: string }).msg;
const sidOf = (body: unknown) => (body as { sid: string }).sid;

t.test('requests without a known, unexpired key get 401, whatever the key is', async (t) => {
  const tokens = [
    undefined,
    'unknown',
    SEED.expiredToken,
    `${SEED.accountToken}'`,
    "' OR '1'='1",
    'x'.repeat(10_000),
    SEED.accountToken.toUpperCase(),
  ];
  for (const token of tokens) {
    t.match(await apiClient(server.url, token)('GET', '/v1/Applications'), { status: 401, body: { msg: /API key/ } });
  }
  const basic = await apiClient(server.url, undefined)('GET', '/v1/Applications', undefined, {
    authorization: 'Basic abc',
  });
  t.equal(basic.status, 401);
});

t.test(
  'an application is made, read, changed and removed; its hook password is neither shown nor stored in clear',
  async (t) => {
    const made = await account('POST', '/v1/Applications', { name: 'crud', ...hooks, app_json: '[{"verb":"hangup"}]' });
    t.equal(made.status, 201);
    const path = `/v1/Applications/${sidOf(made.body)}`;
    t.match(await account('GET', path), {
      status: 200,
      body: {
        application_sid: sidOf(made.body),
        name: 'crud',
        account_sid: SEED.accountSid,
        call_hook: { url: 'https://example.com/call', method: 'POST', username: 'u', password: '******' },
        call_status_hook: { url: 'https://example.com/status', method: 'POST', username: null, password: null },
        messaging_hook: null,
        speech_synthesis_vendor: 'google',
        record_all_calls: false,
      },
    });
    const stored = async () =>
      (
        await api.db.query<{ url: string; password: string }>('SELECT url, password FROM webhooks WHERE username = ?', [
          'u',
        ])
      )[0];
    const before = (await stored())?.password;
    t.match(before, /^v1:/);
    const change = {
      name: 'renamed',
      call_hook: { ...hooks.call_hook, url: 'https://example.com/2', password: '******' },
      messaging_hook: hooks.call_hook,
    };
    t.strictSame(await account('PUT', path, change), { status: 204, body: undefined });
    t.match(await account('GET', path), {
      body: { name: 'renamed', call_hook: { url: 'https://example.com/2' }, messaging_hook: {} },
    });
    t.equal(
      (await api.db.query<{ password: string }>("SELECT password FROM webhooks WHERE url = 'https://example.com/2'"))[0]
        ?.password,
      before,
    );
    for (const url of ['https://example.org/2', 'http://example.com/2', 'https://example.com:8443/2']) {
      const refused = await account('PUT', path, { call_hook: { ...change.call_hook, url } });
      t.match(refused, { status: 400, body: { msg: /^call_hook.password: must be given with another URL/ } }, url);
    }
    t.equal((await account('PUT', path, { messaging_hook: null })).status, 204);
    t.equal((await account('DELETE', path)).status, 204);
    t.equal((await account('GET', path)).status, 404);
    t.equal((await account('DELETE', path)).status, 404);
    t.equal(await stored(), undefined, 'its hooks are gone too');
  },
);

t.test(
  'hooks of an application may be WebSockets, by their URL or by method WS; those of an account may not',
  async (t) => {
    const made = await account('POST', '/v1/Applications', {
      name: 'sockets',
      call_hook: { url: 'wss://example.com/app', username: 'jane', password: 'pw' },
      call_status_hook: { url: 'https://example.com/status', method: 'WS' },
    });
    t.equal(made.status, 201);
    const path = `/v1/Applications/${sidOf(made.body)}`;
    t.match(await account('GET', path), {
      body: {
        call_hook: { url: 'wss://example.com/app', username: 'jane' },
        call_status_hook: { url: 'wss://example.com/status', method: 'POST' },
      },
    });
    t.equal((await account('DELETE', path)).status, 204);
    const refused = await account('PUT', `/v1/Accounts/${SEED.accountSid}`, {
      registration_hook: { url: 'wss://example.com' },
    });
    t.match(refused, { status: 400, body: { msg: /^registration_hook.url: must be an http or https URL/ } });
  },
);

t.test('a wrong application is refused with the name of the field', async (t) => {
  const cases: [object, RegExp][] = [
    [{ ...hooks }, /^name: /],
    [{ name: 'x', call_status_hook: hooks.call_status_hook }, /^call_hook: /],
    [{ name: 'x', call_hook: { url: 'sip:x' } }, /^call_hook.url: must be an http, https, ws or wss URL/],
    [{ name: 'x', ...hooks, call_status_hook: { url: 'ws:' } }, /^call_status_hook.url: /],
    [{ name: 'x', ...hooks, fallback_call_hook: { url: 'x' } }, /^fallback_call_hook.url: /],
    [{ name: 'x', ...hooks, fallback_app_json: '[{"verb":"sing"}]' }, /^fallback_app_json: .*sing/],
    [{ name: 'x', ...hooks, call_hook: { url: 'ftp://x' } }, /^call_hook.url: /],
    [{ name: 'x', ...hooks, call_hook: { url: 7 } }, /^call_hook.url: /],
    [{ name: 'x', ...hooks, call_hook: { url: 'http://x', method: 'PUT' } }, /^call_hook.method: /],
    [{ name: 'x', ...hooks, app_json: '[{' }, /^app_json: is not valid JSON/],
    [{ name: 'x', ...hooks, app_json: '[{"verb":"sing"}]' }, /^app_json: .*sing/],
    [{ name: 'x'.repeat(65), ...hooks }, /^name: /],
    [{ name: 'x', ...hooks, record_all_calls: 'maybe' }, /^record_all_calls: /],
    [{ name: 'x', ...hooks, nmae: 'y' }, /^nmae: unknown field/],
    [{ name: 'x', ...hooks, speech_synthesis_vendor: '' }, /^speech_synthesis_vendor: /],
  ];
  for (const [body, expected] of cases) {
    const answer = await account('POST', '/v1/Applications', body);
    t.equal(answer.status, 400);
    t.match(msg(answer.body), expected);
  }
  t.match(await account('POST', '/v1/Applications', { name: 'hello', ...hooks }), {
    status: 422,
    body: { msg: /^name: / },
  });
});

t.test('fallbacks of an application are kept, changed and removed; a status hook is not needed', async (t) => {
  const verbs = '[{"verb":"hangup"}]';
  const { call_hook } = hooks;
  const made = await account('POST', '/v1/Applications', {
    name: 'careful',
    call_hook,
    fallback_call_hook: { url: 'https://example.com/spare', username: 'spare', password: 'pw' },
    fallback_app_json: verbs,
  });
  t.equal(made.status, 201);
  const path = `/v1/Applications/${sidOf(made.body)}`;
  t.match((await account('GET', path)).body, {
    call_status_hook: null,
    fallback_call_hook: { url: 'https://example.com/spare', method: 'POST', username: 'spare', password: '******' },
    fallback_app_json: verbs,
  });
  const { db, redis, logger } = api;
  const provisioning = await loadProvisioning({ db, redis, logger, encryptionSecret: 'key material' });
  t.teardown(() => provisioning.close());
  const loaded = async () => (await provisioning.reload()).applicationsBySid.get(sidOf(made.body));
  t.match(await loaded(), {
    callStatusHook: null,
    fallbackCallHook: { url: 'https://example.com/spare', password: 'pw' },
    fallbackAppJson: verbs,
  });
  t.equal((await account('PUT', path, { fallback_call_hook: null, fallback_app_json: null })).status, 204);
  t.match(await loaded(), { fallbackCallHook: null, fallbackAppJson: null });
  t.strictSame(await api.db.query("SELECT 1 FROM webhooks WHERE username = 'spare'"), [], 'the hook is gone too');
  t.equal((await account('DELETE', path)).status, 204);
});

t.test('an application has an environment, encrypted at rest, which its calls tell and its owner reads', async (t) => {
  const made = await account('POST', '/v1/Applications', {
    name: 'with environment',
    call_hook: { url: 'https://example.com/hook', method: 'POST' },
    env_vars: { API_KEY: 'k-1', RETRIES: 3, IS_OPEN: true },
  });
  t.equal(made.status, 201);
  const path = `/v1/Applications/${sidOf(made.body)}`;
  t.match((await account('GET', path)).body, { env_vars: { API_KEY: 'k-1', RETRIES: 3, IS_OPEN: true } });
  const { db, redis, logger } = api;
  const [row] = await db.query<{ env_vars: string }>('SELECT env_vars FROM applications WHERE application_sid = ?', [
    sidOf(made.body),
  ]);
  t.notMatch(row?.env_vars, 'k-1');
  const provisioning = await loadProvisioning({ db, redis, logger, encryptionSecret: 'key material' });
  t.teardown(() => provisioning.close());
  const { envVars } = provisioning.snapshot().applicationsBySid.get(sidOf(made.body)) ?? {};
  t.strictSame(JSON.parse(envVars ?? ''), { API_KEY: 'k-1', RETRIES: 3, IS_OPEN: true });
  for (const [env_vars, msg] of [
    [{ 'a b': 1 }, /env_vars\.a b/],
    [{ A: {} }, /env_vars\.A/],
    [['A'], /env_vars/],
  ] as const)
    t.match(await account('PUT', path, { env_vars }), { status: 400, body: { msg } });
  t.equal((await account('PUT', path, { env_vars: null })).status, 204);
  t.match((await account('GET', path)).body, { env_vars: null });
  t.equal((await account('DELETE', path)).status, 204);
});

t.test('bodies that are no JSON objects get 400 and unknown paths 404, as JSON', async (t) => {
  for (const body of ['{"name":', 'null', '[]', '"x"', '7']) {
    t.match(await account('POST', '/v1/Applications', body), { status: 400, body: { msg: /JSON/ } }, body);
  }
  t.match(await account('POST', '/v1/Applications', `{"name":"${'x'.repeat(2_000_000)}"}`), {
    status: 413,
    body: { msg: String },
  });
  t.match(await account('GET', '/v1/Nothing'), { status: 404, body: { msg: String } });
  t.match(await account('GET', '/v1/Applications/%E0%A4%A'), { status: 400, body: { msg: String } });
});

t.test('nobody sees or changes what belongs to another tenant', async (t) => {
  const path = `/v1/Applications/${SEED.applicationSid}`;
  const number = `/v1/PhoneNumbers/${SEED.phoneNumberSid}`;
  for (const method of ['GET', 'DELETE']) {
    t.equal((await stranger(method, path)).status, 404);
    t.equal((await stranger(method, number)).status, 404);
  }
  t.equal((await stranger('PUT', path, { name: 'mine' })).status, 404);
  t.equal((await stranger('PUT', number, {})).status, 404);
  t.strictSame((await stranger('GET', '/v1/Applications')).body, []);
  t.strictSame((await stranger('GET', `/v1/Applications?account_sid=${SEED.accountSid}`)).body, []);
  for (const list of ['Applications', 'PhoneNumbers', 'RecentCalls', 'Alerts', 'RecentCalls/x', 'Calls/x/Timeline']) {
    t.equal((await stranger('GET', `/v1/Accounts/${SEED.accountSid}/${list}`)).status, 403, list);
    t.equal((await serviceProvider('GET', `/v1/Accounts/${SEED.strangerAccountSid}/${list}`)).status, 403, list);
    t.equal((await admin('GET', `/v1/Accounts/nobody/${list}`)).status, 404, list);
  }
  t.equal(
    (await account('POST', '/v1/Applications', { name: 'x', account_sid: SEED.siblingAccountSid, ...hooks })).status,
    403,
  );
  const theft = { number: '1999', voip_carrier_sid: SEED.carrierSid };
  t.match(await stranger('POST', '/v1/PhoneNumbers', theft), { status: 400, body: { msg: /^voip_carrier_sid: / } });
});

t.test('a service provider works on its accounts, an admin on all', async (t) => {
  t.match(await serviceProvider('POST', '/v1/Applications', { name: 'x', ...hooks }), {
    status: 400,
    body: { msg: /^account_sid: / },
  });
  for (const client of [serviceProvider, admin]) {
    const made = await client('POST', '/v1/Applications', {
      name: 'by above',
      account_sid: SEED.siblingAccountSid,
      ...hooks,
    });
    t.equal(made.status, 201);
    t.match(await client('GET', `/v1/Accounts/${SEED.siblingAccountSid}/Applications`), {
      body: [{ name: 'by above' }],
    });
    t.equal((await client('DELETE', `/v1/Applications/${sidOf(made.body)}`)).status, 204);
  }
});

t.test('a phone number is made, read, moved and removed; number and carrier cannot be changed', async (t) => {
  const made = await serviceProvider('POST', '/v1/PhoneNumbers', {
    number: '+15550001',
    account_sid: SEED.accountSid,
    voip_carrier_sid: SEED.sharedCarrierSid,
    application_sid: SEED.applicationSid,
  });
  t.equal(made.status, 201);
  const path = `/v1/PhoneNumbers/${sidOf(made.body)}`;
  t.strictSame((await account('GET', path)).body, {
    phone_number_sid: sidOf(made.body),
    number: '15550001',
    voip_carrier_sid: SEED.sharedCarrierSid,
    account_sid: SEED.accountSid,
    application_sid: SEED.applicationSid,
    service_provider_sid: SEED.serviceProviderSid,
  });
  t.match(await account('PUT', path, { number: '15550002' }), { status: 400, body: { msg: /^number: / } });
  t.match(await account('PUT', path, { application_sid: 'nothing' }), {
    status: 400,
    body: { msg: /^application_sid: / },
  });
  t.equal((await account('PUT', path, { application_sid: null })).status, 204);
  t.match(await account('GET', path), { body: { application_sid: null } });
  t.equal((await account('PUT', path, { account_sid: SEED.siblingAccountSid })).status, 403);
  t.equal((await serviceProvider('PUT', path, { account_sid: SEED.siblingAccountSid })).status, 204);
  t.equal((await account('GET', path)).status, 404);
  t.equal((await serviceProvider('DELETE', path)).status, 204);
});

t.test('an account gives itself no number or pattern on a carrier that its service provider shares', async (t) => {
  for (const number of ['15550001', '*', '^1555']) {
    t.match(await account('POST', '/v1/PhoneNumbers', { number, voip_carrier_sid: SEED.sharedCarrierSid }), {
      status: 403,
      body: { msg: /^voip_carrier_sid: .*given by its service provider/ },
    });
  }
});

t.test('an account takes no number that another has at an address which both carriers share', async (t) => {
  const { db } = api;
  const [carrier, gateway] = ['a-neighbour', 'a-neighbours'];
  await db.execute('INSERT INTO voip_carriers (voip_carrier_sid, name, account_sid, service_provider_sid) VALUES (?)', [
    [carrier, 'neighbour', SEED.strangerAccountSid, SEED.otherServiceProviderSid],
  ]);
  await db.execute(
    'INSERT INTO sip_gateways (sip_gateway_sid, ipv4, netmask, port, inbound, outbound, voip_carrier_sid) VALUES (?)',
    [[gateway, '127.0.0.1', 32, 5060, true, true, carrier]],
  );
  const theirs = { number: '4930123*', account_sid: SEED.accountSid, voip_carrier_sid: SEED.carrierSid };
  const pattern = await admin('POST', '/v1/PhoneNumbers', theirs);
  t.equal(pattern.status, 201);
  const add = (number: string) => stranger('POST', '/v1/PhoneNumbers', { number, voip_carrier_sid: carrier });
  const taken = { status: 422, body: { msg: /^number: another has / } };
  const sharing = async (ipv4: string, netmask: number) =>
    db.execute('UPDATE sip_gateways SET ipv4 = ?, netmask = ? WHERE sip_gateway_sid = ?', [ipv4, netmask, gateway]);
  for (const [ipv4, netmask] of [
    ['127.0.0.1', 32],
    ['127.0.0.0', 24],
  ] as const) {
    await sharing(ipv4, netmask);
    for (const number of [SEED.number, '49301234', '4930123*', '49301234*', '49*', `${SEED.number}*`, '^4', '*']) {
      t.match(await add(number), taken, `${number} in /${netmask}`);
    }
  }
  for (const number of ['15558888', '4930124*']) t.equal((await add(number)).status, 201);
  await sharing('127.0.1.0', 24);
  t.equal((await add('49301234')).status, 201, 'elsewhere it is no one else’s');

  const { serviceProviderSid } = SEED;
  const made = await serviceProvider('POST', `/v1/ServiceProviders/${serviceProviderSid}/VoipCarriers`, { name: 'n' });
  const own = { voip_carrier_sid: sidOf(made.body) };
  const inside = { ...own, netmask: 32, inbound: true, outbound: false };
  const number = { ...own, account_sid: SEED.accountSid };
  t.equal((await serviceProvider('POST', '/v1/PhoneNumbers', { ...number, number: '49301234' })).status, 201);
  t.match(
    await serviceProvider('POST', '/v1/SipGateways', { ...inside, ipv4: '127.0.1.7' }),
    { status: 422, body: { msg: /^ipv4: another has 49301234/ } },
    'numbers are not brought along to an address either',
  );
  t.equal((await serviceProvider('POST', '/v1/SipGateways', { ...inside, ipv4: '127.0.0.9' })).status, 201);
  await sharing('127.0.0.0', 24);
  t.match(await serviceProvider('POST', '/v1/PhoneNumbers', { ...number, number: '4930124' }), taken);
  t.equal((await serviceProvider('POST', '/v1/PhoneNumbers', { ...number, number: '4930125' })).status, 201);

  const change = (columns: object) => stranger('PUT', `/v1/VoipCarriers/${carrier}`, columns);
  const application = await stranger('POST', '/v1/Applications', { name: 'all', ...hooks });
  for (const columns of [
    { application_sid: sidOf(application.body) },
    { inbound_country_code: '49' },
    { inbound_national_prefix: '0' },
    { inbound_national_length: 10 },
  ]) {
    const [field] = Object.keys(columns);
    const refused = await change(columns);
    t.match([refused.status, (refused.body as { msg: string }).msg.split(':')[0]], [422, field]);
  }
  t.equal((await change({ tech_prefix: '9', inbound_country_code: null })).status, 204);
  await sharing('127.0.1.0', 24);
  t.equal((await change({ application_sid: sidOf(application.body), inbound_country_code: '49' })).status, 204);
  await sharing('127.0.0.0', 24);
  t.equal((await change({ inbound_country_code: '49', name: 'as before' })).status, 204, 'what stands may stay');

  t.equal((await admin('DELETE', `/v1/PhoneNumbers/${sidOf(pattern.body)}`)).status, 204);
  await db.execute('DELETE FROM phone_numbers WHERE voip_carrier_sid = ?', [own.voip_carrier_sid]);
  t.equal((await serviceProvider('DELETE', `/v1/VoipCarriers/${own.voip_carrier_sid}`)).status, 204);
  await db.execute('DELETE FROM phone_numbers WHERE voip_carrier_sid = ?', [carrier]);
  await db.execute('DELETE FROM sip_gateways WHERE voip_carrier_sid = ?', [carrier]);
  await db.execute('DELETE FROM voip_carriers WHERE voip_carrier_sid = ?', [carrier]);
});

t.test('a wrong or double phone number is refused with the name of the field', async (t) => {
  const carrier = { voip_carrier_sid: SEED.carrierSid };
  const cases: [object, number, RegExp][] = [
    [{ ...carrier }, 400, /^number: /],
    [{ ...carrier, number: '(((' }, 400, /^number: /],
    [{ ...carrier, number: 15 }, 400, /^number: /],
    [{ ...carrier, number: '1 555 0100' }, 400, /^number: .*white space/],
    [{ ...carrier, number: '15550100\n' }, 400, /^number: .*white space/],
    [{ ...carrier, number: '1-555-0100' }, 400, /^number: /],
    [{ ...carrier, number: '+' }, 400, /^number: /],
    [{ number: '1', voip_carrier_sid: 'x' }, 400, /^voip_carrier_sid: /],
    [{ ...carrier, number: SEED.number }, 422, /^number: /],
  ];
  for (const [body, status, expected] of cases) {
    const answer = await account('POST', '/v1/PhoneNumbers', body);
    t.equal(answer.status, status);
    t.match(msg(answer.body), expected);
  }
});

t.test('a number without a carrier goes to the only one that its account has', async (t) => {
  const numberOf = (body: unknown) => account('GET', `/v1/PhoneNumbers/${sidOf(body)}`);
  const made = await account('POST', '/v1/PhoneNumbers', { number: '15550009' });
  t.match((await numberOf(made.body)).body, { voip_carrier_sid: SEED.carrierSid, account_sid: SEED.accountSid });
  const shared = await serviceProvider('POST', '/v1/PhoneNumbers', {
    number: '15550009',
    account_sid: SEED.siblingAccountSid,
  });
  const path = `/v1/PhoneNumbers/${sidOf(shared.body)}`;
  t.match((await serviceProvider('GET', path)).body, { voip_carrier_sid: SEED.sharedCarrierSid });
  t.match(await stranger('POST', '/v1/PhoneNumbers', { number: '1' }), {
    status: 400,
    body: { msg: /^voip_carrier_sid: is required/ },
  });
  await account('DELETE', `/v1/PhoneNumbers/${sidOf(made.body)}`);
  await serviceProvider('DELETE', path);
});

t.test('an application that a number uses cannot be removed', async (t) => {
  t.match(await account('DELETE', `/v1/Applications/${SEED.applicationSid}`), {
    status: 422,
    body: { msg: /phone number/ },
  });
});

t.test('lists are filtered and paged, and signs that SQL knows mean themselves', async (t) => {
  t.match(await account('GET', '/v1/Applications?page=1&page_size=1'), {
    body: { total: 1, page: 1, page_size: 1, data: [{ name: 'hello' }] },
  });
  t.match(await account('GET', '/v1/Applications?page=2&page_size=1'), { body: { total: 1, data: [] } });
  t.match(await account('GET', '/v1/PhoneNumbers?filter=1555'), { body: [{ number: SEED.number }] });
  for (const filter of ['%', '_', "'", '\\', "' OR 1=1 -- ", '"; DROP TABLE accounts; --']) {
    t.strictSame(
      await account('GET', `/v1/PhoneNumbers?filter=${encodeURIComponent(filter)}`),
      { status: 200, body: [] },
      filter,
    );
    t.strictSame(
      await account('GET', `/v1/Applications?name=${encodeURIComponent(filter)}`),
      { status: 200, body: [] },
      filter,
    );
    t.equal((await account('GET', `/v1/Applications/${encodeURIComponent(filter)}`)).status, 404, filter);
  }
  t.match(await account('GET', '/v1/Applications?page=0'), { status: 400, body: { msg: /^page: / } });
  t.match(await account('GET', '/v1/Applications?name=a&name=b'), { status: 400, body: { msg: /^name: / } });
});

t.test('each change is announced to the call path', async (t) => {
  const subscriber = api.redis.duplicate();
  t.teardown(() => subscriber.disconnect());
  const heard: string[] = [];
  subscriber.on('message', (_channel, table) => void heard.push(table));
  await subscriber.subscribe(PROVISIONING_CHANGED);
  const made = await account('POST', '/v1/PhoneNumbers', { number: '15557777', voip_carrier_sid: SEED.carrierSid });
  await account('PUT', `/v1/Applications/${SEED.applicationSid}`, { record_all_calls: true });
  await account('DELETE', `/v1/PhoneNumbers/${sidOf(made.body)}`);
  await subscriber.ping();
  t.strictSame(heard, ['phone_numbers', 'applications', 'phone_numbers']);
});

t.test('while MySQL is away requests get 503 and health says so; afterwards all is well again', async (t) => {
  const anyone = apiClient(server.url, undefined);
  t.strictSame(await anyone('GET', '/health'), { status: 200, body: { status: 'ok', mysql: true, redis: true } });
  await api.mariaDb.kill();
  t.match(await account('GET', '/v1/Applications'), { status: 503, body: { msg: String } });
  t.match(await anyone('GET', '/health'), { status: 503, body: { status: 'failing', mysql: false, redis: true } });
  await api.mariaDb.restart();
  t.equal((await account('GET', '/v1/Applications')).status, 200);
});
