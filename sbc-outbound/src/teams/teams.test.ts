import { randomUUID } from 'node:crypto';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { findFreePort } from '@ringwire/common/testing/services.js';
import { until } from '@ringwire/common/testing/until.js';
import { answerAudio, createSrtpKey, parseSdp, RtpSocket, SRTP_SUITES } from '@ringwire/rtp';
import { metric, openSbc, type ServerProcess, startServerProcess } from '@ringwire/sbc-inbound/testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from '@ringwire/sbc-inbound/testing/feature-server.js';
import { startAudio } from '@ringwire/sbc-inbound/testing/media.js';
import { openSeededDatabase, type Stores, startStores } from '@ringwire/sbc-inbound/testing/stores.js';
import { createUserAgent, type IncomingCall, type SipMessage } from '@ringwire/sip';
import { makeAuthority } from '@ringwire/sip/test-certificates.js';
import t from 'tap';
import { openSbcOutbound, type SbcOutbound } from '../sbc-outbound.js';
import { dial, type PlacedCall } from '../testing/carriers.js';
import { parseHubs } from './hubs.js';

t.setTimeout(200_000);

const OWN = 'one.teams.example.com';
const STRANGERS = 'three.teams.example.com';
const authority = makeAuthority(t);
const edge = authority.issue('edge.test');

let stores: Stores;
let server: ServerProcess;
let fs: TestFeatureServer;
let sbc: SbcOutbound;
let hubs: Hub[];

/** A SIP proxy of Teams, over TLS. */
interface Hub {
  port: number;
  invites: SipMessage[];
  pings: SipMessage[];
  behave: (call: IncomingCall) => void;
}

async function startHub(): Promise<Hub> {
  const { cert, key } = authority.issue('hub.test');
  const port = await findFreePort();
  const agent = await createUserAgent({
    listen: [{ transport: 'tls', host: '127.0.0.1', port }],
    tls: { cert, key, ca: authority.ca },
    user: 'teams',
  });
  t.teardown(() => agent.stop());
  const hub: Hub = { port, invites: [], pings: [], behave: (call) => call.reject(503) };
  agent.onInvite((call) => {
    hub.invites.push(call.request);
    hub.behave(call);
  });
  agent.onRequest((transaction) => {
    hub.pings.push(transaction.request);
    transaction.reply(200);
  });
  return hub;
}

t.before(async () => {
  stores = await startStores(t);
  const db = openSeededDatabase(stores.env);
  const tenants = [
    [randomUUID(), SEED.serviceProviderSid, SEED.accountSid, OWN],
    [randomUUID(), SEED.otherServiceProviderSid, SEED.strangerAccountSid, STRANGERS],
  ];
  await db.execute(
    'INSERT INTO ms_teams_tenants (ms_teams_tenant_sid, service_provider_sid, account_sid, tenant_fqdn) VALUES ?',
    [tenants],
  );
  await db.close();
  hubs = [await startHub(), await startHub()];
  server = await startServerProcess(t, () => [
    ...['--contact', 'sips:127.0.0.1:0;transport=tls'],
    ...['--cert-file', edge.certFile, '--key-file', edge.keyFile, '--tls-ca-file', authority.caFile],
  ]);
  fs = await startFeatureServer(t, stores, 'fs-one');
  const env = {
    TEAMS_HUBS: hubs.map(({ port }) => `127.0.0.1:${port}`).join(','),
    TEAMS_PING_INTERVAL_MS: '300',
  };
  sbc = await openSbc(t, openSbcOutbound, { name: 'sbc-outbound', stores, controlPort: server.controlPort, env });
  await sbc.edge.featureServers.refresh();
});

function call(options: { number?: string; tenant?: string; sdp?: string; vmail?: boolean } = {}): PlacedCall {
  const { number = '4930123456', tenant, sdp, vmail } = options;
  for (const hub of hubs) hub.invites.length = 0;
  const uri = `sip:${number}@127.0.0.1:${server.sipPort}${vmail ? ';opaque=app:voicemail' : ''}`;
  return dial(fs, server, null, {
    uri,
    ...(sdp === undefined ? {} : { sdp }),
    headers: {
      'X-Jambonz-Routing': 'teams',
      'P-Asserted-Identity': '<sip:somebody@inside>',
      'X-Own': 'kept',
      ...(tenant === undefined ? {} : { 'X-MS-Teams-Tenant-FQDN': tenant }),
    },
  });
}

async function hangUp(placed: PlacedCall): Promise<void> {
  (await placed.dialog).destroy({}, () => {});
  await until('calls are gone', () => sbc.edge.calls.size === 0);
  await until('media sessions are gone', () => sbc.edge.bridging.relay.sessions === 0);
}

/** Answers with SRTP, and echoes what comes. */
function answerSecurely(socket: RtpSocket): (call: IncomingCall) => void {
  return (call) => {
    const offer = parseSdp(call.sdp);
    if (!offer.ok) return call.reject(488);
    const suite = SRTP_SUITES.find(({ name }) => name === 'AES_CM_128_HMAC_SHA1_80')!;
    const local = { host: '127.0.0.1', port: socket.port, sessionId: '1', sessionVersion: 1 };
    const answer = answerAudio(offer.sdp, { ...local, srtpSendKey: createSrtpKey(suite) });
    if (!answer.ok || !answer.agreement.srtp) return call.reject(488);
    socket.setSecurity(answer.agreement.srtp);
    socket.onPacket = (_packet, datagram) => socket.send(Buffer.from(datagram));
    call.accept(answer.sdp);
  };
}

t.test(
  'teams: the call goes to the hub as the tenant, over TLS with SRTP; when the first hub fails the second takes it',
  async (t) => {
    const socket = await RtpSocket.bind();
    t.teardown(() => socket.close());
    hubs[0]!.behave = (leg) => leg.reject(503);
    hubs[1]!.behave = answerSecurely(socket);
    const caller = await startAudio(t);
    const placed = call({ sdp: caller.sdp });
    const dialog = await placed.dialog;
    await caller.echoThrough(dialog.remote.sdp);
    t.equal(hubs[0]!.invites.length, 1);
    const invite = hubs[1]!.invites[0]!;
    t.equal(invite.uri, `sip:+4930123456@127.0.0.1:${hubs[1]!.port};transport=tls`);
    t.match(invite.get('From'), new RegExp(`<sip:15550002222@${OWN}>`));
    t.equal(invite.get('Contact'), `<sip:15550002222@${OWN}:5061;transport=tls>`);
    t.match(invite.bodyText, /m=audio \d+ RTP\/SAVP /);
    t.match(invite.bodyText, /a=crypto:/);
    t.notMatch(invite.bodyText, /a=fingerprint|a=candidate/);
    t.equal(invite.get('X-Own'), 'kept');
    for (const name of ['X-MS-Teams-Tenant-FQDN', 'X-Account-Sid', 'P-Asserted-Identity'])
      t.notOk(invite.has(name), name);
    await hangUp(placed);
    const end = await stores.event('call.ended', await placed.callId);
    t.match(end.data, { trunk: 'Microsoft Teams', answered: true });
  },
);

t.test(
  'teams: a callee who is busy is busy, no other hub is asked; the voicemail is called where asked for',
  async (t) => {
    hubs[0]!.behave = (leg) => leg.reject(486);
    t.equal(await call({ vmail: true, tenant: OWN.toUpperCase() }).status(), 486);
    t.match(hubs[0]!.invites[0]?.uri, /;opaque=app:voicemail$/);
    t.equal(hubs[1]!.invites.length, 0);
  },
);

t.test('teams: when all hubs fail the feature server gets the last failure', async (t) => {
  for (const hub of hubs) hub.behave = (leg) => leg.reject(500);
  t.equal(await call().status(), 500);
  t.same(
    hubs.map(({ invites }) => invites.length),
    [1, 1],
  );
});

t.test("teams: another account's tenant, and one that nobody has, are refused with 404", async (t) => {
  t.equal(await call({ tenant: STRANGERS }).status(), 404);
  t.equal(await call({ tenant: 'nobody.example.com' }).status(), 404);
  t.same(
    hubs.map(({ invites }) => invites.length),
    [0, 0],
  );
});

t.test('teams: every tenant sends OPTIONS to every hub, again and again', async (t) => {
  for (const hub of hubs) {
    const from = () => new Set(hub.pings.map((ping) => /<sip:([^>]*)>/.exec(ping.get('From') ?? '')?.[1]));
    await until('both tenants are heard', () => from().size === 2);
    t.same([...from()].sort(), [OWN, STRANGERS]);
    t.match(hub.pings[0]?.get('Contact'), /<sip:(one|three)\.teams\.example\.com:5061;transport=tls>/);
    const { length } = hub.pings;
    await until('they are heard again', () => hub.pings.length >= length + 2);
  }
  const labels = { hub: '127.0.0.1', outcome: 'answered' };
  await until('answers are counted', async () => (await metric(sbc.edge, 'ringwire_teams_pings_total', labels)) > 0);
});

t.test('teams: hubs are hosts with an optional port', (t) => {
  t.same(parseHubs('sip.example.com, 127.0.0.1:5062'), [
    { host: 'sip.example.com', port: 5061 },
    { host: '127.0.0.1', port: 5062 },
  ]);
  t.throws(() => parseHubs('sip.example.com, what is this'), /TEAMS_HUBS/);
  t.throws(() => parseHubs(''), /TEAMS_HUBS/);
  t.end();
});
