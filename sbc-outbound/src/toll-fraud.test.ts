import { Readable } from 'node:stream';
import { findFraudBlock, importRates, liftFraudBlock } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import { metric, openSbc, type ServerProcess, startServerProcess } from '@ringwire/sbc-inbound/testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from '@ringwire/sbc-inbound/testing/feature-server.js';
import { startAudio } from '@ringwire/sbc-inbound/testing/media.js';
import { openSeededDatabase, type Stores, startStores } from '@ringwire/sbc-inbound/testing/stores.js';
import t from 'tap';
import { openSbcOutbound, type SbcOutbound } from './sbc-outbound.js';
import { dial, Provisioner, startGateway, type TestGateway } from './testing/carriers.js';

t.setTimeout(200_000);

let stores: Stores;
let fs: TestFeatureServer;
/** Two edges. */
const edges: { server: ServerProcess; sbc: SbcOutbound }[] = [];
let gateway: TestGateway;
let carrierSid: string;
/** Answers a call of the gateway. */
let answer: TestGateway['behave'];

t.before(async () => {
  stores = await startStores(t);
  fs = await startFeatureServer(t, stores, 'fs-one');
  for (let i = 0; i < 2; i++) {
    const server = await startServerProcess(t);
    const sbc = await openSbc(t, openSbcOutbound, { name: 'sbc-outbound', stores, controlPort: server.controlPort });
    await sbc.edge.featureServers.refresh();
    edges.push({ server, sbc });
  }
  const audio = await startAudio(t);
  answer = (call) => void call.accept(audio.sdp);
  gateway = await startGateway(t);
  carrierSid = await new Provisioner(t, stores, () => edges[0]!.sbc).add({ gateways: [gateway] });
});
t.beforeEach(async () => {
  await liftFraudBlock(stores.redis, SEED.serviceProviderSid, SEED.accountSid);
  gateway.invites.length = 0;
  gateway.behave = answer;
});

/** Takes back what {@link setPolicy} said. */
const forgetPolicies = async (): Promise<void> => {
  const db = openSeededDatabase(stores.env);
  await db.execute('DELETE FROM fraud_policies');
  await db.close();
  for (const { sbc } of edges) await sbc.edge.provisioning.reload();
};
/** The operator's word about the seed's service provider. */
const setPolicy = async (columns: Record<string, number | string>): Promise<void> => {
  const db = openSeededDatabase(stores.env);
  const row = { owner_sid: SEED.serviceProviderSid, set_by: 'operator', destinations: '[]', ...columns };
  await db.execute(`REPLACE INTO fraud_policies (${Object.keys(row).join(', ')}) VALUES (?)`, [Object.values(row)]);
  await db.close();
  for (const { sbc } of edges) await sbc.edge.provisioning.reload();
};
const list = (...prefixes: string[]): string => JSON.stringify(prefixes.map((prefix) => ({ prefix, action: 'allow' })));

interface Refused {
  status: number;
  res: { reason: string; get(name: string): string };
}
const call = (edge: number, number: string, headers: Record<string, string> = {}) =>
  dial(fs, edges[edge]!.server, carrierSid, { number, headers });
const refusal = (edge: number, number: string, headers: Record<string, string> = {}): Promise<Refused> =>
  call(edge, number, headers).dialog.then(
    () => {
      throw new Error(`${number} was connected`);
    },
    (error: Refused) => error,
  );
/** Calls and hangs up. */
const reach = async (edge: number, number: string): Promise<void> => {
  (await call(edge, number).dialog).destroy({}, () => {});
  await until('the call is gone', () => edges[edge]!.sbc.edge.calls.size === 0);
};

t.test(
  'while nobody has said anything satellite and premium numbers are refused, and everything else goes',
  async (t) => {
    await forgetPolicies();
    await reach(0, '4930123456');
    for (const [number, kind] of [
      ['+881612345678', 'satellite'],
      ['19005551234', 'premium'],
    ] as const) {
      const placed = call(1, number);
      const refused = await placed.dialog.then(
        () => undefined,
        (error: Refused) => error,
      );
      t.match([refused?.status, refused?.res.get('X-Fraud-Guard')], [403, 'destination-denied']);
      const callId = await placed.callId;
      await stores.event('call.ended', callId);
      const told = (await stores.events(callId)).flatMap((event) =>
        event.type === 'call.timeline' ? [event.data.text] : [],
      );
      t.ok(
        told.some((text) => text.includes(`of high risk (${kind}) and not allowed by name (built-in list)`)),
        'the reason is on the timeline',
      );
    }
    t.equal(gateway.invites.length, 1);
  },
);

t.test(
  'while nobody has said anything an account that calls into eleven ranges of pumped traffic is blocked',
  async (t) => {
    await forgetPolicies();
    const ranges = ['252', '231', '232', '220', '224', '235', '245', '247', '257', '261'];
    for (const [index, prefix] of ranges.entries()) await reach(index % 2, `${prefix}123456`);
    t.equal((await refusal(0, '263123456')).res.get('X-Fraud-Guard'), 'expensive-prefixes');
    t.match(await findFraudBlock(stores.redis, SEED.serviceProviderSid, SEED.accountSid), {
      why: 'expensive-prefixes',
    });
  },
);

t.test(
  'a destination that is not allowed is refused with 403 and its reason, before any carrier hears of it',
  async (t) => {
    await setPolicy({ destinations: list('49') });
    await reach(0, '4930123456');
    const placed = call(0, '+881612345678');
    const refused = await placed.dialog.then(
      () => undefined,
      (error: Refused) => error,
    );
    t.equal(refused?.status, 403);
    t.equal(refused?.res.get('X-Fraud-Guard'), 'destination-denied');
    t.match(refused?.res.get('X-Reason'), /^881612345678 may not be called: 8816 is of high risk \(satellite\)/);
    t.equal((await refusal(1, '33123456')).res.get('X-Fraud-Guard'), 'destination-denied');
    t.equal(
      (await refusal(0, '33.12-34(5)6')).res.get('X-Fraud-Guard'),
      'destination-denied',
      'separators hide nothing',
    );
    t.match((await refusal(0, '%334930')).res.get('X-Reason'), /no telephone number/);
    t.equal(gateway.invites.length, 1);
    const sipCallId = await placed.callId;
    t.match((await stores.event('call.ended', sipCallId)).data, {
      sipStatus: 403,
      terminationReason: 'failed',
      voipCarrierSid: null,
    });
    const events = await stores.events(sipCallId);
    t.match(events.find(({ type }) => type === 'alert')?.data, {
      alertType: 'toll-fraud-destination',
      targetSid: SEED.accountSid,
    });
    t.ok(
      events.some(
        ({ type, data }) => type === 'call.timeline' && 'text' in data && /refused with 403: 8816/.test(data.text),
      ),
    );
    t.equal(
      await metric(edges[0]!.sbc.edge, 'ringwire_calls_rejected_total', { reason: 'fraud-destination-denied' }),
      3,
    );
  },
);

t.test('separators in a number change neither its route nor what the carrier is asked for', async (t) => {
  await setPolicy({ destinations: list('49') });
  await reach(0, '+49-30.123-456');
  t.match(gateway.invites[0]?.uri, /^sip:4930123456@/);
});

t.test('a SIP URI with a telephone number is judged as one; an extension is not', async (t) => {
  await setPolicy({ destinations: list('49') });
  const sip = { 'X-Jambonz-Routing': 'sip', 'X-SIP-Proxy': `127.0.0.1:${gateway.port}` };
  t.equal((await refusal(0, '33123456', sip)).res.get('X-Fraud-Guard'), 'destination-denied');
  for (const escaped of ['%333123456', '%2B33123456', '33%2D123456', '33123456%3Bx=1']) {
    t.equal((await refusal(0, escaped, sip)).res.get('X-Fraud-Guard'), 'destination-denied', escaped);
  }
  t.equal(gateway.invites.length, 0);
  const extension = await call(0, '204', sip).dialog;
  extension.destroy({}, () => {});
  t.equal(gateway.invites.length, 1);
});

t.test('too many calls, through both edges, block the account everywhere until the block is lifted', async (t) => {
  await setPolicy({ default_action: 'allow', calls_per_minute: 3 });
  for (const edge of [0, 1, 0]) await reach(edge, '4930123456');
  const refused = await refusal(1, '4930123456');
  t.match([refused.status, refused.res.get('X-Fraud-Guard')], [403, 'calls-per-minute']);
  t.match(
    refused.res.get('X-Reason'),
    /^calls and messages out are blocked until .*: more than 3 calls out in a minute/,
  );
  t.match(refused.res.get('Retry-After'), /^\d+$/);
  t.equal((await refusal(0, '4930999')).res.get('X-Fraud-Guard'), 'calls-per-minute');
  t.equal(gateway.invites.length, 3);
  const alert = await until('the alert', async () =>
    (await stores.events()).find(
      ({ type, data }) => type === 'alert' && 'alertType' in data && data.alertType === 'toll-fraud-block',
    ),
  );
  t.equal(alert.accountSid, SEED.accountSid);
  t.match(await findFraudBlock(stores.redis, SEED.serviceProviderSid, SEED.accountSid), { why: 'calls-per-minute' });
  await reach(0, '112');
  t.ok(await liftFraudBlock(stores.redis, SEED.serviceProviderSid, SEED.accountSid));
  await reach(1, '4930123456');
});

t.test('different expensive prefixes, by what the carrier takes, block the account', async (t) => {
  const rates = 'prefix,rate\n49,0.01\n2521,0.9\n2522,0.9\n371,0.8\n';
  const { accountSid, serviceProviderSid } = SEED;
  const result = await importRates({
    db: edges[0]!.sbc.edge.db,
    source: Readable.from([Buffer.from(rates)]),
    owner: { accountSid, serviceProviderSid, voipCarrierSid: carrierSid },
    name: 'rates',
    currency: 'USD',
    sourceName: 'test',
  });
  t.ok(result.ok);
  await setPolicy({ default_action: 'allow', expensive_prefixes_per_hour: 2, expensive_rate_micros: 500_000 });
  await until('prices are known', async () => (await metric(edges[0]!.sbc.edge, 'ringwire_rate_prices', {})) === 4);
  for (const number of ['25211', '4930', '25212', '25221']) await reach(0, number);
  const refused = await refusal(0, '37112');
  t.equal(refused.res.get('X-Fraud-Guard'), 'expensive-prefixes');
  t.equal(gateway.invites.length, 4);
});

t.test("with a deck of its own an account makes nothing cheap that is expensive by its provider's", async (t) => {
  const { accountSid, serviceProviderSid } = SEED;
  for (const [owner, rates] of [
    [null, 'prefix,rate\n33,0.9\n34,0.9\n35,0.9\n'],
    [accountSid, 'prefix,rate\n33,0\n34,0\n'],
  ] as const) {
    const result = await importRates({
      db: edges[0]!.sbc.edge.db,
      source: Readable.from([Buffer.from(rates)]),
      owner: { accountSid: owner, serviceProviderSid, voipCarrierSid: carrierSid },
      name: 'rates',
      currency: 'USD',
      sourceName: 'test',
    });
    t.ok(result.ok);
  }
  await setPolicy({ default_action: 'allow', expensive_prefixes_per_hour: 1, expensive_rate_micros: 500_000 });
  await until('prices are known', async () => (await metric(edges[0]!.sbc.edge, 'ringwire_rate_prices', {})) === 5);
  for (const number of ['33112', '4930']) await reach(0, number);
  t.equal((await refusal(0, '34112')).res.get('X-Fraud-Guard'), 'expensive-prefixes');
});

t.test('an account that is not active calls nobody', async (t) => {
  const db = openSeededDatabase(stores.env);
  const setActive = async (isActive: boolean): Promise<void> => {
    await db.execute('UPDATE accounts SET is_active = ? WHERE account_sid = ?', [isActive, SEED.accountSid]);
    await edges[0]!.sbc.edge.provisioning.reload();
  };
  await setActive(false);
  const refused = await refusal(0, '4930123456');
  await setActive(true);
  await db.close();
  t.match([refused.status, refused.res.get('X-Reason')], [403, /is not active/]);
  t.equal(gateway.invites.length, 0);
});

t.test('a redirect to a number that may not be called is not followed', async (t) => {
  await setPolicy({ destinations: list('49') });
  let redirect = '';
  gateway.behave = (incoming) => {
    if (gateway.invites.length > 1) return answer(incoming);
    const contact = `<sip:${redirect}@127.0.0.1:${gateway.port}>`;
    incoming.reject(302, undefined, { Contact: contact });
  };
  for (const denied of ['881612345678', '%3881612345678']) {
    redirect = denied;
    t.equal((await refusal(0, '4930123456')).status, 502, denied);
    t.equal(gateway.invites.length, 1);
    gateway.invites.length = 0;
  }
  redirect = '4940123456';
  await reach(0, '4930123456');
  t.match(
    gateway.invites.map(({ uri }) => uri),
    [/4930123456/, /4940123456/],
  );
});
