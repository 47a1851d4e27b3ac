import { encryptSecret, loadProvisioning, PROVISIONING_CHANGED } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import t from 'tap';
import { startTestApi } from './testing/api.js';

const api = await startTestApi({ workers: false });
t.teardown(() => api.stop());
const { admin, serviceProvider, account, stranger, db, redis, logger } = api;
const sids = (body: unknown, key: string) => (body as Record<string, unknown>[]).map((row) => row[key]);
const own = `/v1/Accounts/${SEED.accountSid}`;

t.test('an account reads itself with the secret of its webhooks, and nothing that is not its own', async (t) => {
  t.match((await account('GET', own)).body, {
    account_sid: SEED.accountSid,
    service_provider_sid: SEED.serviceProviderSid,
    name: 'one',
    sip_realm: 'One.example.com',
    is_active: true,
    webhook_secret: 'wh_secret_one',
    registration_hook: null,
    queue_event_hook: null,
  });
  t.strictSame(sids((await account('GET', '/v1/Accounts')).body, 'account_sid'), [SEED.accountSid]);
  t.strictSame(sids((await serviceProvider('GET', '/v1/Accounts')).body, 'name'), ['one', 'two']);
  t.strictSame(sids((await admin('GET', '/v1/Accounts')).body, 'name'), ['one', 'three', 'two']);
  for (const path of [own, `${own}/WebhookSecret`, `${own}/WebhookSecret?regenerate=true`, `${own}/VoipCarriers`]) {
    t.equal((await stranger('GET', path)).status, 403, path);
  }
  t.equal((await admin('GET', '/v1/Accounts/nobody')).status, 404);
  t.match((await account('GET', `${own}/WebhookSecret`)).body, { webhook_secret: 'wh_secret_one' });
});

t.test('hooks and credentials of an account are shown without their secrets', async (t) => {
  await db.execute("UPDATE webhooks SET username = 'u', password = 'hookpw' WHERE webhook_sid = ?", [SEED.callHookSid]);
  await db.execute("UPDATE accounts SET registration_hook_sid = ?, bucket_credential = 'key' WHERE account_sid = ?", [
    SEED.callHookSid,
    SEED.accountSid,
  ]);
  t.match((await account('GET', own)).body, {
    registration_hook: { url: 'http://127.0.0.1:9/call', method: 'POST', username: 'u', password: '******' },
    bucket_credential: '******',
  });
});

t.test('an account is changed: who may say what, and what is sent back as it was read is let pass', async (t) => {
  const refused = async (who: typeof account, body: object, status: number, msg: RegExp) =>
    t.match(await who('PUT', own, body), { status, body: { msg } }, JSON.stringify(body));
  await refused(account, { sip_realm: 'mine.example.com' }, 403, /sip_realm/);
  await refused(account, { is_active: false }, 403, /is_active/);
  await refused(account, { service_provider_sid: SEED.otherServiceProviderSid }, 400, /service_provider_sid/);
  await refused(account, { realm: 'x' }, 400, /realm: unknown field/);
  await refused(account, { name: '' }, 400, /name/);
  await refused(account, { stir_policy: 'maybe' }, 400, /stir_policy.*enforce/);
  await refused(account, { device_calling_application_sid: 'nobody' }, 400, /device_calling_application_sid/);
  await refused(account, { registration_hook: { url: 'ftp://x/' } }, 400, /registration_hook\.url/);
  await refused(serviceProvider, { sip_realm: '10.0.0.1' }, 400, /sip_realm.*host name/);
  await refused(serviceProvider, { sip_realm: 'a b' }, 400, /sip_realm/);
  await refused(stranger, { name: 'taken' }, 403, /privileges/);
  t.equal((await admin('PUT', '/v1/Accounts/nobody', { name: 'x' })).status, 404);

  const sibling = `/v1/Accounts/${SEED.siblingAccountSid}`;
  t.equal((await serviceProvider('PUT', sibling, { sip_realm: 'Two.example.com' })).status, 204);
  await refused(serviceProvider, { sip_realm: 'two.example.com' }, 422, /another account/);
  const hook = { url: 'http://127.0.0.1:9/register', method: 'POST', username: 'u', password: 'p' };
  const change = {
    registration_hook: hook,
    queue_event_hook: { url: 'http://127.0.0.1:9/queue', method: 'GET' },
    device_calling_application_sid: SEED.applicationSid,
    stir_policy: 'enforce',
  };
  t.equal((await account('PUT', own, change)).status, 204);
  const read = (await account('GET', own)).body as Record<string, unknown>;
  t.match(read, {
    registration_hook: { ...hook, password: '******' },
    queue_event_hook: { url: 'http://127.0.0.1:9/queue', method: 'GET', username: null, password: null },
    device_calling_application_sid: SEED.applicationSid,
    stir_policy: 'enforce',
  });
  t.equal((await account('PUT', own, { ...read, name: 'uno' })).status, 204, 'the whole account may be sent back');
  const provisioning = await loadProvisioning({ db, redis, logger, encryptionSecret: 'key material' });
  t.teardown(() => provisioning.close());
  const snapshot = provisioning.snapshot();
  t.match(snapshot.accountsBySid.get(SEED.accountSid), {
    name: 'uno',
    registrationHook: { url: hook.url, password: 'p' },
    deviceCallingApplicationSid: SEED.applicationSid,
    stirPolicy: 'enforce',
  });
  const application = snapshot.applicationsBySid.get(SEED.applicationSid);
  t.equal(application?.callHook?.url, 'http://127.0.0.1:9/call', 'a hook that others share stays theirs');
  t.equal(snapshot.accountsBySid.get(SEED.siblingAccountSid)?.sipRealm, 'two.example.com');

  t.match(await account('DELETE', `/v1/Applications/${SEED.applicationSid}`), { status: 422 });
  const none = { registration_hook: null, queue_event_hook: null, stir_policy: null, name: 'one' };
  t.equal((await account('PUT', own, { ...none, device_calling_application_sid: null })).status, 204);
  t.match((await account('GET', own)).body, { ...none, device_calling_application_sid: null });
  const left = await db.query('SELECT 1 FROM webhooks WHERE url LIKE ?', ['%/queue']);
  t.strictSame(left, [], 'hooks that nobody uses are gone');
  t.equal((await db.query('SELECT 1 FROM webhooks WHERE webhook_sid = ?', [SEED.callHookSid])).length, 1);
});

t.test("a hook's stored password never goes where its owner did not send it", async (t) => {
  const stored = async (sid: string | undefined) =>
    (
      await db.query<{ url: string; password: string }>('SELECT url, password FROM webhooks WHERE webhook_sid = ?', [
        sid ?? '',
      ])
    )[0];
  const hookSid = async () =>
    (
      await db.query<{ sid: string }>('SELECT registration_hook_sid AS sid FROM accounts WHERE account_sid = ?', [
        SEED.accountSid,
      ])
    )[0]?.sid;
  const hook = { url: 'https://sp.example.com/register', method: 'POST', username: 'u', password: 'theirs' };
  const masked = { ...hook, password: '******' };
  const put = (registration_hook: object | null) => account('PUT', own, { registration_hook });
  t.equal((await serviceProvider('PUT', own, { registration_hook: hook })).status, 204);
  const before = await stored(await hookSid());
  t.match(await put({ ...masked, url: 'https://thief.example/' }), {
    status: 400,
    body: { msg: /^registration_hook.password: must be given with another URL/ },
  });
  t.same(await stored(await hookSid()), before);
  t.equal((await put({ ...masked, url: 'https://sp.example.com/other' })).status, 204, 'the same server');
  t.equal((await stored(await hookSid()))?.password, before?.password);
  t.equal(
    (await put({ ...hook, url: 'https://mine.example/', password: 'mine' })).status,
    204,
    'a password of its own',
  );
  t.equal((await put(null)).status, 204);

  const shared = '00000000-0000-4000-8000-00000000aaaa';
  await db.execute('INSERT INTO webhooks (webhook_sid, url, method, username, password) VALUES (?)', [
    [shared, hook.url, 'POST', 'u', 'theirs'],
  ]);
  const refer = (table: string, sid: string | null, key: string) =>
    db.execute(`UPDATE ${table} SET registration_hook_sid = ? WHERE ${table.slice(0, -1)}_sid = ?`, [sid, key]);
  await refer('accounts', shared, SEED.accountSid);
  await refer('service_providers', shared, SEED.serviceProviderSid);
  t.match(await put({ ...masked, url: 'https://sp.example.com/other' }), {
    status: 400,
    body: { msg: /^registration_hook.password: must be given: others use this hook/ },
  });
  const { method, username, password, url } = masked;
  t.equal((await put({ password, username, method, url })).status, 204, 'what was read may be sent back');
  t.equal(await hookSid(), shared);
  t.equal((await put({ ...hook, password: 'mine' })).status, 204);
  t.not(await hookSid(), shared, 'a hook of its own');
  t.equal((await stored(shared))?.password, 'theirs');
  await refer('service_providers', null, SEED.serviceProviderSid);
  t.equal((await put(null)).status, 204);
});

t.test('a regenerated secret is encrypted at rest, announced, and what the call path signs with', async (t) => {
  const subscriber = redis.duplicate();
  t.teardown(() => subscriber.disconnect());
  const heard: string[] = [];
  subscriber.on('message', (_channel, table) => void heard.push(table));
  await subscriber.subscribe(PROVISIONING_CHANGED);
  const made = await account('GET', `${own}/WebhookSecret?regenerate=true`);
  const { webhook_secret } = made.body as { webhook_secret: string };
  t.match(webhook_secret, /^wh_secret_[\w-]{32}$/);
  t.strictSame((await account('GET', `${own}/WebhookSecret`)).body, { webhook_secret });
  await subscriber.ping();
  t.strictSame(heard, ['accounts']);
  const [row] = await db.query<{ webhook_secret: string }>(
    'SELECT webhook_secret FROM accounts WHERE account_sid = ?',
    [SEED.accountSid],
  );
  t.match(row?.webhook_secret, /^v1:/);
  const provisioning = await loadProvisioning({ db, redis, logger, encryptionSecret: 'key material' });
  t.teardown(() => provisioning.close());
  t.equal(provisioning.snapshot().accountsBySid.get(SEED.accountSid)?.webhookSecret, webhook_secret);
  t.equal((await account('GET', `${own}/WebhookSecret?regenerate=maybe`)).status, 400);
});

t.test('a secret that cannot be decrypted is null, and can be regenerated', async (t) => {
  await db.execute('UPDATE accounts SET webhook_secret = ? WHERE account_sid = ?', [
    encryptSecret('lost', 'another key'),
    SEED.accountSid,
  ]);
  t.match((await account('GET', own)).body, { webhook_secret: null });
  t.match(await account('GET', `${own}/WebhookSecret`), { status: 500, body: { msg: /regenerate/ } });
  t.equal((await account('GET', `${own}/WebhookSecret?regenerate=true`)).status, 200);
});

t.test('an account sees its carriers and those that its service provider shares, without passwords', async (t) => {
  await db.execute("UPDATE voip_carriers SET register_password = 'geheim' WHERE voip_carrier_sid = ?", [
    SEED.carrierSid,
  ]);
  const { body } = await account('GET', '/v1/VoipCarriers');
  t.match(body, [
    { voip_carrier_sid: SEED.carrierSid, name: 'carrier', register_password: '******', inbound_auth_password: null },
    { voip_carrier_sid: SEED.sharedCarrierSid, name: 'shared', account_sid: null },
  ]);
  t.notMatch(JSON.stringify(body), /geheim/);
  t.strictSame(await account('GET', `${own}/VoipCarriers`), { status: 200, body });
  t.match((await account('GET', `/v1/VoipCarriers/${SEED.sharedCarrierSid}`)).body, { name: 'shared' });
  t.match((await account('GET', '/v1/VoipCarriers?name=arr&page=1')).body, { total: 1, data: [{ name: 'carrier' }] });
  t.strictSame((await stranger('GET', '/v1/VoipCarriers')).body, []);
  t.strictSame((await stranger('GET', `/v1/VoipCarriers?account_sid=${SEED.accountSid}`)).body, []);
  t.equal((await stranger('GET', `/v1/VoipCarriers/${SEED.sharedCarrierSid}`)).status, 404);
  t.strictSame(
    sids((await serviceProvider('GET', `/v1/VoipCarriers?account_sid=${SEED.siblingAccountSid}`)).body, 'name'),
    ['shared'],
  );
});
