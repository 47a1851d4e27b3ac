import { loadProvisioning } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import t from 'tap';
import { startTestApi } from '../testing/api.js';
import { PREDEFINED_CARRIERS, type PredefinedCarrier } from './predefined-carriers.js';

t.setTimeout(90_000);
const api = await startTestApi({ workers: false });
t.teardown(() => api.stop());
const { admin, serviceProvider, account, stranger, db, redis, logger } = api;
const provisioning = await loadProvisioning({ db, redis, logger, encryptionSecret: 'key material' });
t.teardown(() => provisioning.close());
const ofAccount = `/v1/Accounts/${SEED.accountSid}/PredefinedCarriers`;
const ofServiceProvider = `/v1/ServiceProviders/${SEED.serviceProviderSid}/PredefinedCarriers`;
const sidOf = (name: string): string =>
  PREDEFINED_CARRIERS.find((one) => one.name === name)?.predefined_carrier_sid ?? '';
const made = ({ body }: { body: unknown }): string => (body as { sid: string }).sid;
const carrier = async (sid: string) => (await provisioning.reload()).carriersBySid.get(sid);

t.test('templates are listed for everybody, each with a sid of its own', async (t) => {
  const response = await fetch(`${api.server.url}/v1/PredefinedCarriers`);
  t.equal(response.status, 200, 'without a key');
  const list = (await response.json()) as PredefinedCarrier[];
  t.match(
    list.find(({ name }) => name === 'Twilio'),
    { requires_static_ip: true, e164_leading_plus: true, requires_register: false, sip_gateways: [{ netmask: 30 }] },
  );
  t.equal(new Set(list.map((one) => one.predefined_carrier_sid)).size, list.length);
});

t.test('every template makes a carrier that the edges can use', async (t) => {
  for (const { predefined_carrier_sid: sid, name, requires_register, sip_gateways } of PREDEFINED_CARRIERS) {
    const login = { register_username: 'u', register_password: 'p', register_sip_realm: 'space.sip.signalwire.com' };
    const body = { outbound_host: 'trunk.example.com', ...(requires_register && login) };
    const answer = await admin('POST', `${ofServiceProvider}/${sid}`, body);
    t.equal(answer.status, 201, name);
    const row = await carrier(made(answer));
    t.match(row, { name, accountSid: null, serviceProviderSid: SEED.serviceProviderSid, e164LeadingPlus: /./ });
    const gateways = provisioning.snapshot().gatewaysByCarrierSid.get(made(answer)) ?? [];
    t.equal(gateways.length, sip_gateways.length + 1);
    t.match(
      gateways.find(({ address }) => address === 'trunk.example.com'),
      { outbound: true, inbound: false },
    );
    t.equal((await admin('DELETE', `/v1/VoipCarriers/${made(answer)}`)).status, 204);
  }
});

t.test('a second one gets a name of its own, and the body says what is to be otherwise', async (t) => {
  const path = `${ofAccount}/${sidOf('Telnyx (US)')}`;
  const sids = [];
  for (const body of [undefined, {}, { name: 'telnyx (us)', tech_prefix: '99' }]) {
    const answer = await account('POST', path, body);
    t.equal(answer.status, 201);
    sids.push(made(answer));
  }
  t.match(await Promise.all(sids.map(carrier)), [
    { name: 'Telnyx (US)', accountSid: SEED.accountSid, techPrefix: null },
    { name: 'Telnyx (US) 2' },
    { name: 'telnyx (us) 3', techPrefix: '99' },
  ]);
});

t.test('nobody makes carriers for others, claims the addresses of others, or half of a carrier', async (t) => {
  const twilio = sidOf('Twilio');
  const carriers = async () => ((await admin('GET', '/v1/VoipCarriers')).body as unknown[]).length;
  t.equal((await stranger('POST', `${ofAccount}/${twilio}`)).status, 403);
  t.equal((await account('POST', `${ofServiceProvider}/${twilio}`)).status, 403);
  t.match(await account('POST', `${ofAccount}/nothing`), { status: 404, body: { msg: /predefined carrier nothing/ } });
  t.equal((await serviceProvider('POST', `${ofServiceProvider}/${twilio}`)).status, 201);
  const before = await carriers();
  t.match(await account('POST', `${ofAccount}/${twilio}`), {
    status: 403,
    body: { msg: /belongs to a carrier of others/ },
  });
  t.match(await account('POST', `${ofAccount}/${sidOf('SignalWire')}`), {
    status: 400,
    body: { msg: /^register_username: must be given/ },
  });
  t.match(await account('POST', `${ofAccount}/${sidOf('Vonage')}`, { outbound_host: 'two words' }), { status: 400 });
  t.match(await account('POST', `${ofAccount}/${sidOf('Vonage')}`, { colour: 'blue' }), {
    status: 400,
    body: { msg: /^colour/ },
  });
  t.equal(await carriers(), before, 'nothing of them is kept');
  t.equal((await serviceProvider('POST', `${ofAccount}/${twilio}`)).status, 201, 'the service provider may share it');
});
