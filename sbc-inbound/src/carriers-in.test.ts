import { connectSrf, PROVISIONING_CHANGED } from '@ringwire/common';
import { type DigestAlgorithm, digestResponse } from '@ringwire/common/sip/digest/response.js';
import { asSipStack, type SipDialog, type UacOptions } from '@ringwire/common/sip/stack.js';
import { silentLogger } from '@ringwire/common/testing/logger.js';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import { createUserAgent, type OutgoingCall, type SipMessage } from '@ringwire/sip';
import t from 'tap';
import { openSbcInbound, type SbcInbound } from './sbc-inbound.js';
import { NUMBER, refusal, startCaller, type TestCaller } from './testing/caller.js';
import { metric, openSbc, type ServerProcess, startServerProcess } from './testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from './testing/feature-server.js';
import { openSeededDatabase, type Stores, startStores } from './testing/stores.js';

t.setTimeout(200_000);

const REALM = 'one.example.com';
const TRUNK = '00000000-0000-4000-8000-000000000071';
const V6_CARRIER = '00000000-0000-4000-8000-000000000072';
const V6_GATEWAY = '00000000-0000-4000-8000-000000000073';
const server6Port = 20_000 + (process.pid % 10_000);
/** No carrier's address. */
const STRANGER = '127.0.0.9';

let stores: Stores;
let server: ServerProcess;
let sbc: SbcInbound;
let fs: TestFeatureServer;
let carrier: TestCaller;
let stranger: TestCaller;

t.before(async () => {
  stores = await startStores(t);
  // Media goes direct: this is about who calls.
  const { RTPENGINE_HOST: _host, RTPENGINE_PORT: _port, ...env } = stores.env;
  const db = openSeededDatabase(stores.env);
  await db.execute(
    `INSERT INTO voip_carriers (voip_carrier_sid, name, account_sid, service_provider_sid, application_sid, trunk_type,
      inbound_auth_username, inbound_auth_password, inbound_country_code, inbound_national_prefix) VALUES ?`,
    [
      [
        [
          TRUNK,
          'trunk',
          SEED.accountSid,
          SEED.serviceProviderSid,
          SEED.applicationSid,
          'auth',
          'trunk',
          'pass word',
          null,
          null,
        ],
        [
          V6_CARRIER,
          'six',
          SEED.accountSid,
          SEED.serviceProviderSid,
          SEED.applicationSid,
          'static_ip',
          null,
          null,
          '44',
          '0',
        ],
      ],
    ],
  );
  await db.execute(
    'INSERT INTO sip_gateways (sip_gateway_sid, ipv4, netmask, inbound, outbound, voip_carrier_sid) VALUES (?)',
    [[V6_GATEWAY, '::1', 128, true, false, V6_CARRIER]],
  );
  await db.close();
  server = await startServerProcess(t, () => ['--contact', `sip:[::1]:${server6Port};transport=udp`]);
  fs = await startFeatureServer(t, stores, 'fs-one');
  sbc = await openSbc(t, openSbcInbound, {
    name: 'sbc-inbound',
    stores: { ...stores, env },
    controlPort: server.controlPort,
  });
  await sbc.edge.featureServers.refresh();
  carrier = await startCaller(t);
  stranger = await startCaller(t, STRANGER);
});

t.beforeEach(() => {
  fs.invites.length = 0;
});

const URI = `sip:${NUMBER}@${REALM}`;

function callRealm(headers: Record<string, string> = {}): OutgoingCall {
  const destination = { transport: 'udp' as const, host: '127.0.0.1', port: server.sipPort };
  return stranger.agent.invite({ uri: URI, sdp: stranger.audio.sdp, headers, destination });
}

function authorization(challenge: SipMessage, algorithm: DigestAlgorithm, password: string, nc = '00000001'): string {
  const header = challenge.getAll('WWW-Authenticate').find((value) => value.includes(`algorithm=${algorithm}`)) ?? '';
  const nonce = /nonce="([^"]+)"/.exec(header)?.[1] ?? '';
  const input = { algorithm, username: 'trunk', realm: REALM, uri: URI, nonce, nc, cnonce: 'f00' };
  const response = digestResponse({ ...input, password, method: 'INVITE' });
  return `Digest username="trunk", realm="${REALM}", nonce="${nonce}", uri="${URI}", response="${response}", algorithm=${algorithm}, qop=auth, nc=${nc}, cnonce="f00"`;
}

t.test('a carrier that authenticates calls from anywhere, with SHA-256 or MD5', async (t) => {
  for (const algorithm of ['SHA-256', 'MD5'] as const) {
    const challenge = await refusal(callRealm());
    t.equal(challenge.status, 401);
    const challenges = challenge.getAll('WWW-Authenticate');
    t.equal(challenges.length, 2, 'a header for each algorithm');
    t.match(challenges[0], /^Digest realm="one.example.com", .*algorithm=SHA-256, qop="auth"$/);
    t.match(challenges[1], /^Digest realm="one.example.com", .*algorithm=MD5, qop="auth"$/);
    const sent = authorization(challenge, algorithm, 'pass word');
    const dialog = await callRealm({ Authorization: sent }).answered;
    const invite = fs.invites.at(-1);
    t.equal(invite?.get('X-Voip-Carrier-Sid'), TRUNK);
    t.equal(invite?.get('X-Account-Sid'), SEED.accountSid);
    t.notOk(invite?.has('Authorization'));
    await dialog.bye();
    const replayed = await refusal(callRealm({ Authorization: sent }));
    t.equal(replayed.status, 401);
    t.match(replayed.get('WWW-Authenticate'), /stale=true/);
  }
  await until('places are given back', async () => (await stores.redis.keys('ringwire:call-places:*')).length === 0);
});

t.test('who does not prove it gets no call, no place and no record', async (t) => {
  const challenge = await refusal(callRealm());
  const wrong = callRealm({ Authorization: authorization(challenge, 'SHA-256', 'guess') });
  const refused = await refusal(wrong);
  t.equal(refused.status, 403);
  t.equal(refused.get('X-Reason'), 'Invalid credentials');
  t.equal(fs.invites.length, 0);
  t.same(await stores.redis.keys('ringwire:call-places:*'), []);
  t.notOk((await stores.events(wrong.callId)).some(({ type }) => type === 'call.started' || type === 'call.ended'));
  t.equal(await metric(sbc.edge, 'ringwire_calls_rejected_total', { reason: 'bad-credentials' }), 1);
  t.ok((await metric(sbc.edge, 'ringwire_calls_rejected_total', { reason: 'challenged' })) >= 1);
  const elsewhere = stranger.call(server.sipPort, NUMBER);
  t.equal((await refusal(elsewhere)).status, 403, 'no challenge for those who name no realm of ours');
});

t.test('drachtio-srf as the carrier answers the challenge', async (t) => {
  const core = await startServerProcess(t);
  const srf = await connectSrf({ host: '127.0.0.1', port: core.controlPort, secret: 'cymru', logger: silentLogger() });
  t.teardown(() => srf.link.close());
  // The address of this SIP server is that of the seeded carrier: only now it is a stranger's.
  const db = openSeededDatabase(stores.env);
  t.teardown(() => db.close());
  const move = async (to: string): Promise<void> => {
    await db.execute('UPDATE sip_gateways SET ipv4 = ? WHERE sip_gateway_sid = ?', [to, SEED.gatewaySid]);
    await stores.redis.publish(PROVISIONING_CHANGED, 'sip_gateways');
    await until('it is loaded', () => sbc.edge.provisioning.snapshot().findInboundGateways(to).length > 0);
  };
  await move('127.0.0.77');
  const options: UacOptions & { auth: object; method: string; uri: string } = {
    proxy: `sip:127.0.0.1:${server.sipPort}`,
    localSdp: carrier.audio.sdp,
    headers: {},
    auth: { username: 'trunk', password: 'pass word' },
    method: 'INVITE',
    uri: URI,
  };
  const dialog = (await asSipStack(srf).createUAC(URI, options, {
    cbRequest: () => {},
    cbProvisional: () => {},
  })) as SipDialog;
  t.equal(fs.invites[0]?.get('X-Voip-Carrier-Sid'), TRUNK);
  await new Promise<void>((resolve) => void dialog.destroy({}, () => resolve()));
  await move('127.0.0.1');
});

t.test('a carrier calls over IPv6, and its numbers come to the feature server in E.164', async (t) => {
  const six = await createUserAgent({ listen: [{ transport: 'udp', host: '::1', port: 0 }], user: '02079460000' });
  t.teardown(() => six.stop());
  const call = six.invite({ uri: `sip:01632960000@[::1]:${server6Port}`, sdp: carrier.audio.sdp });
  const dialog = await call.answered;
  const invite = fs.invites[0]!;
  t.equal(invite.get('X-Voip-Carrier-Sid'), V6_CARRIER);
  t.equal(invite.get('X-Forwarded-For'), '::1');
  t.match(invite.uri, /^sip:441632960000@127\.0\.0\.1:/);
  t.match(invite.get('From'), /sip:442079460000@/);
  t.match((await stores.event('call.started', call.callId)).data, { from: '442079460000', to: '441632960000' });
  await dialog.bye();
});

t.test('what a carrier says of the caller reaches the feature server as it came, and the timeline', async (t) => {
  const said = {
    'P-Asserted-Identity': '"Anna" <sip:+15550001111@carrier.example>',
    Privacy: 'id',
    Diversion: '<sip:+15552223333@carrier.example>;reason=user-busy',
    'History-Info': '<sip:a@carrier.example>;index=1, <sip:b@carrier.example>;index=1.1',
  };
  const call = carrier.call(server.sipPort, NUMBER, { ...said, 'X-Account-Sid': 'forged' });
  const dialog = await call.answered;
  for (const [name, value] of Object.entries(said)) t.equal(fs.invites[0]?.get(name), value, name);
  t.equal(fs.invites[0]?.get('X-Account-Sid'), SEED.accountSid);
  await dialog.bye();
  await stores.event('call.ended', call.callId);
  const lines = (await stores.events(call.callId)).flatMap((event) =>
    event.type === 'call.timeline' ? [event.data.text] : [],
  );
  t.ok(lines.some((line) => line.startsWith('the carrier says: asserted "Anna" <sip:+15550001111@carrier.example>')));
});
