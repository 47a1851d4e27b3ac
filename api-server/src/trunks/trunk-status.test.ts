import { SEED } from '@ringwire/common/testing/provisioned.js';
import { type PingReport, reportPing } from '@ringwire/common/trunks/gateway-pings.js';
import t from 'tap';
import { startTestApi } from '../testing/api.js';

const api = await startTestApi({ workers: false });
t.teardown(() => api.stop());
const { admin, serviceProvider, account, stranger, db, redis } = api;
const carrierPath = `/v1/VoipCarriers/${SEED.carrierSid}/Status`;
const gatewayPath = `/v1/SipGateways/${SEED.gatewaySid}/Status`;

const report = (more: Partial<PingReport>): PingReport => ({
  state: 'up',
  status: 200,
  reason: 'OK',
  roundTripMs: 12,
  sinceMs: Date.now() - 1_000,
  atMs: Date.now(),
  untilMs: Date.now() + 60_000,
  edge: '192.0.2.1:5060',
  ...more,
});

t.test('a gateway that nobody pings is unknown', async (t) => {
  t.match((await account('GET', carrierPath)).body, {
    voip_carrier_sid: SEED.carrierSid,
    gateways: [
      {
        sip_gateway_sid: SEED.gatewaySid,
        ipv4: '127.0.0.1',
        port: 5060,
        options_ping: { enabled: false, state: 'unknown', since: null, status: null, reason: null, pinged_at: null },
      },
    ],
  });
});

t.test('a gateway is down when no edge gets answers, and up when one does; operators see which', async (t) => {
  await db.execute('UPDATE sip_gateways SET send_options_ping = 1');
  const silent = { state: 'down', status: null, reason: 'no response to OPTIONS', roundTripMs: null } as const;
  await reportPing(redis, SEED.gatewaySid, 'edge-1', report(silent));
  const down = { enabled: true, state: 'down', status: null, reason: 'no response to OPTIONS', round_trip_ms: null };
  t.match((await account('GET', gatewayPath)).body, { sip_gateway_sid: SEED.gatewaySid, options_ping: down });
  await reportPing(redis, SEED.gatewaySid, 'edge-2', report({ edge: '192.0.2.2:5060' }));
  const seen = await admin('GET', gatewayPath);
  t.match(seen.body, {
    options_ping: {
      state: 'up',
      since: /^20\d\d-/,
      status: 200,
      reason: 'OK',
      round_trip_ms: 12,
      pinged_at: /^20\d\d-/,
    },
  });
  const edgesOf = (body: unknown) =>
    (body as { options_ping: { edges?: { edge: string; state: string }[] } }).options_ping.edges;
  t.strictSame(
    edgesOf(seen.body)
      ?.map(({ edge, state }) => `${edge} ${state}`)
      .sort(),
    ['192.0.2.1:5060 down', '192.0.2.2:5060 up'],
  );
  t.equal(edgesOf((await account('GET', gatewayPath)).body), undefined, 'addresses of edges are not for customers');
});

t.test('reports that count no more are left out', async (t) => {
  const old = { atMs: Date.now() - 60_000, untilMs: Date.now() - 1 };
  await reportPing(redis, SEED.gatewaySid, 'edge-2', report(old));
  t.match(
    (await admin('GET', gatewayPath)).body,
    { options_ping: { state: 'down', since: /^20\d\d-/, edges: [{ instance_id: 'edge-1' }] } },
    'the one that said up is too old',
  );
  await reportPing(redis, SEED.gatewaySid, 'edge-3', report({}));
  t.match((await admin('GET', gatewayPath)).body, {
    options_ping: { state: 'up', edges: [{ instance_id: 'edge-3' }, { instance_id: 'edge-1' }] },
  });
});

t.test('only those see it who see the carrier', async (t) => {
  t.equal((await serviceProvider('GET', gatewayPath)).status, 200);
  for (const path of [carrierPath, gatewayPath]) t.equal((await stranger('GET', path)).status, 404, path);
  t.equal((await admin('GET', '/v1/VoipCarriers/nobody/Status')).status, 404);
  t.equal((await admin('GET', '/v1/SipGateways/nobody/Status')).status, 404);
});

t.test('while redis is away the answer says so', async (t) => {
  await api.redisServer.kill();
  t.match(await admin('GET', carrierPath), { status: 503, body: { msg: /redis/ } });
});
