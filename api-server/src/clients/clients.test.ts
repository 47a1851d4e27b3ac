import { type Binding, loadProvisioning, registrations } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import t from 'tap';
import { startTestApi } from '../testing/api.js';

const api = await startTestApi({ workers: false });
t.teardown(() => api.stop());
const { admin, serviceProvider, account, stranger, db, redis, logger } = api;

t.test(
  'a client is made, read by the call path, changed and removed; its password is encrypted and never shown',
  async (t) => {
    const provisioning = await loadProvisioning({ db, redis, logger, encryptionSecret: 'key material' });
    t.teardown(() => provisioning.close());
    const made = await account('POST', '/v1/Clients', { username: 'alice', password: 'secret', call_limit: 2 });
    t.equal(made.status, 201);
    const { sid } = made.body as { sid: string };
    t.match((await provisioning.reload()).findClient(SEED.accountSid, 'alice'), {
      ...{ password: 'secret', callLimit: 2, allowDirectUserCalling: true },
    });
    const [row] = await db.query<{ password: string }>('SELECT password FROM clients WHERE client_sid = ?', [sid]);
    t.match(row?.password, /^v1:/);
    const shown = await account('GET', `/v1/Clients/${sid}`);
    t.match(shown.body, { username: 'alice', account_sid: SEED.accountSid, is_active: true, call_limit: 2 });
    t.notMatch(JSON.stringify((await account('GET', '/v1/Clients')).body), /secret|v1:/);
    const { body } = shown;
    t.equal((await account('PUT', `/v1/Clients/${sid}`, { ...(body as object), call_limit: 3 })).status, 204);
    t.match((await provisioning.reload()).findClient(SEED.accountSid, 'alice'), { password: 'secret', callLimit: 3 });
    t.equal((await serviceProvider('PUT', `/v1/Clients/${sid}`, { is_active: false })).status, 204);
    t.equal((await provisioning.reload()).findClient(SEED.accountSid, 'alice'), undefined);
    t.equal((await account('DELETE', `/v1/Clients/${sid}`)).status, 204);
    t.equal((await account('GET', `/v1/Clients/${sid}`)).status, 404);
  },
);

t.test('nobody sees, changes or makes the clients of others', async (t) => {
  const made = await account('POST', '/v1/Clients', { username: 'bob', password: 'secret' });
  const { sid } = made.body as { sid: string };
  t.same((await stranger('GET', '/v1/Clients')).body, []);
  t.equal((await stranger('GET', `/v1/Clients/${sid}`)).status, 404);
  t.equal((await stranger('PUT', `/v1/Clients/${sid}`, { password: 'stolen' })).status, 404);
  t.equal((await stranger('DELETE', `/v1/Clients/${sid}`)).status, 404);
  const forged = { username: 'eve', password: 'x', account_sid: SEED.accountSid };
  t.equal((await stranger('POST', '/v1/Clients', forged)).status, 403);
  const moved = { account_sid: SEED.siblingAccountSid };
  t.equal((await serviceProvider('PUT', `/v1/Clients/${sid}`, moved)).status, 400);
  t.equal((await admin('DELETE', `/v1/Clients/${sid}`)).status, 204);
});

t.test('what is wrong with a client is named', async (t) => {
  const good = { username: 'carol', password: 'secret' };
  const field = async (more: object): Promise<unknown> => {
    const { status, body } = await account('POST', '/v1/Clients', { ...good, ...more });
    return [status, /^\w+/.exec((body as { msg: string }).msg)?.[0]];
  };
  t.same(await field({ username: 'a b' }), [400, 'username']);
  t.same(await field({ username: 'app-1' }), [400, 'username']);
  t.same(await field({ password: '' }), [400, 'password']);
  t.same(await field({ password: '******' }), [400, 'password']);
  t.same(await field({ call_limit: -1 }), [400, 'call_limit']);
  t.same(await field({ is_active: 'yes' }), [400, 'is_active']);
  t.same(await field({ realm: 'x' }), [400, 'realm']);
  t.equal((await account('POST', '/v1/Clients', good)).status, 201);
  t.same(await field({}), [422, 'username']);
});

t.test('who is registered is told to the account, with every device', async (t) => {
  const binding: Binding = {
    ...{ contact: 'sip:dana@192.168.1.5:5060', q: 1, path: [], transport: 'tcp', address: '198.51.100.7', port: 40000 },
    ...{ edge: '127.0.0.1:5060', userAgent: 'Phone 1', registeredAt: 1 },
    ...{ allowDirectAppCalling: true, allowDirectQueueCalling: true, allowDirectUserCalling: false },
  };
  const store = registrations(redis);
  const aor = { user: 'dana', realm: 'one.example.com' };
  const changes = [{ id: binding.contact, lifeMs: 60_000, binding }];
  t.ok((await store.register({ aor, callId: 'c1', cseq: 1, changes, maxUsers: null })).ok);
  const path = `/v1/Accounts/${SEED.accountSid}/RegisteredSipUsers`;
  t.same((await account('GET', path)).body, ['dana@one.example.com']);
  const one = {
    ...{ name: 'dana@one.example.com', contact: binding.contact, protocol: 'tcp', registered_status: 'active' },
    ...{ proxy: 'sip:198.51.100.7:40000;transport=tcp', allow_direct_user_calling: false },
    contacts: [{ user_agent: 'Phone 1' }],
  };
  t.match((await account('GET', `${path}/dana`)).body, one);
  t.match((await account('GET', `${path}/dana@one.example.com`)).body, one);
  t.match((await account('POST', path, [])).body, [one]);
  t.match((await account('POST', path, ['dana', 'nobody', 'dana@two.example.com'])).body, [
    one,
    { name: 'nobody@one.example.com', registered_status: 'inactive', contact: null },
  ]);
  t.equal((await account('GET', `${path}/nobody`)).status, 404);
  t.equal((await stranger('GET', path)).status, 403);
  t.equal((await account('POST', path, { a: 1 })).status, 400);
});
