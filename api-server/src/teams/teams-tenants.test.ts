import { SEED } from '@ringwire/common/testing/provisioned.js';
import t from 'tap';
import { startTestApi, type TestApi } from '../testing/api.js';

t.setTimeout(200_000);

let api: TestApi;
t.before(async () => {
  api = await startTestApi({ workers: false });
  t.teardown(() => api.stop());
});

const PATH = '/v1/MicrosoftTeamsTenants';
const FQDN = 'one.teams.example.com';

t.test('Teams tenants: made by the service provider, read, changed and removed by their account', async (t) => {
  const fields = {
    tenant_fqdn: 'One.Teams.example.com',
    application_sid: SEED.applicationSid,
    account_sid: SEED.accountSid,
  };
  const made = await api.serviceProvider('POST', PATH, fields);
  t.equal(made.status, 201);
  const { sid } = made.body as { sid: string };
  const row = {
    ms_teams_tenant_sid: sid,
    service_provider_sid: SEED.serviceProviderSid,
    account_sid: SEED.accountSid,
    application_sid: SEED.applicationSid,
    tenant_fqdn: FQDN,
  };
  t.same((await api.account('GET', PATH)).body, [row]);
  t.same((await api.serviceProvider('GET', `${PATH}/${sid}`)).body, row);
  t.match(await api.admin('POST', PATH, { tenant_fqdn: FQDN, account_sid: SEED.siblingAccountSid }), {
    status: 422,
    body: { msg: /tenant_fqdn/ },
  });
  t.equal((await api.account('PUT', `${PATH}/${sid}`, { ...row, application_sid: null })).status, 204);
  const change = { tenant_fqdn: 'two.teams.example.com' };
  t.equal((await api.serviceProvider('PUT', `${PATH}/${sid}`, change)).status, 204);
  t.same((await api.account('GET', `${PATH}/${sid}`)).body, { ...row, application_sid: null, ...change });
  t.equal((await api.account('DELETE', `${PATH}/${sid}`)).status, 204);
  t.equal((await api.account('GET', `${PATH}/${sid}`)).status, 404);
});

t.test('Teams tenants: an account takes no domain by its own key', async (t) => {
  const refusal = { status: 403, body: { msg: /^tenant_fqdn: / } };
  t.match(await api.account('POST', PATH, { tenant_fqdn: 'contoso.example.com' }), refusal);
  const made = await api.admin('POST', PATH, { tenant_fqdn: 'mine.example.com', account_sid: SEED.accountSid });
  const path = `${PATH}/${(made.body as { sid: string }).sid}`;
  t.match(await api.account('PUT', path, { tenant_fqdn: 'contoso.example.com' }), refusal);
  t.match((await api.account('GET', path)).body, { tenant_fqdn: 'mine.example.com' });
  t.equal((await api.account('DELETE', path)).status, 204);
});

t.test('Teams tenants: nobody sees or changes those of others, wrong fields are named', async (t) => {
  const made = await api.admin('POST', PATH, { tenant_fqdn: FQDN, account_sid: SEED.accountSid });
  const { sid } = made.body as { sid: string };
  t.same((await api.stranger('GET', PATH)).body, []);
  for (const method of ['GET', 'PUT', 'DELETE']) {
    t.equal((await api.stranger(method, `${PATH}/${sid}`, method === 'PUT' ? {} : undefined)).status, 404, method);
  }
  const foreign = { tenant_fqdn: 'three.example.com', account_sid: SEED.accountSid };
  t.equal((await api.stranger('POST', PATH, foreign)).status, 403);
  const application = {
    tenant_fqdn: 'three.example.com',
    application_sid: SEED.applicationSid,
    account_sid: SEED.strangerAccountSid,
  };
  t.match(await api.admin('POST', PATH, application), { status: 400, body: { msg: /application_sid/ } });
  const nonsense = { tenant_fqdn: 'nonsense', account_sid: SEED.accountSid };
  t.match(await api.admin('POST', PATH, nonsense), { status: 400, body: { msg: /tenant_fqdn/ } });
  t.match(await api.account('POST', PATH, { tenant_fqnd: FQDN }), { status: 400, body: { msg: /tenant_fqnd/ } });
  t.match(await api.admin('POST', PATH, { tenant_fqdn: FQDN }), { status: 400, body: { msg: /account_sid/ } });
  const moved = { account_sid: SEED.siblingAccountSid };
  t.match(await api.admin('PUT', `${PATH}/${sid}`, moved), { status: 400, body: { msg: /account_sid/ } });
});
