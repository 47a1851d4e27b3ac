import { randomUUID } from 'node:crypto';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import { acceptAudioAnswer, createSrtpKey, offerAudio, parseSdp, SRTP_SUITES } from '@ringwire/rtp';
import { createUserAgent, type OutgoingCall, type SipMessage, type UserAgent } from '@ringwire/sip';
import t from 'tap';
import { openSbcInbound, type SbcInbound } from './sbc-inbound.js';
import { refusal } from './testing/caller.js';
import { openSbc, type ServerProcess, startServerProcess } from './testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from './testing/feature-server.js';
import { startAudio, type TestAudio } from './testing/media.js';
import { openSeededDatabase, type Stores, startStores } from './testing/stores.js';

t.setTimeout(200_000);

const FQDN = 'one.teams.example.com';
const WITHOUT_APPLICATION = 'two.teams.example.com';
/** A domain that needs no DNS: requests of a dialog go to the name that our Contact says. */
const REACHABLE = '127.0.0.1';
/** Where Teams calls from in this test, and nobody else. */
const TEAMS = '127.0.0.52';

let stores: Stores;
let server: ServerProcess;
let fs: TestFeatureServer;
let sbc: SbcInbound;
let teams: UserAgent;
let audio: TestAudio;

t.before(async () => {
  stores = await startStores(t);
  const db = openSeededDatabase(stores.env);
  await db.execute(
    'INSERT INTO ms_teams_tenants (ms_teams_tenant_sid, service_provider_sid, account_sid, application_sid, tenant_fqdn) VALUES ?',
    [
      [
        [randomUUID(), SEED.serviceProviderSid, SEED.accountSid, SEED.applicationSid, FQDN],
        [randomUUID(), SEED.serviceProviderSid, SEED.accountSid, SEED.applicationSid, REACHABLE],
        [randomUUID(), SEED.serviceProviderSid, SEED.accountSid, null, WITHOUT_APPLICATION],
      ],
    ],
  );
  await db.close();
  server = await startServerProcess(t);
  fs = await startFeatureServer(t, stores, 'fs-one');
  const env = { TEAMS_NETWORKS: `${TEAMS}/32`, TEAMS_REQUIRE_TLS: 'false' };
  sbc = await openSbc(t, openSbcInbound, { name: 'sbc-inbound', stores, controlPort: server.controlPort, env });
  await sbc.edge.featureServers.refresh();
  teams = await agentAt(TEAMS);
  audio = await startAudio(t);
});

async function agentAt(host: string): Promise<UserAgent> {
  const agent = await createUserAgent({ listen: [{ transport: 'udp', host, port: 0 }], user: '+4930555' });
  t.teardown(() => agent.stop());
  return agent;
}

const call = (agent: UserAgent, fqdn: string, sdp = audio.sdp, port = '5061;transport=tls'): OutgoingCall =>
  agent.invite({
    uri: `sip:+4930123456@${fqdn}:${port}`,
    sdp,
    destination: { transport: 'udp', host: '127.0.0.1', port: server.sipPort },
  });

t.test('a call from Microsoft Teams goes to the application of the tenant that the Request-URI names', async (t) => {
  fs.onInvite = (_request, response) => {
    response.send(180);
    response.send(486);
  };
  const placed = call(teams, FQDN.toUpperCase());
  const rings = new Promise<SipMessage>((resolve) => void placed.once('progress', resolve));
  const ringing = await rings;
  t.equal(ringing.get('Contact'), `<sip:${FQDN.toUpperCase()}:5061;transport=tls>`, 'it knows us by that name');
  t.match(ringing.get('Allow'), /REFER/);
  t.equal((await refusal(placed)).status, 486);
  const invite = fs.invites.at(-1)!;
  t.equal(invite.get('X-Account-Sid'), SEED.accountSid);
  t.equal(invite.get('X-Application-Sid'), SEED.applicationSid);
  t.equal(invite.get('X-MS-Teams-Tenant-FQDN'), FQDN);
  t.equal(invite.get('X-Originating-Carrier'), 'Microsoft Teams');
  t.notOk(invite.has('X-Voip-Carrier-Sid'));
  const end = await stores.event('call.ended', placed.callId);
  t.match(end.data, { trunk: 'Microsoft Teams', sipStatus: 486, voipCarrierSid: null });
});

t.test('SRTP of Microsoft Teams is plain RTP inside', async (t) => {
  fs.onInvite = (request, response) => void fs.answer(request, response);
  const suite = SRTP_SUITES.find(({ name }) => name === 'AES_CM_128_HMAC_SHA1_80')!;
  const keys = [createSrtpKey(suite)];
  const sdp = offerAudio({ host: '127.0.0.1', port: audio.port, sessionId: '1', sessionVersion: 1, srtpOffer: keys });
  const placed = call(teams, REACHABLE, sdp, `${server.sipPort};transport=udp`);
  const dialog = await placed.answered;
  t.match(fs.invites.at(-1)?.body, /m=audio \d+ RTP\/AVP /);
  const answer = parseSdp(dialog.remoteSdp ?? '');
  const agreed = answer.ok && acceptAudioAnswer(answer.sdp, { srtpOffer: keys });
  t.match(agreed, { ok: true, agreement: { srtp: Object } });
  await dialog.bye();
  t.match((await stores.event('call.ended', placed.callId)).data, { answered: true });
});

t.test('tenants that nobody has, or without application, get 404, and the first leaves no record', async (t) => {
  t.equal((await refusal(call(teams, 'nobody.example.com'))).status, 404);
  const placed = call(teams, WITHOUT_APPLICATION);
  const answer = await refusal(placed);
  t.equal(answer.status, 404);
  t.match(answer.get('X-Reason'), /has no application/);
  t.match((await stores.event('call.ended', placed.callId)).data, { trunk: 'Microsoft Teams', sipStatus: 404 });
});

t.test('whoever calls a tenant from elsewhere is a stranger', async (t) => {
  const stranger = await agentAt('127.0.0.53');
  t.equal((await refusal(call(stranger, FQDN))).status, 403);
  await until('calls are gone', () => sbc.edge.calls.size === 0);
});
