import { Readable } from 'node:stream';
import { EMPTY_RATE_BOOK, importRates, openGatewayHealth, rankedRoutes } from '@ringwire/common';
import { CIRCUIT_RULES } from '@ringwire/common/routing/circuit.js';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import { openSbc, type ServerProcess, startServerProcess } from '@ringwire/sbc-inbound/testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from '@ringwire/sbc-inbound/testing/feature-server.js';
import { startAudio } from '@ringwire/sbc-inbound/testing/media.js';
import { type Stores, startStores } from '@ringwire/sbc-inbound/testing/stores.js';
import t from 'tap';
import { openSbcOutbound, type SbcOutbound } from './sbc-outbound.js';
import { dial, type PlacedCall, Provisioner, startGateway, type TestGateway } from './testing/carriers.js';

t.setTimeout(200_000);

let stores: Stores;
let server: ServerProcess;
let sbc: SbcOutbound;
let fs: TestFeatureServer;
/** Carriers `a` and `b`, each with a gateway that answers. */
const gateways: Record<string, TestGateway> = {};
const carriers: Record<string, string> = {};

t.before(async () => {
  stores = await startStores(t);
  server = await startServerProcess(t);
  fs = await startFeatureServer(t, stores, 'fs-one');
  sbc = await openSbc(t, openSbcOutbound, { name: 'sbc-outbound', stores, controlPort: server.controlPort });
  await sbc.edge.featureServers.refresh();
  const rows = new Provisioner(t, stores, () => sbc);
  const audio = await startAudio(t);
  for (const name of ['a', 'b']) {
    gateways[name] = await startGateway(t, (call) => void call.accept(audio.sdp));
    carriers[name] = await rows.add({ carrier: { name }, gateways: [gateways[name]] });
  }
});

const setPrice = async (name: string, csv: string): Promise<void> => {
  const owner = {
    accountSid: SEED.accountSid,
    serviceProviderSid: SEED.serviceProviderSid,
    voipCarrierSid: carriers[name]!,
  };
  const source = Readable.from([Buffer.from(`prefix,rate\n${csv}\n`)]);
  const result = await importRates({ db: sbc.edge.db, source, owner, name, currency: 'USD', sourceName: 'test' });
  if (!result.ok) throw new Error(result.reason);
  await sbc.edge.provisioning.reload();
};
const hangUp = async (call: PlacedCall): Promise<void> => {
  (await call.dialog).destroy({}, () => {});
  await until('calls are gone', () => sbc.edge.calls.size === 0);
};
/** Calls a number, hangs up, and tells which carriers' gateways got an INVITE, in order of their names. */
const carriersCalled = async (number: string): Promise<string> => {
  for (const gateway of Object.values(gateways)) gateway.invites.length = 0;
  await hangUp(dial(fs, server, null, { number }));
  return Object.keys(gateways)
    .filter((name) => (gateways[name]?.invites.length ?? 0) > 0)
    .join();
};

t.test('a number goes to the cheapest carrier, and after an import to the one that is cheapest then', async (t) => {
  await setPrice('a', '49,0.01\n4930,0.05');
  await setPrice('b', '49,0.02');
  await until('both decks are loaded', async () => (await carriersCalled('4989123456')) === 'a');
  t.equal(await carriersCalled('4930123456'), 'b', 'the longer prefix is dearer');
  await setPrice('b', '49,0.09');
  await until('the new deck is loaded', async () => (await carriersCalled('4930123456')) === 'a');
});

t.test('a route of the LCR decides before prices do', async (t) => {
  const { db, provisioning } = sbc.edge;
  await db.execute('INSERT INTO lcr (lcr_sid, account_sid) VALUES (?)', [['lcr', SEED.accountSid]]);
  await db.execute("INSERT INTO lcr_routes (lcr_route_sid, lcr_sid, regex, priority) VALUES ('r', 'lcr', '^4930', 0)");
  await db.execute(
    'INSERT INTO lcr_carrier_set_entry (lcr_carrier_set_entry_sid, lcr_route_sid, voip_carrier_sid, priority) VALUES ?',
    [
      [
        ['e-1', 'r', carriers.b!, 0],
        ['e-2', 'r', carriers.a!, 1],
      ],
    ],
  );
  await provisioning.reload();
  t.equal(await carriersCalled('4930123456'), 'b');
  t.equal(await carriersCalled('4989123456'), 'a', 'what no route matches goes by price');
});

t.test(
  'a gateway that cannot work comes last after five calls: calls go to the next without trying it, unless that fails too',
  async (t) => {
    const answering = gateways.b!.behave;
    gateways.b!.behave = (call) => call.reject(503);
    for (let call = 0; call < 5; call++) t.equal(await carriersCalled(`493012345${call}`), 'a,b');
    t.equal(await carriersCalled('4930123456'), 'a');
    const call = dial(fs, server, null, { number: '4930123456' });
    await hangUp(call);
    const callId = await call.callId;
    await stores.event('call.ended', callId);
    const timeline = (await stores.events(callId)).map((event) =>
      event.type === 'call.timeline' ? JSON.stringify(event.data) : '',
    );
    t.match(timeline.join('\n'), /taken out: 5 attempts in a row failed/, 'the timeline tells why');
    gateways.b!.behave = answering;
    const other = gateways.a!.behave;
    gateways.a!.behave = (call) => call.reject(503);
    t.equal(await carriersCalled('4930123456'), 'a,b', 'nothing else was left');
    gateways.a!.behave = other;
    t.equal(await carriersCalled('4930123456'), 'b', 'it was tried although it was out, did well, and is in again');
  },
);

t.test(
  'a backup gateway that failed is tried again when a call comes to it, not when the first takes all',
  async (t) => {
    const { redis, logger } = sbc.edge;
    const health = openGatewayHealth({ redis, logger, rules: { ...CIRCUIT_RULES, firstOutMs: 50 } });
    t.teardown(() => health.close());
    const other = await startServerProcess(t);
    const routes = rankedRoutes({ rates: () => EMPTY_RATE_BOOK, health });
    const own = await openSbc(t, (ctx, config) => openSbcOutbound(ctx, config, undefined, routes), {
      name: 'backup',
      stores,
      controlPort: other.controlPort,
    });
    await own.edge.featureServers.refresh();
    const [first, backup, last] = [await startGateway(t), await startGateway(t), await startGateway(t)];
    const carrierSid = await new Provisioner(t, stores, () => own).add({ gateways: [first, backup, last] });
    const known = own.edge.provisioning.snapshot().gatewaysByCarrierSid.get(carrierSid) ?? [];
    const backupSid = known.find(({ port }) => port === backup.port)!.sipGatewaySid;
    const answers = gateways.a!.behave;
    const fails = (call: Parameters<typeof answers>[0]): void => call.reject(503);
    const knowsNoNumber = (call: Parameters<typeof answers>[0]): void => call.reject(404);
    const callTimes = async (times: number): Promise<void> => {
      for (let call = 0; call < times; call++) {
        (await dial(fs, other, carrierSid, { number: `49301234${call}` }).dialog).destroy({}, () => {});
        await until('calls are gone', () => own.edge.calls.size === 0);
      }
    };
    [first.behave, backup.behave, last.behave] = [knowsNoNumber, fails, answers];
    await callTimes(5);
    t.equal(last.invites.length, 5);
    await until('it may be tried again', () => health.preview.admit(backupSid, Date.now()).verdict === 'probe');
    first.behave = answers;
    await callTimes(CIRCUIT_RULES.oneCallOf + 2);
    [first.behave, backup.behave] = [knowsNoNumber, answers];
    backup.invites.length = 0;
    await callTimes(2);
    t.equal(backup.invites.length, 2, 'it is tried, does well, and is in again');
    t.equal(last.invites.length, 5);
  },
);
