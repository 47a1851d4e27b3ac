import { randomUUID } from 'node:crypto';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import t from 'tap';
import { startTestApi } from '../testing/api.js';

t.setTimeout(200_000);
const api = await startTestApi({ workers: false });
t.teardown(() => api.stop());
const { admin, account, stranger, db } = api;
const { accountSid, carrierSid, strangerAccountSid } = SEED;
const FULL = { status: 422, body: { msg: /at most [\d]+ / } };

/** Writes rows as if they had been made one after the other. */
const fill = (
  table: string,
  columns: string,
  count: number,
  row: (n: number) => (string | number)[],
): Promise<unknown> =>
  db.execute(`INSERT INTO ${table} (${columns}) VALUES ?`, [Array.from({ length: count }, (_, n) => row(n))]);

t.test(
  'an account may have a hundred carriers; its operator may give it more, and others have their own',
  async (t) => {
    await fill('voip_carriers', 'voip_carrier_sid, name, account_sid', 99, (n) => [randomUUID(), `c${n}`, accountSid]);
    t.match(await account('POST', '/v1/VoipCarriers', { name: 'one more' }), FULL);
    t.equal((await admin('POST', '/v1/VoipCarriers', { name: 'by grace', account_sid: accountSid })).status, 201);
    t.equal((await stranger('POST', '/v1/VoipCarriers', { name: 'other' })).status, 201);
  },
);

t.test('its gateways are counted over all its carriers', async (t) => {
  const columns = 'sip_gateway_sid, voip_carrier_sid, ipv4, port, inbound, outbound';
  await fill('sip_gateways', columns, 999, (n) => [randomUUID(), carrierSid, '192.0.2.1', n + 1, 0, 1]);
  const gateway = { voip_carrier_sid: carrierSid, ipv4: '192.0.2.2', inbound: false, outbound: true };
  t.match(await account('POST', '/v1/SipGateways', gateway), FULL);
  await fill('smpp_gateways', 'smpp_gateway_sid, voip_carrier_sid, ipv4', 99, () => [
    ...[randomUUID(), carrierSid, '192.0.2.1'],
  ]);
  const smpp = { voip_carrier_sid: carrierSid, ipv4: '192.0.2.2' };
  t.equal((await account('POST', '/v1/SmppGateways', smpp)).status, 201, 'the hundredth');
  t.match(await account('POST', '/v1/SmppGateways', smpp), FULL);
});

t.test('applications and phone numbers have a bound', async (t) => {
  await fill('applications', 'application_sid, name, account_sid', 1_000, (n) => [randomUUID(), `a${n}`, accountSid]);
  const call_hook = { url: 'https://example.com/', method: 'POST' };
  const application = { name: 'late', account_sid: accountSid, call_hook, call_status_hook: call_hook };
  t.match(await account('POST', '/v1/Applications', application), FULL);
  t.equal((await admin('POST', '/v1/Applications', application)).status, 201);
  await fill('phone_numbers', 'phone_number_sid, number, voip_carrier_sid, account_sid', 10_000, (n) => [
    ...[randomUUID(), `1999${n}`, carrierSid, accountSid],
  ]);
  const number = { number: '15558887777', voip_carrier_sid: carrierSid };
  t.match(await account('POST', '/v1/PhoneNumbers', number), FULL);
  t.equal((await admin('POST', '/v1/PhoneNumbers', { ...number, account_sid: accountSid })).status, 201);
});

t.test('the prices of all decks of an account have a bound; one that takes their place counts once', async (t) => {
  const csv = 'prefix,rate\n49,0.01\n33,0.01\n';
  const post = async (token: string, carrier: string) => {
    const path = `/v1/Accounts/${accountSid}/RateDecks?voip_carrier_sid=${carrier}`;
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'text/csv' };
    const answer = await fetch(api.server.url + path, { method: 'POST', headers, body: csv });
    return { status: answer.status, body: await answer.json() };
  };
  t.equal((await post(SEED.accountToken, carrierSid)).status, 201);
  await db.execute('UPDATE rate_deck_versions SET entry_count = 2999999');
  t.match(await post(SEED.accountToken, SEED.sharedCarrierSid), {
    status: 422,
    body: { msg: 'there is room for 1 prices, and the file has 2; nothing was changed' },
  });
  t.equal((await post(SEED.adminToken, SEED.sharedCarrierSid)).status, 201, 'by grace');
  t.equal((await post(SEED.accountToken, carrierSid)).status, 201);
});

t.test('clients have a bound', async (t) => {
  await fill('clients', 'client_sid, account_sid, username, password', 10_000, (n) => [
    ...[randomUUID(), accountSid, `u${n}`, 'x'],
  ]);
  t.match(await account('POST', '/v1/Clients', { username: 'late', password: 'x' }), FULL);
  const other = { username: 'late', password: 'x', account_sid: strangerAccountSid };
  t.equal((await stranger('POST', '/v1/Clients', other)).status, 201);
});

t.test('a batch of routes that goes beyond the bound is not kept, one that takes their place is', async (t) => {
  const made = await account('POST', '/v1/Lcrs', { name: 'mine' });
  const { sid } = made.body as { sid: string };
  await fill('lcr_routes', 'lcr_route_sid, lcr_sid, regex, priority', 9_999, (n) => [randomUUID(), sid, `1${n}`, n]);
  const routes = [1, 2].map((n) => ({ regex: `49${n}`, priority: 20_000 + n, lcr_carrier_set_entries: [] }));
  t.match(await account('POST', `/v1/Lcrs/${sid}/Routes`, routes), FULL);
  const count = async (): Promise<unknown> => {
    const [row] = await db.query<{ count: number }>('SELECT COUNT(*) AS count FROM lcr_routes');
    return Number(row?.count);
  };
  t.equal(await count(), 9_999);
  t.equal((await account('PUT', `/v1/Lcrs/${sid}/Routes`, routes)).status, 204);
  t.equal(await count(), 2);
});
