import { loadProvisioning, PROVISIONING_CHANGED, Secret } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import t from 'tap';
import { startApiServer } from '../api-server.js';
import { startTestApi } from '../testing/api.js';
import { apiClient } from '../testing/client.js';

t.setTimeout(200_000);
const api = await startTestApi({ workers: false });
t.teardown(() => api.stop());
const { admin, serviceProvider, account, stranger, db, redis, logger } = api;
const sidOf = ({ body }: { body: unknown }): string => (body as { sid: string }).sid;
const snapshot = async () => {
  const provisioning = await loadProvisioning({ db, redis, logger, encryptionSecret: 'key material' });
  await provisioning.close();
  return provisioning.snapshot();
};
const carriers = '/v1/VoipCarriers';
const gateways = '/v1/SipGateways';

t.test(
  'a carrier is made with all that it has, read without its passwords, changed, used by the call path, and removed',
  async (t) => {
    const made = await account('POST', carriers, {
      name: 'big telco',
      application_sid: SEED.applicationSid,
      e164_leading_plus: true,
      tech_prefix: '99',
      requires_register: 1,
      register_username: 'us',
      register_password: 'geheim',
      register_sip_realm: 'sip.example.com',
      trunk_type: 'reg',
      dtmf_type: 'info',
      outbound_sip_proxy: 'sip:proxy.example.com',
      outbound_codecs: 'PCMA,PCMU',
      failover_statuses: '404,5xx',
      response_timeout_ms: 4_000,
      inbound_country_code: '49',
      stir_policy: 'tag',
    });
    t.equal(made.status, 201);
    const path = `${carriers}/${sidOf(made)}`;
    const { body } = await account('GET', path);
    t.match(body, {
      name: 'big telco',
      account_sid: SEED.accountSid,
      service_provider_sid: SEED.serviceProviderSid,
      register_password: '******',
      is_active: true,
    });
    const [stored] = await db.query<{ register_password: string }>(
      'SELECT register_password FROM voip_carriers WHERE voip_carrier_sid = ?',
      [sidOf(made)],
    );
    t.match(stored?.register_password, /^v1:/);
    t.match((await snapshot()).carriersBySid.get(sidOf(made)), {
      registerPassword: 'geheim',
      requiresRegister: true,
      techPrefix: '99',
      outboundRules: { codecs: ['PCMA', 'PCMU'], failoverStatuses: ['404', '5xx'], responseMs: 4_000 },
      inboundRules: { countryCode: '49' },
    });
    t.equal((await account('PUT', path, { ...(body as object), tech_prefix: null, is_active: false })).status, 204);
    t.match((await snapshot()).carriersBySid.get(sidOf(made)), {
      registerPassword: 'geheim',
      techPrefix: null,
      isActive: false,
    });
    const gateway = await account('POST', gateways, {
      voip_carrier_sid: sidOf(made),
      ipv4: '192.0.2.10',
      inbound: true,
      outbound: true,
    });
    t.equal(gateway.status, 201);
    t.equal((await account('DELETE', path)).status, 204);
    t.equal((await account('GET', path)).status, 404);
    t.equal((await account('GET', `${gateways}/${sidOf(gateway)}`)).status, 404, 'its gateways go with it');
    t.match(await account('DELETE', `${carriers}/${SEED.carrierSid}`), { status: 422, body: { msg: /still used/ } });
  },
);

t.test('a gateway is made, listed, changed and removed, with every column', async (t) => {
  const columns = {
    ipv4: 'gw.example.com',
    port: 5070,
    netmask: 32,
    inbound: false,
    outbound: true,
    is_active: true,
    protocol: 'tls/srtp',
    pad_crypto: true,
    remove_ice: true,
    dtls_off: true,
    send_options_ping: true,
    use_sips_scheme: true,
    priority: 2,
    weight: 5,
  };
  const made = await account('POST', gateways, { voip_carrier_sid: SEED.carrierSid, ...columns });
  t.equal(made.status, 201);
  const path = `${gateways}/${sidOf(made)}`;
  const row = { sip_gateway_sid: sidOf(made), voip_carrier_sid: SEED.carrierSid, ...columns };
  t.same((await account('GET', path)).body, row);
  t.match((await account('GET', `${gateways}?voip_carrier_sid=${SEED.carrierSid}`)).body, [
    { sip_gateway_sid: SEED.gatewaySid },
    row,
  ]);
  t.equal((await account('PUT', path, { ...row, port: null, weight: 0 })).status, 204);
  t.match(
    (await snapshot()).gatewaysByCarrierSid
      .get(SEED.carrierSid)
      ?.find(({ sipGatewaySid }) => sipGatewaySid === sidOf(made)),
    {
      address: 'gw.example.com',
      port: null,
      weight: 0,
      protocol: 'tls/srtp',
      priority: 2,
    },
  );
  t.equal((await account('DELETE', path)).status, 204);
  t.equal((await account('DELETE', path)).status, 404);
});

t.test('what is wrong is named, and nothing of it is kept', async (t) => {
  const before = (await admin('GET', carriers)).body as unknown[];
  for (const [body, field] of [
    [{}, 'name'],
    [{ name: 'x'.repeat(65) }, 'name'],
    [{ name: 'c', trunk_type: 'sip' }, 'trunk_type'],
    [{ name: 'c', dtmf_type: null }, 'dtmf_type'],
    [{ name: 'c', e164_leading_plus: 'yes' }, 'e164_leading_plus'],
    [{ name: 'c', response_timeout_ms: 5 }, 'response_timeout_ms'],
    [{ name: 'c', failover_statuses: '404,abc' }, 'failover_statuses'],
    [{ name: 'c', outbound_codecs: 'PCMA;PCMU' }, 'outbound_codecs'],
    [{ name: 'c', inbound_match_header: 'From' }, 'inbound_match_header'],
    [{ name: 'c', national_prefix: '0a' }, 'national_prefix'],
    [{ name: 'c', requires_register: true, register_username: 'u', register_sip_realm: 'r' }, 'register_password'],
    [{ name: 'c', trunk_type: 'auth', inbound_auth_username: 'u' }, 'inbound_auth_password'],
    [{ name: 'c', application_sid: 'nothing' }, 'application_sid'],
    [{ name: 'c', smpp_system_id: 'x'.repeat(16) }, 'smpp_system_id'],
    [{ name: 'c', smpp_inbound_system_id: 'them' }, 'smpp_inbound_password'],
    [{ name: 'c', smpp_inbound_system_id: 'x'.repeat(16), smpp_inbound_password: 'p' }, 'smpp_inbound_system_id'],
    [{ name: 'c', smpp_inbound_system_id: 'them', smpp_inbound_password: 'p'.repeat(9) }, 'smpp_inbound_password'],
    [{ name: 'c', colour: 'blue' }, 'colour'],
    [{ name: 'c', register_username: 'u\r\nX-Evil: 1' }, 'register_username'],
    [{ name: 'c', diversion: '+1555\n' }, 'diversion'],
    [{ name: 'c', register_password: 'a\u0000b' }, 'register_password'],
    [{ name: 'c', register_sip_realm: 'x>;evil=1' }, 'register_sip_realm'],
    [{ name: 'c', register_from_domain: 'x;y>' }, 'register_from_domain'],
    [{ name: 'c', outbound_sip_proxy: 'tel:+49' }, 'outbound_sip_proxy'],
    [{ name: 'c', outbound_sip_proxy: 'a host' }, 'outbound_sip_proxy'],
    [{ name: 'c', tech_prefix: '9@evil' }, 'tech_prefix'],
  ] as const) {
    const answer = await account('POST', carriers, body);
    t.match([answer.status, (answer.body as { msg: string }).msg.split(':')[0]], [400, field]);
  }
  t.equal(((await admin('GET', carriers)).body as unknown[]).length, before.length);
  const good = { voip_carrier_sid: SEED.carrierSid, ipv4: '192.0.2.20', inbound: true, outbound: true };
  for (const [change, field] of [
    [{ ipv4: 'a host' }, 'ipv4'],
    [{ ipv4: '192.0.2.300', inbound: false }, 'ipv4'],
    [{ ipv4: 'gw..example.com', inbound: false }, 'ipv4'],
    [{ ipv4: 'gw.example.com' }, 'ipv4'],
    [{ ipv4: undefined }, 'ipv4'],
    [{ inbound: undefined }, 'inbound'],
    [{ inbound: false, outbound: false }, 'outbound'],
    [{ inbound: false, netmask: 24 }, 'netmask'],
    [{ netmask: 23 }, 'netmask'],
    [{ netmask: 33 }, 'netmask'],
    [{ port: 65_536 }, 'port'],
    [{ protocol: 'sctp' }, 'protocol'],
    [{ weight: -1 }, 'weight'],
    [{ gateway: 1 }, 'gateway'],
  ] as const) {
    const answer = await account('POST', gateways, { ...good, ...change });
    t.match([answer.status, (answer.body as { msg: string }).msg.split(':')[0]], [400, field]);
  }
  t.match((await account('PUT', `${gateways}/${SEED.gatewaySid}`, { netmask: 12 })).status, 400);
  t.equal(((await account('GET', gateways)).body as unknown[]).length, 1);
});

t.test('accounts have their own carriers; those that are shared belong to the service provider', async (t) => {
  const path = `${carriers}/${SEED.sharedCarrierSid}`;
  t.equal((await account('PUT', path, { name: 'mine' })).status, 403);
  t.equal((await account('DELETE', path)).status, 403);
  t.equal((await stranger('PUT', path, { name: 'mine' })).status, 404);
  t.equal((await stranger('PUT', `${carriers}/${SEED.carrierSid}`, { name: 'mine' })).status, 404);
  t.equal(
    (
      await account('POST', gateways, {
        voip_carrier_sid: SEED.sharedCarrierSid,
        ipv4: '192.0.2.30',
        inbound: true,
        outbound: false,
      })
    ).status,
    403,
  );
  t.equal((await account('POST', carriers, { name: 'c', account_sid: SEED.siblingAccountSid })).status, 403);
  t.equal(
    (await account('POST', `/v1/ServiceProviders/${SEED.serviceProviderSid}/VoipCarriers`, { name: 'c' })).status,
    403,
  );
  t.equal((await stranger('POST', `/v1/Accounts/${SEED.accountSid}/VoipCarriers`, { name: 'c' })).status, 403);
  t.match(await admin('POST', carriers, { name: 'c' }), { status: 400, body: { msg: /^account_sid:/ } });
  t.match(await account('PUT', `${carriers}/${SEED.carrierSid}`, { account_sid: null }), {
    status: 400,
    body: { msg: /^account_sid/ },
  });
  const shared = await serviceProvider('POST', `/v1/ServiceProviders/${SEED.serviceProviderSid}/VoipCarriers`, {
    name: 'for all',
  });
  t.equal(shared.status, 201);
  t.match((await account('GET', `${carriers}/${sidOf(shared)}`)).body, { account_sid: null, name: 'for all' });
  t.match(
    (
      await serviceProvider('POST', gateways, {
        voip_carrier_sid: sidOf(shared),
        ipv4: '198.51.100.0',
        netmask: 24,
        inbound: true,
        outbound: false,
      })
    ).status,
    201,
  );
  const made = await admin('POST', `/v1/Accounts/${SEED.accountSid}/VoipCarriers`, { name: 'by the operator' });
  t.match((await account('GET', `${carriers}/${sidOf(made)}`)).body, { account_sid: SEED.accountSid });
  t.match(
    await account('POST', gateways, {
      voip_carrier_sid: sidOf(made),
      ipv4: '198.51.100.7',
      inbound: true,
      outbound: false,
    }),
    { status: 403, body: { msg: /^ipv4: belongs to a carrier/ } },
    'an account takes no calls of a shared carrier',
  );
});

t.test(
  "an account takes no calls from an address of another's carrier, unless the service provider lets it",
  async (t) => {
    const addCarrier = async (accountSid: string) =>
      sidOf(await admin('POST', `/v1/Accounts/${accountSid}/VoipCarriers`, { name: 'telco' }));
    const [theirs, ours] = [await addCarrier(SEED.siblingAccountSid), await addCarrier(SEED.accountSid)];
    const inbound = { ipv4: '203.0.113.7', inbound: true, outbound: false };
    t.equal((await admin('POST', gateways, { voip_carrier_sid: theirs, ...inbound })).status, 201);
    const own = { voip_carrier_sid: ours, ...inbound };
    for (const address of [{}, { ipv4: '203.0.113.0', netmask: 24 }]) {
      const refused = await account('POST', gateways, { ...own, ...address });
      t.match(refused, { status: 403, body: { msg: /^ipv4: belongs to a carrier of others/ } });
    }
    const other = await account('POST', gateways, { ...own, ipv4: '203.0.113.99', inbound: false, outbound: true });
    t.equal(other.status, 201);
    for (const change of [
      { ipv4: '203.0.113.7', inbound: true },
      { inbound: true, netmask: 24 },
    ]) {
      t.equal((await account('PUT', `${gateways}/${sidOf(other)}`, change)).status, 403);
    }
    const granted = await serviceProvider('POST', gateways, own);
    t.equal(granted.status, 201);
    t.equal((await account('PUT', `${gateways}/${sidOf(granted)}`, { ...own, port: 5070 })).status, 204);
    t.equal((await account('PUT', `${gateways}/${sidOf(granted)}`, { netmask: 24 })).status, 403);
  },
);

t.test('the call path knows of a new carrier and its gateway as soon as they are made', async (t) => {
  const provisioning = await loadProvisioning({ db, redis, logger, encryptionSecret: 'key material' });
  t.teardown(() => provisioning.close());
  await until('it listens', async () => {
    const [, count] = (await redis.pubsub('NUMSUB', PROVISIONING_CHANGED)) as [string, number];
    return count > 0;
  });
  const made = await account('POST', carriers, { name: 'new' });
  await account('POST', gateways, { voip_carrier_sid: sidOf(made), ipv4: '192.0.2.40', inbound: true, outbound: true });
  // By itself it looks again after 30 s only, which is longer than this waits.
  await until('it knows', () => provisioning.snapshot().findInboundGateways('192.0.2.40')[0]?.carrier.name === 'new');
});

t.test('carriers are listed and changed below their owners too', async (t) => {
  const { serviceProviderSid, accountSid, carrierSid, sharedCarrierSid } = SEED;
  const below = `/v1/ServiceProviders/${serviceProviderSid}/VoipCarriers`;
  const sids = (rows: unknown) => (rows as { voip_carrier_sid: string }[]).map((row) => row.voip_carrier_sid);
  const all = sids((await serviceProvider('GET', below)).body);
  t.ok(all.includes(carrierSid) && all.includes(sharedCarrierSid));
  t.match((await serviceProvider('GET', `${below}?page=1&page_size=1&account_sid=${accountSid}`)).body, {
    page_size: 1,
    data: [{ voip_carrier_sid: /./ }],
  });
  t.equal((await account('GET', below)).status, 403);
  t.equal((await stranger('GET', below)).status, 403);
  const description = 'said below';
  t.equal((await account('PUT', `/v1/Accounts/${accountSid}/VoipCarriers/${carrierSid}`, { description })).status, 204);
  t.equal((await serviceProvider('PUT', `${below}/${sharedCarrierSid}`, { description })).status, 204);
  t.match((await serviceProvider('GET', `${carriers}/${sharedCarrierSid}`)).body, { description });
  t.equal((await admin('PUT', `/v1/Accounts/${accountSid}/VoipCarriers/${sharedCarrierSid}`, {})).status, 404);
  t.equal((await account('PUT', `${below}/${sharedCarrierSid}`, { description })).status, 403);
  t.equal((await stranger('PUT', `/v1/Accounts/${accountSid}/VoipCarriers/${carrierSid}`, {})).status, 404);
});

t.test("an account's key sends no SIP into our own network, others may; what stands there may stay", async (t) => {
  const { mariaDb: mysql, redisServer: redis, logger } = api;
  const strict = await startApiServer({
    mysql,
    redis,
    http: { host: '127.0.0.1', port: 0 },
    encryptionSecret: new Secret('key material'),
    instanceId: 'strict',
    workers: false,
    logger,
  });
  t.teardown(() => strict.close());
  const own = apiClient(strict.url, SEED.accountToken);
  const operator = apiClient(strict.url, SEED.adminToken);
  const made = await own('POST', '/v1/VoipCarriers', { name: 'inside', outbound_sip_proxy: 'sip:8.8.8.8' });
  const carrier = `/v1/VoipCarriers/${sidOf(made)}`;
  const out = { voip_carrier_sid: sidOf(made), inbound: false, outbound: true };
  for (const ipv4 of ['127.0.0.1', '169.254.169.254', '::1', 'localhost', '10.0.0.1']) {
    const refused = await own('POST', gateways, { ...out, ipv4 });
    t.match(refused, { status: 403, body: { msg: /^ipv4: .*private address/ } }, ipv4);
  }
  for (const outbound_sip_proxy of ['127.0.0.1:5060', 'sip:[::1];transport=tcp']) {
    const refusal = { status: 403, body: { msg: /^outbound_sip_proxy: .*private address/ } };
    t.match(await own('PUT', carrier, { outbound_sip_proxy }), refusal);
    t.match(await own('POST', '/v1/VoipCarriers', { name: 'other', outbound_sip_proxy }), refusal);
  }
  t.equal((await own('POST', gateways, { ...out, ipv4: '8.8.4.4' })).status, 201);
  const allowed = await operator('POST', gateways, { ...out, ipv4: '127.0.0.1' });
  t.equal(allowed.status, 201);
  const gateway = `${gateways}/${sidOf(allowed)}`;
  t.equal((await own('PUT', gateway, { ipv4: '127.0.0.1', port: 5080 })).status, 204);
  t.equal((await own('PUT', gateway, { ipv4: '127.0.0.2' })).status, 403);
});
