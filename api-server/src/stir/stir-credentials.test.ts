import { generateKeyPairSync } from 'node:crypto';
import { loadProvisioning } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import t from 'tap';
import { startTestApi } from '../testing/api.js';

const api = await startTestApi({ workers: false });
t.teardown(() => api.stop());
const { admin, serviceProvider, account, stranger, db, redis, logger } = api;
const ofAccount = `/v1/Accounts/${SEED.accountSid}/StirCredential`;
const ofServiceProvider = `/v1/ServiceProviders/${SEED.serviceProviderSid}/StirCredential`;
const keyOf = (namedCurve: string): string =>
  generateKeyPairSync('ec', { namedCurve }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const x5u = 'https://certs.example/own.pem';
const credential = { x5u, private_key: keyOf('P-256') };

t.test(
  'a credential is set, read by the call path, changed and removed; its key is stored encrypted and never shown',
  async (t) => {
    const provisioning = await loadProvisioning({ db, redis, logger, encryptionSecret: 'key material' });
    t.teardown(() => provisioning.close());
    const found = async () => {
      const snapshot = await provisioning.reload();
      return snapshot.findStirCredential(SEED.accountSid, SEED.serviceProviderSid)?.x5u;
    };
    t.equal((await account('GET', ofAccount)).status, 404);
    t.equal(
      (await serviceProvider('PUT', ofServiceProvider, { ...credential, x5u: 'https://certs.example/sp' })).status,
      204,
    );
    t.equal(await found(), 'https://certs.example/sp');
    t.equal((await account('PUT', ofAccount, credential)).status, 204);
    t.equal(await found(), x5u);
    const shown = await account('GET', ofAccount);
    t.match(shown.body, { account_sid: SEED.accountSid, service_provider_sid: null, x5u, is_active: true });
    t.notMatch(JSON.stringify(shown.body), /private_key|PRIVATE/);
    const [row] = await db.query<{ private_key: string }>('SELECT private_key FROM stir_credentials WHERE x5u = ?', [
      x5u,
    ]);
    t.match(row?.private_key, /^v1:/);
    t.equal((await admin('PUT', ofAccount, { ...credential, is_active: false })).status, 204);
    t.equal(await found(), 'https://certs.example/sp', "the service provider's serves again");
    t.equal((await account('DELETE', ofAccount)).status, 204);
    t.equal((await account('GET', ofAccount)).status, 404);
    t.equal((await serviceProvider('DELETE', ofServiceProvider)).status, 204);
    t.equal(await found(), undefined);
  },
);

t.test('nobody sees or sets the credential of others', async (t) => {
  for (const method of ['GET', 'PUT', 'DELETE']) {
    const body = method === 'PUT' ? credential : undefined;
    t.equal((await stranger(method, ofAccount, body)).status, 403);
    t.equal((await account(method, ofServiceProvider, body)).status, 403);
  }
  t.equal((await admin('PUT', '/v1/ServiceProviders/nobody/StirCredential', credential)).status, 404);
});

t.test('a wrong field is named', async (t) => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey.export({ type: 'pkcs8', format: 'pem' });
  const cases: [object, RegExp][] = [
    [{ ...credential, x5u: 'http://certs.example/own.pem' }, /^x5u: must be an https URL/],
    [{ ...credential, x5u: undefined }, /^x5u/],
    [{ ...credential, private_key: 'secret' }, /^private_key: must be an EC private key/],
    [{ ...credential, private_key: keyOf('P-384') }, /^private_key/],
    [{ ...credential, private_key: rsa }, /^private_key/],
    [{ ...credential, is_active: 'yes' }, /^is_active/],
    [{ ...credential, certificate: 'x' }, /^certificate: unknown field/],
  ];
  for (const [body, msg] of cases) t.match(await admin('PUT', ofAccount, body), { status: 400, body: { msg } });
});
