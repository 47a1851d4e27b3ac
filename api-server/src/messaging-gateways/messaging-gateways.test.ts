import { createHmac } from 'node:crypto';
import { decryptSecret, loadProvisioning, outboundQueue, Secret } from '@ringwire/common';
import { parseNetworks } from '@ringwire/common/sip/networks.js';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import t from 'tap';
import { startApiServer } from '../api-server.js';
import { startTestApi } from '../testing/api.js';

const api = await startTestApi({
  workers: false,
  publicAddress: { trustedProxies: parseNetworks('127.0.0.0/8') ?? [], baseUrl: 'https://public.example.com/' },
});
t.teardown(() => api.stop());
const { admin, serviceProvider, account, stranger, db, redis, logger } = api;
const own = { voip_carrier_sid: SEED.carrierSid };
const shared = { voip_carrier_sid: SEED.sharedCarrierSid };
const sidOf = ({ body }: { body: unknown }): string => (body as { sid: string }).sid;

const provisioning = await loadProvisioning({ db, redis, logger, encryptionSecret: 'key material' });
t.teardown(() => provisioning.close());

t.test('an SMPP gateway is made, changed, read by the edge, and removed', async (t) => {
  const made = await account('POST', '/v1/SmppGateways', { ...own, ipv4: 'smsc.example.com', use_tls: true });
  t.equal(made.status, 201);
  const path = `/v1/SmppGateways/${sidOf(made)}`;
  t.match((await account('GET', path)).body, {
    port: 2775,
    inbound: false,
    outbound: true,
    is_primary: true,
    window_size: 10,
  });
  t.equal((await account('PUT', path, { inbound: 1, port: 3550, max_per_second: 30, window_size: 5 })).status, 204);
  const login = { smpp_system_id: 'ringwire', smpp_password: 'geheim', smpp_enquire_link_interval: 15 };
  t.equal((await account('PUT', `/v1/VoipCarriers/${SEED.carrierSid}/SmppLogin`, login)).status, 204);
  const snapshot = await provisioning.reload();
  t.match(snapshot.smppGatewaysByCarrierSid.get(SEED.carrierSid), [
    { address: 'smsc.example.com', port: 3550, useTls: true, inbound: true, maxPerSecond: 30, windowSize: 5 },
  ]);
  t.same(snapshot.carriersBySid.get(SEED.carrierSid)?.smpp, {
    systemId: 'ringwire',
    password: 'geheim',
    enquireLinkMs: 15_000,
  });
  const [row] = await db.query<{ smpp_password: string }>(
    'SELECT smpp_password FROM voip_carriers WHERE voip_carrier_sid = ?',
    [SEED.carrierSid],
  );
  t.notMatch(row?.smpp_password, /geheim/, 'encrypted');
  t.match((await account('GET', `/v1/VoipCarriers/${SEED.carrierSid}`)).body, { smpp_password: '******' });
  t.equal(
    (await account('PUT', `/v1/VoipCarriers/${SEED.carrierSid}/SmppLogin`, { ...login, smpp_password: '******' }))
      .status,
    204,
  );
  t.equal(
    (await provisioning.reload()).carriersBySid.get(SEED.carrierSid)?.smpp?.password,
    'geheim',
    'the mask changes nothing',
  );
  // jambonz's way to say the same.
  const again = { smpp_system_id: 'other', smpp_password: 'neu', smpp_enquire_link_interval: 0 };
  t.equal((await account('PUT', `/v1/VoipCarriers/${SEED.carrierSid}`, again)).status, 204);
  t.same((await provisioning.reload()).carriersBySid.get(SEED.carrierSid)?.smpp, {
    systemId: 'other',
    password: 'neu',
    enquireLinkMs: null,
  });
  t.equal((await account('DELETE', path)).status, 204);
  t.equal((await account('GET', path)).status, 404);
  t.equal((await provisioning.reload()).smppGatewaysByCarrierSid.size, 0);
});

t.test('a login with which clients bind to us is one of a single carrier, and the edge reads it', async (t) => {
  const path = `/v1/VoipCarriers/${SEED.carrierSid}`;
  const login = { smpp_inbound_system_id: 'them', smpp_inbound_password: 'geheim' };
  t.equal((await account('PUT', path, login)).status, 204);
  t.match((await account('GET', path)).body, { smpp_inbound_system_id: 'them', smpp_inbound_password: '******' });
  const read = async () => (await provisioning.reload()).carriersBySid.get(SEED.carrierSid)?.smppInbound;
  t.match(await read(), { systemId: 'them', password: 'geheim' });
  t.match(await serviceProvider('PUT', `/v1/VoipCarriers/${SEED.sharedCarrierSid}`, login), {
    status: 422,
    body: { msg: /^smpp_inbound_system_id/ },
  });
  t.match(await account('PUT', path, { smpp_inbound_password: null }), {
    status: 400,
    body: { msg: /^smpp_inbound_password/ },
  });
  t.equal((await account('PUT', path, { ...login, smpp_inbound_password: '******' })).status, 204);
  t.match(await read(), { password: 'geheim' });
  t.equal((await account('PUT', path, { smpp_inbound_system_id: null, smpp_inbound_password: null })).status, 204);
  t.equal(await read(), null);
});

t.test('an HTTP gateway has a token of its own and hides its password', async (t) => {
  const made = await account('POST', '/v1/HttpMessageGateways', { ...own, vendor: 'telnyx', password: 'KEY' });
  const path = `/v1/HttpMessageGateways/${sidOf(made)}`;
  const { body } = await account('GET', path);
  const { webhook_path: webhook } = body as { webhook_path: string };
  t.match(webhook, new RegExp(`^/v1/messaging/${SEED.carrierSid}/[\\w-]{32}$`));
  t.match(body, { vendor: 'telnyx', password: '******', is_active: true });
  t.notMatch(body, { inbound_token: /./ });
  const [row] = await db.query<{ password: string }>('SELECT password FROM http_message_gateways');
  t.equal(decryptSecret(row?.password ?? '', 'key material'), 'KEY');
  const event = {
    data: {
      event_type: 'message.received',
      payload: { id: 't', from: { phone_number: '+1555' }, to: [{ phone_number: '+1666' }], text: 'x' },
    },
  };
  t.same(await stranger('POST', webhook, event), { status: 200, body: {} });
  t.equal((await stranger('POST', webhook.replace(SEED.carrierSid, SEED.sharedCarrierSid), event)).status, 404);
  t.equal((await stranger('POST', `/v1/messaging/${SEED.carrierSid}/`, event)).status, 404);
  t.equal((await account('PUT', path, { is_active: false, password: '******' })).status, 204);
  t.equal((await stranger('POST', webhook, event)).status, 404, 'not active');
  t.equal(
    (await account('POST', '/v1/HttpMessageGateways', { ...own, vendor: 'twilio' })).status,
    422,
    'one for each carrier',
  );
  t.equal((await account('DELETE', path)).status, 204);
});

t.test(
  'with a webhook secret only what the vendor has signed is taken, by the URL that our proxy was asked for',
  async (t) => {
    const made = await account('POST', '/v1/HttpMessageGateways', {
      ...own,
      vendor: 'twilio',
      webhook_secret: '12345',
    });
    const path = `/v1/HttpMessageGateways/${sidOf(made)}`;
    const { webhook_path: webhook, webhook_secret: shown } = (await account('GET', path)).body as Record<
      string,
      string
    >;
    t.equal(shown, '******');
    const form = { MessageSid: 'SM1', From: '+1555', To: '+1666', Body: 'x' };
    const post = async (signedUrl: string, more: Record<string, string> = {}, secret = '12345') => {
      const words = Object.entries(form).sort().flat().join('');
      const signature = createHmac('sha1', secret).update(`${signedUrl}${webhook}${words}`).digest('base64');
      const headers = { 'X-Twilio-Signature': signature, ...more };
      return (await fetch(api.server.url + webhook, { method: 'POST', headers, body: new URLSearchParams(form) }))
        .status;
    };
    const forwarded = { 'X-Forwarded-Proto': 'https', 'X-Forwarded-Host': 'sms.example.com' };
    t.equal(await post(api.server.url), 200);
    t.equal(await post('https://sms.example.com', forwarded), 200, 'by way of our proxy');
    t.equal(await post('https://public.example.com'), 200, 'by API_BASE_URL');
    t.equal(await post('https://elsewhere.example.com'), 403);
    t.equal(await post(api.server.url, {}, 'wrong'), 403);
    t.equal(await post(api.server.url, { 'X-Twilio-Signature': '' }), 403);
    t.match(
      await (await fetch(`${api.server.url}/metrics`)).text(),
      /ringwire_message_webhooks_refused_total{[^}]*vendor="twilio"[^}]*} 3/,
    );
    t.equal((await account('PUT', path, { webhook_secret: '******', username: 'AC1' })).status, 204);
    t.equal(await post(api.server.url, {}, 'wrong'), 403, 'the mask changes nothing');
    t.match(await account('PUT', path, { vendor: 'telnyx' }), { status: 400, body: { msg: /^webhook_secret/ } });
    t.equal((await account('PUT', path, { webhook_secret: null })).status, 204);
    t.equal(await post(api.server.url, {}, 'wrong'), 200, 'without a secret the token is enough');
    t.equal((await account('DELETE', path)).status, 204);
  },
);

t.test('forwarded headers of whoever is none of our proxies are not believed', async (t) => {
  const direct = await startApiServer({
    mysql: api.mariaDb,
    redis: api.redisServer,
    http: { host: '127.0.0.1', port: 0 },
    encryptionSecret: new Secret('key material'),
    instanceId: 'direct',
    workers: false,
    logger,
  });
  t.teardown(() => direct.close());
  const made = await account('POST', '/v1/HttpMessageGateways', { ...own, vendor: 'twilio', webhook_secret: '12345' });
  const path = `/v1/HttpMessageGateways/${sidOf(made)}`;
  const { webhook_path: webhook } = (await account('GET', path)).body as Record<string, string>;
  const status = async (signed: string) => {
    const signature = createHmac('sha1', '12345').update(`${signed}${webhook}MessageSidSM2`).digest('base64');
    const headers = {
      'X-Twilio-Signature': signature,
      'X-Forwarded-Proto': 'https',
      'X-Forwarded-Host': 'sms.example.com',
    };
    const body = new URLSearchParams({ MessageSid: 'SM2' });
    return (await fetch(direct.url + webhook, { method: 'POST', headers, body })).status;
  };
  t.equal(await status('https://sms.example.com'), 403);
  t.equal(await status(direct.url), 200);
  t.equal((await account('DELETE', path)).status, 204);
});

t.test(
  'POST of a message_sid that has a row is answered as before and queues nothing; other sids are known for as long as they must',
  async (t) => {
    const path = `/v1/Accounts/${SEED.accountSid}/Messages`;
    const queue = outboundQueue(redis);
    const body = { from: '15551110000', to: '15552220000', text: 'x' };
    for (const [sid, direction] of [
      ['order-1', 'outbound'],
      ['came-in', 'inbound'],
    ]) {
      await db.execute(
        `INSERT INTO messages (account_sid, message_sid, direction, message_from, message_to, text, media, segments, carrier_message_ids, status, created_at)
       VALUES (?, ?, ?, '1', '2', 'x', '[]', 1, '[]', 'failed', NOW(3))`,
        [SEED.accountSid, sid ?? '', direction ?? ''],
      );
    }
    t.same(await account('POST', path, { ...body, message_sid: 'order-1' }), { status: 201, body: { sid: 'order-1' } });
    t.equal(await queue.size(), 0, 'its row is enough');
    t.match(await account('POST', path, { ...body, message_sid: 'came-in' }), {
      status: 400,
      body: { msg: /^message_sid/ },
    });
    t.equal(await queue.size(), 0);

    const made = sidOf(await account('POST', path, body));
    t.equal((await account('POST', path, { ...body, message_sid: 'ORDER-1' })).status, 201, 'another sid');
    const known = (sid: string) => redis.pttl(`ringwire:{queue:messages-out}:known:${SEED.accountSid}/${sid}`);
    t.same([await known(made), await known('ORDER-1')], [-1, -1], 'known while they wait');
    for (const taken of await queue.take(10, 60_000)) t.ok(await queue.done(taken));
    t.equal(await known(made), -2, 'nobody can come with it again');
    const keptMs = await known('ORDER-1');
    t.ok(keptMs > 23 * 3_600_000 && keptMs <= 24 * 3_600_000, 'a day');
  },
);

t.test('what cannot be is refused with the name of the field', async (t) => {
  const refused = async (path: string, body: object, field: string) => {
    t.match(
      await account('POST', path, body),
      { status: 400, body: { msg: new RegExp(`^${field}`) } },
      JSON.stringify(body),
    );
  };
  const smpp = { ...own, ipv4: '192.0.2.1' };
  await refused('/v1/SmppGateways', own, 'ipv4');
  await refused('/v1/SmppGateways', { ...smpp, ipv4: 'two words' }, 'ipv4');
  await refused('/v1/SmppGateways', { ...smpp, port: 65_536 }, 'port');
  await refused('/v1/SmppGateways', { ...smpp, window_size: 0 }, 'window_size');
  await refused('/v1/SmppGateways', { ...smpp, use_tls: 'yes' }, 'use_tls');
  await refused('/v1/SmppGateways', { ...smpp, colour: 'red' }, 'colour');
  await refused('/v1/HttpMessageGateways', { ...own, vendor: 'nobody' }, 'vendor');
  await refused('/v1/HttpMessageGateways', { ...own, vendor: 'telnyx', webhook_secret: 'x' }, 'webhook_secret');
  await refused('/v1/HttpMessageGateways', { ...own, vendor: 'twilio', base_url: 'file:///etc' }, 'base_url');
  const login = `/v1/VoipCarriers/${SEED.carrierSid}/SmppLogin`;
  t.match(await account('PUT', login, { smpp_system_id: 'x'.repeat(16) }), {
    status: 400,
    body: { msg: /^smpp_system_id/ },
  });
  t.match(await account('PUT', login, { smpp_system_id: 'Zoë' }), { status: 400, body: { msg: /^smpp_system_id/ } });
});

t.test('nobody sees or changes the gateways of others, nor those of carriers that are shared with them', async (t) => {
  for (const [path, more] of [
    ['/v1/SmppGateways', { ipv4: '192.0.2.1' }],
    ['/v1/HttpMessageGateways', { vendor: 'twilio' }],
  ] as const) {
    t.equal((await stranger('POST', path, { ...own, ...more })).status, 404);
    t.equal((await account('POST', path, { ...shared, ...more })).status, 404);
    const sid = sidOf(await serviceProvider('POST', path, { ...shared, ...more }));
    for (const client of [stranger, account]) {
      t.same((await client('GET', path)).body, []);
      for (const method of ['GET', 'PUT', 'DELETE']) {
        t.equal((await client(method, `${path}/${sid}`, method === 'PUT' ? {} : undefined)).status, 404);
      }
    }
    t.equal((await admin('GET', `${path}/${sid}`)).status, 200);
  }
  const login = `/v1/VoipCarriers/${SEED.sharedCarrierSid}/SmppLogin`;
  t.equal((await account('PUT', login, { smpp_system_id: 'x' })).status, 404);
});
