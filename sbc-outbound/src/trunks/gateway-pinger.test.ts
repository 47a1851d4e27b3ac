import { EVENT_STREAM, type EventEnvelope } from '@ringwire/common';
import { until } from '@ringwire/common/testing/until.js';
import { type GatewayPings, readPings } from '@ringwire/common/trunks/gateway-pings.js';
import { openSbc, type ServerProcess, startServerProcess } from '@ringwire/sbc-inbound/testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from '@ringwire/sbc-inbound/testing/feature-server.js';
import { startAudio, type TestAudio } from '@ringwire/sbc-inbound/testing/media.js';
import { type Stores, startStores } from '@ringwire/sbc-inbound/testing/stores.js';
import { parseVia, type ServerTransaction } from '@ringwire/sip';
import t from 'tap';
import { openSbcOutbound, type SbcOutbound } from '../sbc-outbound.js';
import { dial, Provisioner, startDeadPort, startGateway, type TestGateway } from '../testing/carriers.js';

t.setTimeout(200_000);

/** Short, so that several pings fit into a test; an answer may take much longer than an interval on a busy machine. */
const env = { OPTIONS_PING_INTERVAL_MS: '400', OPTIONS_PING_TIMEOUT_MS: '1500' };
const PINGED = { columns: { send_options_ping: 1 } };

let stores: Stores;
let server: ServerProcess;
let sbc: SbcOutbound;
let fs: TestFeatureServer;
let rows: Provisioner;
let audio: TestAudio;

t.before(async () => {
  stores = await startStores(t);
  server = await startServerProcess(t);
  fs = await startFeatureServer(t, stores, 'fs-one');
  sbc = await openSbc(t, openSbcOutbound, { name: 'sbc-outbound', stores, controlPort: server.controlPort, env });
  await sbc.edge.featureServers.refresh();
  rows = new Provisioner(t, stores, () => sbc);
  audio = await startAudio(t);
});

/** A gateway that answers OPTIONS with a status; calls it takes. */
async function gatewayThat(answers: (options: ServerTransaction) => number): Promise<TestGateway & { pings: number }> {
  const gateway = Object.assign(await startGateway(t, (call) => void call.accept(audio.sdp)), { pings: 0 });
  gateway.agent.onRequest((transaction) => {
    gateway.pings++;
    transaction.reply(answers(transaction));
  });
  return gateway;
}

async function sidsOf(carrierSid: string): Promise<string[]> {
  const gateways = sbc.edge.provisioning.snapshot().gatewaysByCarrierSid.get(carrierSid) ?? [];
  return [...gateways].sort((a, b) => a.priority - b.priority).map((gateway) => gateway.sipGatewaySid);
}
async function pingsOf(sid: string): Promise<GatewayPings> {
  return (await readPings(stores.redis, [sid]))[0]!;
}
const becomes = (sid: string, state: GatewayPings['state']): Promise<GatewayPings> =>
  until(`${sid} is ${state}`, async () => {
    const pings = await pingsOf(sid);
    return pings.state === state && pings;
  });
/** Types of the alerts about a gateway, in order. */
async function alertsAbout(sid: string): Promise<string[]> {
  const entries = await stores.redis.xrange(EVENT_STREAM, '-', '+');
  const events = entries.map(([, fields]) => JSON.parse(fields[1] ?? '') as EventEnvelope);
  return events.flatMap((event) =>
    event.type === 'alert' && event.data.targetSid === sid ? [event.data.alertType] : [],
  );
}

t.test('gateways are up or down by their answers to OPTIONS, and what is not pinged stays unknown', async (t) => {
  const good = await gatewayThat(() => 200);
  const knowsNoOptions = await gatewayThat(() => 405);
  const sick = await gatewayThat(() => 503);
  const dead = await startDeadPort(t);
  const unasked = await gatewayThat(() => 200);
  const carrierSid = await rows.add({
    gateways: [
      { ...good, ...PINGED },
      { ...knowsNoOptions, ...PINGED },
      { ...sick, ...PINGED },
      { ...dead, ...PINGED },
      unasked,
    ],
  });
  const [goodSid, optionlessSid, sickSid, deadSid, unaskedSid] = (await sidsOf(carrierSid)) as [
    string,
    string,
    string,
    string,
    string,
  ];
  const up = await becomes(goodSid, 'up');
  t.match(up, { sinceMs: Number, reports: [{ status: 200, reason: 'OK', instanceId: sbc.edge.instanceId }] });
  t.ok(Number(up.reports[0]?.roundTripMs) < 1_500);
  t.match(await becomes(optionlessSid, 'up'), { reports: [{ status: 405 }] }, 'somebody is there');
  t.match(await becomes(sickSid, 'down'), { reports: [{ status: 503, reason: 'Service Unavailable' }] });
  t.match(await becomes(deadSid, 'down'), { reports: [{ status: null, reason: 'no response to OPTIONS' }] });
  await until('the alerts are told', async () => (await alertsAbout(deadSid)).length > 0);
  t.strictSame(await alertsAbout(deadSid), ['gateway-down']);
  await until('further pings came', () => good.pings > 4);
  t.strictSame(await alertsAbout(goodSid), [], 'an end of not knowing is no news');
  t.strictSame(await alertsAbout(sickSid), ['gateway-down'], 'told once');
  t.match(await pingsOf(unaskedSid), { state: 'unknown', sinceMs: null, reports: [] });
  t.equal(unasked.pings, 0);
  await sbc.edge.db.execute('DELETE FROM sip_gateways WHERE voip_carrier_sid = ?', [carrierSid]);
  await sbc.edge.provisioning.reload();
});

t.test(
  'a gateway that answers no OPTIONS gets no calls while there is another, and does again when it answers',
  async (t) => {
    let status = 200;
    const first = await gatewayThat(() => status);
    const second = await startGateway(t, (call) => void call.accept(audio.sdp));
    const carrierSid = await rows.add({ gateways: [{ ...first, ...PINGED }, second] });
    const [sid] = (await sidsOf(carrierSid)) as [string];
    const call = async (): Promise<string> => {
      const before = first.invites.length;
      const dialog = await dial(fs, server, carrierSid).dialog;
      dialog.destroy({}, () => {});
      await until('calls are gone', () => sbc.edge.calls.size === 0);
      return first.invites.length > before ? 'first' : 'second';
    };
    await becomes(sid, 'up');
    t.equal(await call(), 'first');
    status = 503;
    await becomes(sid, 'down');
    t.equal(await call(), 'second');
    status = 200;
    await becomes(sid, 'up');
    t.equal(await call(), 'first', 'one call tries it');
    t.equal(await call(), 'first', 'and it is in again');
    await until('both alerts are told', async () => (await alertsAbout(sid)).length > 1);
    t.strictSame(await alertsAbout(sid), ['gateway-down', 'gateway-up']);
  },
);

t.test('a flag that is taken away ends the pings at once, and nothing is said of the gateway any more', async (t) => {
  const gateway = await gatewayThat(() => 200);
  const carrierSid = await rows.add({ gateways: [{ ...gateway, ...PINGED }] });
  const [sid] = (await sidsOf(carrierSid)) as [string];
  await becomes(sid, 'up');
  await sbc.edge.db.execute('UPDATE sip_gateways SET send_options_ping = 0 WHERE sip_gateway_sid = ?', [sid]);
  await sbc.edge.provisioning.reload();
  t.match(await becomes(sid, 'unknown'), { sinceMs: null, reports: [] });
  const { pings } = gateway;
  const other = await gatewayThat(() => 200);
  await rows.add({ gateways: [{ ...other, ...PINGED }] });
  await until('another gateway was pinged several times', () => other.pings > 3);
  t.equal(gateway.pings, pings);
});

t.test(
  'a gateway that only one edge reaches is up, each edge goes by what it sees, and says nothing more when it ends',
  async (t) => {
    const otherServer = await startServerProcess(t);
    const other = await openSbc(t, openSbcOutbound, {
      name: 'sbc-other',
      stores,
      controlPort: otherServer.controlPort,
      env,
    });
    const gateway = await gatewayThat(({ request }) =>
      parseVia(request.get('Via') ?? '')?.port === otherServer.sipPort ? 500 : 200,
    );
    const carrierSid = await rows.add({ gateways: [{ ...gateway, ...PINGED }] });
    await other.edge.provisioning.reload();
    const [sid] = (await sidsOf(carrierSid)) as [string];
    const reported = await until('both edges have said how it is', async () => {
      const pings = await pingsOf(sid);
      return pings.reports.some(({ state }) => state === 'down') && pings.reports.length === 2 && pings;
    });
    t.equal(reported.state, 'up');
    t.strictSame(
      reported.reports.map(({ state, edge }) => `${edge} ${state}`).sort(),
      [`127.0.0.1:${server.sipPort} up`, `127.0.0.1:${otherServer.sipPort} down`].sort(),
    );
    t.strictSame(await alertsAbout(sid), []);
    await other.close();
    await until('only one edge speaks of it', async () => (await pingsOf(sid)).reports.length === 1);
    t.equal((await pingsOf(sid)).state, 'up');
  },
);

t.test('while our own SIP server is away nothing is said against gateways', async (t) => {
  const gateway = await gatewayThat(() => 200);
  const carrierSid = await rows.add({ gateways: [{ ...gateway, ...PINGED }] });
  const [sid] = (await sidsOf(carrierSid)) as [string];
  await becomes(sid, 'up');
  await server.kill();
  await until('the loss is noticed', () => !sbc.edge.bridging.link.up);
  await server.start();
  await until('the SIP server is back', () => sbc.edge.bridging.link.up);
  const { pings } = gateway;
  await until('it is pinged again', () => gateway.pings > pings + 1);
  t.equal((await pingsOf(sid)).state, 'up');
  t.strictSame(await alertsAbout(sid), []);
});
