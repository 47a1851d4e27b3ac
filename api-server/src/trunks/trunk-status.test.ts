import { CIRCUIT_REPORTS, trunkRegistrationKey } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { type PingReport, reportPing } from '@ringwire/common/trunks/gateway-pings.js';
import type { TrunkRegistrationState } from '@ringwire/common/trunks/trunk-registrations.js';
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

t.test('a gateway that an edge has taken out says so, why, and until when', async (t) => {
  const closed = { state: 'closed', why: null, out_since: null, out_until: null };
  t.match((await account('GET', gatewayPath)).body, { calls: closed });
  const outSinceMs = Date.now();
  const open = { state: 'open', why: '5 attempts in a row failed', outSinceMs, outUntilMs: outSinceMs + 30_000 };
  const field = `${SEED.gatewaySid}:edge-1`;
  await redis.hset(CIRCUIT_REPORTS, field, JSON.stringify({ ...open, untilMs: outSinceMs + 60_000 }));
  t.match((await account('GET', gatewayPath)).body, {
    calls: {
      state: 'open',
      why: '5 attempts in a row failed',
      out_since: new Date(outSinceMs).toISOString(),
      out_until: new Date(outSinceMs + 30_000).toISOString(),
    },
  });
  await redis.hset(
    CIRCUIT_REPORTS,
    field,
    JSON.stringify({ ...open, outSinceMs: 1e300, untilMs: outSinceMs + 60_000 }),
  );
  t.match((await account('GET', gatewayPath)).body, { calls: closed }, 'what cannot be read is left out');
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

const registration = (more: Partial<TrunkRegistrationState>): TrunkRegistrationState => ({
  voipCarrierSid: SEED.carrierSid,
  sipGatewaySid: SEED.gatewaySid,
  status: 'ok',
  sinceMs: Date.now() - 1_000,
  reason: '200 OK',
  registrar: 'sip:192.0.2.9;transport=udp',
  aor: 'sip:ringwire@carrier.example',
  contact: 'sip:ringwire@192.0.2.1:5060',
  callId: 'abc',
  cseq: 7,
  atMs: Date.parse('2026-01-02T03:04:05Z'),
  grantedSec: 600,
  expiresAtMs: Date.now() + 600_000,
  nextAtMs: Date.now() + 300_000,
  failures: 0,
  roundTripMs: 20,
  edge: '192.0.2.1:5060',
  instanceId: 'edge-1',
  ...more,
});

t.test('a carrier shows how its registration stands, and of several gateways the one that fails', async (t) => {
  const carrier = `/v1/VoipCarriers/${SEED.carrierSid}`;
  t.match((await account('GET', carrier)).body, { register_status: {} }, 'nothing is known yet');
  await db.execute('UPDATE voip_carriers SET requires_register = 1 WHERE voip_carrier_sid = ?', [SEED.carrierSid]);
  await redis.set(trunkRegistrationKey(SEED.gatewaySid), JSON.stringify(registration({})));
  const ok = {
    status: 'ok',
    reason: '200 OK',
    cseq: '7 REGISTER',
    callId: 'abc',
    timestamp: '2026-01-02T03:04:05.000Z',
    expires: 600,
  };
  t.strictSame((await account('GET', carrier)).body, {
    ...((await account('GET', carrier)).body as object),
    register_status: ok,
  });
  t.match((await account('GET', '/v1/VoipCarriers')).body, [{ register_status: ok }, { register_status: {} }]);
  t.match((await admin('GET', gatewayPath)).body, {
    registration: {
      status: 'ok',
      since: /^20\d\d-/,
      registrar: 'sip:192.0.2.9;transport=udp',
      contact: 'sip:ringwire@192.0.2.1:5060',
      granted_seconds: 600,
      expires_at: /^20\d\d-/,
      next_at: /^20\d\d-/,
      failures: 0,
      instance_id: 'edge-1',
    },
  });
  const other = '00000000-0000-4000-8000-000000000052';
  await db.execute(
    'INSERT INTO sip_gateways (sip_gateway_sid, ipv4, netmask, port, inbound, outbound, voip_carrier_sid) VALUES (?)',
    [[other, '127.0.0.2', 32, 5060, true, true, SEED.carrierSid]],
  );
  const failing = { sipGatewaySid: other, status: 'fail', reason: '403 Forbidden', grantedSec: null, atMs: 1 } as const;
  await redis.set(trunkRegistrationKey(other), JSON.stringify(registration(failing)));
  t.match((await account('GET', carrierPath)).body, {
    register_status: { status: 'fail', reason: '403 Forbidden', expires: 0 },
    gateways: [{ registration: { status: 'ok' } }, { registration: { status: 'fail', reason: '403 Forbidden' } }],
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
  t.match((await admin('GET', `/v1/VoipCarriers/${SEED.carrierSid}`)).body, { name: 'carrier', register_status: {} });
});
