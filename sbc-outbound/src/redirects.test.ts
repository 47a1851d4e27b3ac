import { registrations, type TimelineEntry } from '@ringwire/common';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import { addClients, REALM } from '@ringwire/sbc-inbound/testing/device.js';
import { openSbc, type ServerProcess, startServerProcess } from '@ringwire/sbc-inbound/testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from '@ringwire/sbc-inbound/testing/feature-server.js';
import { startAudio, type TestAudio } from '@ringwire/sbc-inbound/testing/media.js';
import { openSeededDatabase, type Stores, startStores } from '@ringwire/sbc-inbound/testing/stores.js';
import type { IncomingCall } from '@ringwire/sip';
import t, { type Test } from 'tap';
import { openSbcOutbound, type SbcOutbound } from './sbc-outbound.js';
import { dial, type PlacedCall, Provisioner, startGateway, type TestGateway } from './testing/carriers.js';

t.setTimeout(180_000);

let stores: Stores;
let server: ServerProcess;
let sbc: SbcOutbound;
let fs: TestFeatureServer;
let audio: TestAudio;
let carrier: TestGateway;

t.before(async () => {
  stores = await startStores(t);
  const db = openSeededDatabase(stores.env);
  await addClients(db, [
    { username: 'bob' },
    { username: 'carol' },
    { username: 'first1', call_limit: 1 },
    { username: 'second', call_limit: 1 },
  ]);
  await db.close();
  server = await startServerProcess(t);
  fs = await startFeatureServer(t, stores, 'fs-one');
  sbc = await openSbc(t, openSbcOutbound, { name: 'sbc-outbound', stores, controlPort: server.controlPort });
  await sbc.edge.featureServers.refresh();
  audio = await startAudio(t);
  carrier = await startGateway(t, (call) => void call.accept(audio.sdp));
  await new Provisioner(t, stores, () => sbc).add({ gateways: [carrier] });
});

t.afterEach(async () => {
  carrier.invites.length = 0;
  await until('calls are gone', () => sbc.edge.calls.size === 0);
  await until('media sessions are gone', () => sbc.edge.bridging.relay.sessions === 0);
});

/** A user's telephone, registered; perhaps besides a browser that is preferred, and gone. */
async function phone(
  t: Test,
  user: string,
  behave: (call: IncomingCall) => void,
  hasBrowser = false,
): Promise<TestGateway> {
  const device = await startGateway(t, behave);
  const aor = { user, realm: REALM };
  const binding = {
    contact: `sip:${user}@${device.host}:${device.port}`,
    transport: 'udp' as const,
    address: device.host,
    port: device.port,
    edge: sbc.edge.sipAddress,
    q: 0.5,
    path: [],
    userAgent: '',
    registeredAt: Date.now(),
    allowDirectAppCalling: true,
    allowDirectQueueCalling: true,
    allowDirectUserCalling: true,
  };
  const browser = { ...binding, q: 1, transport: 'ws' as const };
  const changes = [
    { id: user, lifeMs: 60_000, binding },
    ...(hasBrowser ? [{ id: 'browser', lifeMs: 60_000, binding: browser }] : []),
  ];
  await registrations(stores.redis).register({ aor, callId: user, cseq: 1, changes, maxUsers: null });
  t.teardown(() =>
    registrations(stores.redis).register({ aor, callId: 'gone', cseq: 2, changes: 'all', maxUsers: null }),
  );
  return device;
}

const moved =
  (...contacts: string[]) =>
  (call: IncomingCall): void =>
    call.reject(302, undefined, { Contact: contacts.map((uri) => `<${uri}>`).join(', ') });
const answers = (call: IncomingCall): void => void call.accept(audio.sdp);

const callUri = (uri: string, routing: string, headers: Record<string, string> = {}): PlacedCall =>
  dial(fs, server, null, { uri, headers: { 'X-Jambonz-Routing': routing, ...headers } });
const callBob = (): PlacedCall => callUri(`sip:bob@${REALM}`, 'user');

async function hangUp(placed: PlacedCall): Promise<void> {
  (await placed.dialog).destroy({}, () => {});
}

const timelineOf = async (placed: PlacedCall): Promise<string> => {
  await stores.event('call.ended', await placed.callId);
  return (await stores.events(await placed.callId))
    .flatMap(({ type, data }) => (type === 'call.timeline' ? [(data as TimelineEntry).text] : []))
    .join('\n');
};

t.test('a user whose telephone forwards to a number: it is called over a carrier, with Diversion', async (t) => {
  await phone(t, 'bob', moved(`sip:+49-30-555@${REALM}`));
  const placed = callBob();
  await placed.dialog;
  t.match(carrier.invites[0]?.uri, /^sip:\+?4930555@/);
  t.equal(carrier.invites[0]?.get('Diversion'), `<sip:bob@${REALM}>;reason=unknown`);
  await hangUp(placed);
  const record = (await stores.event('call.ended', await placed.callId)).data;
  t.match(record, { answered: true, trunk: /^carrier / });
});

t.test('a user whose telephone forwards to another user: his telephones ring', async (t) => {
  await phone(t, 'bob', moved(`sip:carol@${REALM}`));
  const carol = await phone(t, 'carol', answers);
  const placed = callBob();
  await placed.dialog;
  t.equal(carol.invites[0]?.get('Diversion'), `<sip:bob@${REALM}>;reason=unknown`);
  await hangUp(placed);
});

t.test('after a browser that rang at the same time, a carrier is offered plain media', async (t) => {
  await phone(t, 'bob', moved(`sip:+49-30-555@${REALM}`), true);
  const placed = callBob();
  await placed.dialog;
  t.match(carrier.invites[0]?.bodyText, /^m=audio \d+ RTP\/AVP /m);
  t.notMatch(carrier.invites[0]?.bodyText, /fingerprint|ice-ufrag/);
  await hangUp(placed);
});

t.test('a call that is sent on counts as one of whom it is sent to, no longer of who sent it', async (t) => {
  await phone(t, 'first1', moved(`sip:second@${REALM}`));
  const second = await phone(t, 'second', answers);
  const callFirst = (): PlacedCall => callUri(`sip:first1@${REALM}`, 'user');
  const placed = callFirst();
  await placed.dialog;
  const another = callFirst();
  t.equal(await another.status(), 302, 'who forwards has no call, who is called has one');
  t.match(await timelineOf(another), /is not followed: the user is busy/);
  t.ok((await stores.events()).some(({ type, data }) => type === 'alert' && data.alertType === 'user-call-limit'));
  await hangUp(placed);
  await until('his place is free', () => sbc.edge.limits.size === 0);
  const later = callFirst();
  await later.dialog;
  t.equal(second.invites.length, 2);
  await hangUp(later);
});

t.test('users who forward to each other: each is called once, the caller hears the 302', async (t) => {
  const bob = await phone(t, 'bob', moved(`sip:carol@${REALM}`));
  const carol = await phone(t, 'carol', moved(`sip:bob@${REALM}`));
  t.equal(await callBob().status(), 302);
  t.same([bob.invites.length, carol.invites.length], [1, 1]);
});

t.test('what could be a toll thief’s is not followed: other hosts, numbers that may not be called', async (t) => {
  const stranger = await startGateway(t, answers);
  const premium = `sip:+4990012345@${REALM}`;
  await phone(t, 'bob', moved(`sip:x@${stranger.host}:${stranger.port}`, premium, `sip:nobody@${REALM}`));
  const db = openSeededDatabase(stores.env);
  const policy = {
    owner_sid: SEED.serviceProviderSid,
    set_by: 'operator',
    destinations: '[{"prefix":"1","action":"allow"}]',
  };
  await db.execute(`REPLACE INTO fraud_policies (${Object.keys(policy).join(', ')}) VALUES (?)`, [
    Object.values(policy),
  ]);
  await sbc.edge.provisioning.reload();
  const placed = callBob();
  t.equal(await placed.status(), 302);
  t.same([stranger.invites.length, carrier.invites.length], [0, 0]);
  const told = await timelineOf(placed);
  t.match(told, /is not followed: it is not in the realm of the account/);
  t.match(told, /redirect to sip:\+4990012345@\S+ is not followed/);
  t.match(told, /is not followed: no user nobody/);
  await until('the alert', async () =>
    (await stores.events()).some(
      ({ type, data }) => type === 'alert' && 'alertType' in data && data.alertType === 'toll-fraud-destination',
    ),
  );
  await db.execute('DELETE FROM fraud_policies', []);
  await db.close();
  await sbc.edge.provisioning.reload();
});

t.test('SIP URIs: the Contacts of a 3xx one after the other, five at most, never back to us', async (t) => {
  const busy = await startGateway(t, (call) => call.reject(503));
  const last = await startGateway(t, answers);
  const at = ({ host, port }: TestGateway, user = 'x'): string => `sip:${user}@${host}:${port}`;
  const first = await startGateway(t, moved(`sip:4930555@${REALM}`, at(busy), at(last)));
  const placed = callUri(at(first), 'sip');
  await placed.dialog;
  t.equal(last.invites[0]?.uri, at(last));
  t.match(last.invites[0]?.get('Diversion'), /;reason=unknown$/);
  t.equal(carrier.invites.length, 0);
  await hangUp(placed);
  t.match(await timelineOf(placed), /is not followed: it is a realm of our own/);

  let count = 0;
  const endless = await startGateway(t, (call) => {
    count++;
    moved(at(endless, `x${count}`))(call);
  });
  t.equal(await callUri(at(endless), 'sip').status(), 302);
  t.equal(count, 6);
});
