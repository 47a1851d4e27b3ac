import { request } from 'node:http';
import { fraudKey, openGatewayHealth } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { carrier, gateway } from '@ringwire/common/testing/routing-rows.js';
import { until } from '@ringwire/common/testing/until.js';
import t from 'tap';
import { startTestApi } from '../testing/api.js';

const api = await startTestApi({ workers: false });
t.teardown(() => api.stop());
const { admin, serviceProvider, account, stranger, db, redis, logger, server } = api;
const decks = `/v1/Accounts/${SEED.accountSid}/RateDecks`;
const sharedDecks = `/v1/ServiceProviders/${SEED.serviceProviderSid}/RateDecks`;
const preview = `/v1/Accounts/${SEED.accountSid}/RoutePreview`;
const csv = { 'content-type': 'text/csv' };
const sendCsv = (client: typeof account, path: string, carrierSid: string, text: string, more = '') =>
  client('POST', `${path}?voip_carrier_sid=${carrierSid}${more}`, text, csv);

interface Previewed {
  gateways: { carrier: string; price: { rate: number } | null; why: string; health: Record<string, unknown> }[];
  passed_over: { name: string; why: string }[];
}
const previewOf = async (client: typeof account, body: object): Promise<Previewed> =>
  (await client('POST', preview, body)).body as Previewed;

await db.execute(
  'INSERT INTO sip_gateways (sip_gateway_sid, ipv4, port, inbound, outbound, voip_carrier_sid) VALUES (?)',
  [['shared-gateway', '127.0.0.2', 5070, false, true, SEED.sharedCarrierSid]],
);

t.test('the preview tells what the toll-fraud guard would refuse', async (t) => {
  t.match(await previewOf(account, { to: '+4930123456' }), { refused: null });
  t.match(await previewOf(account, { to: '+881612345678' }), {
    refused: { reason: 'destination-denied', detail: /satellite/ },
  });
  const key = fraudKey(SEED.serviceProviderSid, SEED.accountSid, 'block');
  const until = Date.now() + 60_000;
  await redis.set(key, `calls-per-minute ${Date.now()} ${until} 4930`);
  t.match(await previewOf(account, { to: '+4930123456' }), {
    refused: { reason: 'calls-per-minute', detail: /blocked/, until: new Date(until).toISOString() },
  });
  await redis.del(key);
});

t.test('a deck is imported as CSV, listed, and decides from then on; the preview tells why', async (t) => {
  t.match(await previewOf(account, { to: '+4930123456' }), {
    gateways: [{ carrier: 'carrier', gateway: '127.0.0.1:5060', why: /carrier of the account/, price: null }],
  });
  const imported = await sendCsv(account, decks, SEED.carrierSid, 'prefix,rate\n49,0.05\n4930,0.03\n', '&name=mine');
  t.match(imported, { status: 201, body: { sid: /^[\w-]{36}$/, version: Number, entry_count: 2, bad_row_count: 0 } });
  t.equal((await sendCsv(serviceProvider, sharedDecks, SEED.sharedCarrierSid, 'prefix,rate\n49,0.04\n')).status, 201);
  t.match((await account('GET', decks)).body, [
    { name: 'mine', currency: 'USD', entry_count: 2, voip_carrier_sid: SEED.carrierSid },
  ]);
  await until('prices decide', async () => (await previewOf(account, { to: '49301' })).gateways.length === 2);
  t.match(await previewOf(serviceProvider, { to: '+4930123456' }), {
    to: '4930123456',
    gateways: [
      {
        carrier: 'carrier',
        price: { rate: 0.03, currency: 'USD', prefix_length: 4 },
        why: /least cost: 1 of 2, prefix 4930/,
      },
      {
        carrier: 'shared',
        price: { rate: 0.04 },
        health: { state: 'closed', score: 1, attempts: 0, answer_seizure_ratio: null },
      },
    ],
    passed_over: [],
  });
  t.match(
    (await previewOf(account, { to: '4989' })).gateways.map(({ carrier }) => carrier),
    ['shared', 'carrier'],
  );
  t.match((await previewOf(account, { to: '4989', trunk: 'carrier' })).gateways, [
    { why: /requested by the application/ },
  ]);
  t.match(await previewOf(account, { to: '33' }), {
    gateways: [],
    passed_over: [{ why: 'its rate deck has no price for the number' }, {}],
  });
});

t.test('an account does not see what its service provider pays, in lists, prices or reasons', async (t) => {
  const { gateways } = await previewOf(account, { to: '4989' });
  t.match(gateways, [
    { carrier: 'shared', price: null },
    { carrier: 'carrier', price: { rate: 0.05 } },
  ]);
  t.notMatch(gateways[0]?.why, /0\.04|40000/);
  t.equal(((await account('GET', decks)).body as unknown[]).length, 1);
  t.equal(((await serviceProvider('GET', decks)).body as unknown[]).length, 2);
  t.equal((await account('GET', sharedDecks)).status, 403);
});

t.test('bad rows are told with their lines, and nothing is changed unless they are to be skipped', async (t) => {
  const bad = 'prefix,rate\n49,0.01\n4x,1\n50,much\n';
  t.match(await sendCsv(account, decks, SEED.carrierSid, bad), {
    status: 422,
    body: {
      msg: '2 rows are bad; nothing was changed',
      bad_row_count: 2,
      bad_rows: [
        { line: 3, column: 'prefix', reason: /"4x" is not a prefix/ },
        { line: 4, column: 'rate' },
      ],
    },
  });
  t.equal((await previewOf(account, { to: '4930' })).gateways[0]?.price?.rate, 0.03);
  t.match(await sendCsv(account, decks, SEED.carrierSid, bad, '&skip_bad_rows=true'), {
    status: 201,
    body: { entry_count: 1, bad_row_count: 2 },
  });
  await until(
    'the good row decides',
    async () => (await previewOf(account, { to: '4930' })).gateways[0]?.price?.rate === 0.01,
  );
});

t.test('nobody imports, sees or removes for others, and what is wrong is named', async (t) => {
  const good = 'prefix,rate\n1,1\n';
  t.equal((await sendCsv(stranger, decks, SEED.carrierSid, good)).status, 403);
  t.equal((await sendCsv(account, sharedDecks, SEED.sharedCarrierSid, good)).status, 403);
  t.equal((await stranger('POST', preview, { to: '1' })).status, 403);
  t.match(await sendCsv(account, decks, 'nobody', good), {
    status: 400,
    body: { msg: /voip_carrier_sid: there is no carrier/ },
  });
  t.match(await sendCsv(serviceProvider, sharedDecks, SEED.carrierSid, good), {
    status: 400,
    body: { msg: /voip_carrier_sid/ },
  });
  t.match(await account('POST', decks, good, csv), { status: 400, body: { msg: /voip_carrier_sid: must be given/ } });
  t.match(await sendCsv(account, decks, SEED.carrierSid, good, '&currency=EUR'), {
    status: 400,
    body: { msg: /^currency: .*USD/ },
  });
  t.match(await sendCsv(account, decks, SEED.carrierSid, good, '&delimiter=ab'), {
    status: 400,
    body: { msg: /delimiter/ },
  });
  t.equal((await account('POST', `${decks}?voip_carrier_sid=${SEED.carrierSid}`, { prefix: 1 })).status, 415);
  t.match(await account('POST', preview, {}), { status: 400, body: { msg: /^to:/ } });
  t.match(await account('POST', preview, { to: '1', number: '1' }), { status: 400, body: { msg: /^number: unknown/ } });
  t.match(await account('POST', preview, { to: '1', at: 'soon' }), { status: 400, body: { msg: /^at:/ } });
  const [deck] = (await account('GET', decks)).body as { rate_deck_sid: string }[];
  t.equal((await stranger('DELETE', `/v1/RateDecks/${deck?.rate_deck_sid}`)).status, 404);
  t.equal((await admin('DELETE', '/v1/RateDecks/nothing')).status, 404);
});

t.test('what edges count of a gateway stands in the preview, and a gateway that is out comes last', async (t) => {
  const edge = openGatewayHealth({ redis, logger, exchangeMs: 50 });
  t.teardown(() => edge.close());
  for (let i = 0; i < 12; i++) {
    edge.attempted({
      accountSid: SEED.accountSid,
      carrier: carrier(SEED.carrierSid),
      gateway: gateway('127.0.0.1', SEED.carrierSid, { sipGatewaySid: SEED.gatewaySid }),
      called: `49${i}`,
      startedAtMs: 0,
      durationMs: 1,
      postDialDelayMs: null,
      outcome: 'unanswered',
      status: 408,
      isGatewayFailure: true,
    });
  }
  const out = await until('the preview knows', async () => {
    const seen = await previewOf(account, { to: '4930' });
    return seen.gateways.at(-1)?.why.includes('taken out') && seen;
  });
  t.match(out.gateways, [
    { carrier: 'shared' },
    { carrier: 'carrier', why: /taken out: 12 of its last 12 attempts failed/ },
  ]);
  t.same(out.passed_over, []);
});

t.test('an upload that is given up changes nothing and lets the next one in', async (t) => {
  const before = (await account('GET', decks)).body;
  const upload = request(`${server.url}${decks}?voip_carrier_sid=${SEED.carrierSid}`, {
    method: 'POST',
    headers: { ...csv, authorization: `Bearer ${SEED.accountToken}`, 'transfer-encoding': 'chunked' },
  });
  upload.on('error', () => {});
  upload.write('prefix,rate\n1,0.5\n');
  await until(
    'it is being imported',
    async () => (await sendCsv(account, decks, SEED.carrierSid, 'prefix,rate\n')).status === 503,
  );
  const closed = new Promise<void>((resolve) => upload.once('close', () => resolve()));
  upload.destroy();
  await closed;
  await until(
    'the next is let in',
    async () => (await sendCsv(account, decks, SEED.carrierSid, 'prefix,rate\n')).status === 422,
  );
  t.same((await account('GET', decks)).body, before);
});

t.test('a removed deck decides no more', async (t) => {
  const [deck] = (await account('GET', decks)).body as { rate_deck_sid: string }[];
  t.equal((await account('DELETE', `/v1/RateDecks/${deck?.rate_deck_sid}`)).status, 204);
  t.same((await account('GET', decks)).body, []);
  await until('only the shared deck decides', async () =>
    (await previewOf(account, { to: '4930' })).gateways.every(({ carrier }) => carrier === 'shared'),
  );
});
