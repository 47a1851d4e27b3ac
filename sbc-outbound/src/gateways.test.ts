import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { findFreePort } from '@ringwire/common/testing/services.js';
import { until } from '@ringwire/common/testing/until.js';
import {
  DRACHTIO,
  metric,
  openSbc,
  type ServerProcess,
  startServerProcess,
} from '@ringwire/sbc-inbound/testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from '@ringwire/sbc-inbound/testing/feature-server.js';
import { startAudio, type TestAudio } from '@ringwire/sbc-inbound/testing/media.js';
import { type Stores, startStores } from '@ringwire/sbc-inbound/testing/stores.js';
import type { IncomingCall } from '@ringwire/sip';
import { makeAuthority } from '@ringwire/sip/test-certificates.js';
import t, { type Test } from 'tap';
import { openSbcOutbound, type SbcOutbound } from './sbc-outbound.js';
import {
  type Behaviour,
  dial,
  type PlacedCall,
  Provisioner,
  startDeadPort,
  startGateway,
  type TestGateway,
} from './testing/carriers.js';

t.setTimeout(200_000);

let stores: Stores;
let server: ServerProcess;
let sbc: SbcOutbound;
let fs: TestFeatureServer;
let rows: Provisioner;
let audio: TestAudio;
/** Always answers. */
let good: TestGateway;
const authority = makeAuthority(t);
const own = authority.issue('edge.test');

t.before(async () => {
  stores = await startStores(t);
  server = await startServerProcess(t, () => [
    ...['--contact', 'sips:127.0.0.1:0;transport=tls'],
    ...['--cert-file', own.certFile, '--key-file', own.keyFile, '--tls-ca-file', authority.caFile],
  ]);
  fs = await startFeatureServer(t, stores, 'fs-one');
  const env = { GATEWAY_MAX_ATTEMPTS: '4' };
  sbc = await openSbc(t, openSbcOutbound, { name: 'sbc-outbound', stores, controlPort: server.controlPort, env });
  await sbc.edge.featureServers.refresh();
  rows = new Provisioner(t, stores, () => sbc);
  audio = await startAudio(t);
  good = await startGateway(t, (call) => void call.accept(audio.sdp));
});

/** A carrier whose first gateway is the one under test and whose second always answers. */
async function twoGateways(
  first: { host: string; port: number | null; columns?: Record<string, string | number> },
  carrier: Record<string, string | number | null> = {},
): Promise<{ carrierSid: string; place: () => PlacedCall }> {
  good.invites.length = 0;
  const carrierSid = await rows.add({ carrier, gateways: [first, good] });
  return { carrierSid, place: () => dial(fs, server, carrierSid) };
}

/** A carrier whose gateways are left soon; long enough for a busy machine to answer for the good one. */
const IMPATIENT = { response_timeout_ms: 1500 };

async function hangUp(call: PlacedCall): Promise<void> {
  (await call.dialog).destroy({}, () => {});
  await until('calls are gone', () => sbc.edge.calls.size === 0);
  await until('media sessions are gone', () => sbc.edge.bridging.relay.sessions === 0);
}

/** The lines about routing on a call's timeline, once the call is over. */
async function routing(call: PlacedCall): Promise<{ text: string; data: Record<string, unknown> }[]> {
  const callId = await call.callId;
  await stores.event('call.ended', callId);
  const events = await stores.events(callId);
  return events.flatMap((event) =>
    event.type === 'call.timeline' && event.data.kind === 'routing'
      ? [{ text: event.data.text, data: event.data.data ?? {} }]
      : [],
  );
}

const LEADS_ON = [
  400, 401, 402, 403, 404, 405, 406, 407, 408, 413, 415, 420, 430, 480, 482, 483, 488, 500, 501, 502, 503, 504, 505,
];
const DECIDES = [410, 433, 484, 485, 486, 487, 600, 603, 604, 606];

t.test('after each of these answers the second gateway is tried and takes the call', async (t) => {
  const refusing = await startGateway(t);
  const { place } = await twoGateways(refusing);
  for (const status of LEADS_ON) {
    good.invites.length = 0;
    refusing.behave = (call) => call.reject(status);
    const call = place();
    await hangUp(call);
    t.equal(good.invites.length, 1, `${status}: the second one`);
    const failed = (await routing(call)).find(({ data }) => data.next !== undefined);
    const text = new RegExp(`^127\\.0\\.0\\.1:${refusing.port} of .* failed: ${status} .*: the next is tried$`);
    t.match(
      failed,
      { text, data: { status, next: true, ms: Number, gatewaySid: String } },
      `${status} on the timeline`,
    );
    t.match((await stores.event('call.ended', await call.callId)).data, { answered: true, remoteHost: good.host });
  }
  t.equal(refusing.invites.length, LEADS_ON.length);
});

t.test('after each of these answers no other gateway is tried, and the feature server gets the answer', async (t) => {
  const refusing = await startGateway(t);
  const { place } = await twoGateways(refusing);
  for (const status of DECIDES) {
    refusing.behave = (call) => call.reject(status);
    const call = place();
    t.equal(await call.status(), status);
    const failed = (await routing(call)).find(({ data }) => data.next !== undefined);
    t.match(failed?.data, { status, next: false }, `${status} is on the timeline`);
  }
  t.equal(good.invites.length, 0);
});

t.test('the record names the carrier and gateway that took the call, metrics count both attempts', async (t) => {
  const busy = await startGateway(t, (call) => call.reject(503));
  const other = await rows.add({ carrier: { name: 'the other' }, gateways: [good] });
  const { carrierSid, place } = await twoGateways(busy, { name: 'the first' });
  const call = place();
  const dialog = await call.dialog;
  t.equal(dialog.res.get('X-Voip-Carrier-Sid'), carrierSid);
  t.not(dialog.res.get('X-CID'), await call.callId, 'X-CID is the Call-ID of the outer leg');
  t.equal(dialog.res.get('X-CID'), good.invites[0]?.get('Call-ID'));
  await audio.echoThrough(good.invites[0]!.bodyText);
  await hangUp(call);
  const end = await stores.event('call.ended', await call.callId);
  t.match(end.data, { voipCarrierSid: carrierSid, trunk: 'the first', remoteHost: '127.0.0.1', answered: true });
  const texts = (await routing(call)).map(({ text }) => text);
  t.match(texts[0], /^route: 127\.0\.0\.1 of the first, 127\.0\.0\.1 of the first$/);
  t.match(texts.join('\n'), /failed: 503 Service Unavailable after \d+ ms; the gateway fails: the next is tried/);
  const count = (labels: Record<string, string>) =>
    metric(sbc.edge, 'ringwire_gateway_attempts_total', { carrier: carrierSid, ...labels });
  t.equal(await count({ outcome: 'refused', status: '503' }), 1);
  t.equal(await count({ outcome: 'answered' }), 1);
  t.ok(other);
});

t.test('a dead gateway is left after its time, and a late answer of it is hung up', async (t) => {
  const dead = await startDeadPort(t);
  const { place } = await twoGateways(dead, IMPATIENT);
  const startedAt = performance.now();
  const call = place();
  await call.dialog;
  t.ok(performance.now() - startedAt >= 1500, 'not before its time');
  t.ok(dead.received() >= 1);
  await hangUp(call);
  t.match(
    (await routing(call)).map(({ text }) => text).join('\n'),
    /failed: 408 no response in 1500 ms after \d+ ms; the gateway does not respond/,
  );
});

t.test('a gateway that says nothing but 100 is cancelled and left; its answer that crosses is hung up', async (t) => {
  const slow = await startGateway(t);
  const { place } = await twoGateways(slow, IMPATIENT);
  const came = new Promise<IncomingCall>((resolve) => {
    slow.behave = resolve;
  });
  const call = place();
  const first = await came;
  const cancelled = once(first, 'cancel');
  await call.dialog;
  await cancelled;
  await hangUp(call);
  t.match((await routing(call)).map(({ text }) => text).join('\n'), /failed: 408 no response in 1500 ms/);
});

/** What a gateway over a connection is instead of one; its port. */
async function listening(t: Test, peer: Server): Promise<number> {
  peer.on('connection', (socket) => {
    socket.on('error', () => socket.destroy());
    t.teardown(() => socket.destroy());
  });
  peer.listen(0, '127.0.0.1');
  await once(peer, 'listening');
  t.teardown(() => peer.close());
  const address = peer.address();
  return typeof address === 'object' && address ? address.port : 0;
}

/** Gateways that cannot be reached, and what the timeline says of each. `peer`: what listens there; nothing: the port is closed. */
const UNREACHABLE: { gateway: string; protocol: string; host?: string; peer?: () => Server; says: RegExp }[] = [
  { gateway: 'refuses the connection', protocol: 'tcp', says: /503 .*\(ECONNREFUSED\).*the gateway fails/ },
  { gateway: 'has a name that is not there', protocol: 'udp', host: 'gateway.invalid', says: /503 .*\(ENOTFOUND\)/ },
  {
    gateway: 'takes the INVITE and closes the connection',
    protocol: 'tcp',
    peer: () => createServer((socket) => socket.once('data', () => socket.destroy())),
    // Its answer may still come over a connection of its own.
    says: /408 no response in 1500 ms.*the gateway does not respond/,
  },
  { gateway: 'refuses the connection for TLS', protocol: 'tls', says: /503 .*\(ECONNREFUSED\)/ },
  {
    gateway: 'does not speak TLS',
    protocol: 'tls',
    peer: () => createServer((socket) => socket.once('data', () => socket.end('HTTP/1.1 400\r\n\r\n'))),
    says: /503 .*\(EPROTO\)/,
  },
  {
    gateway: 'has the certificate of somebody else',
    protocol: 'tls',
    peer: () => createTlsServer(authority.issue('other.test', '127.0.0.9'), (socket) => socket.on('error', () => {})),
    says: /503 .*\(ERR_TLS_CERT_ALTNAME_INVALID\)/,
  },
  {
    gateway: 'has a certificate of nobody we trust',
    protocol: 'tls',
    peer: () => createTlsServer(authority.selfSigned('own.test'), (socket) => socket.on('error', () => {})),
    says: /503 .*\(DEPTH_ZERO_SELF_SIGNED_CERT\)/,
  },
  {
    gateway: 'takes the connection and never speaks TLS',
    protocol: 'tls',
    peer: () => createServer(),
    says: /408 no response in 1500 ms/,
  },
];
for (const { gateway, protocol, host = '127.0.0.1', peer, says } of UNREACHABLE) {
  t.test(`a gateway that ${gateway}: the second one takes the call`, async (t) => {
    const port = host === '127.0.0.1' ? await (peer ? listening(t, peer()) : findFreePort()) : null;
    const { place } = await twoGateways({ host, port, columns: { protocol } }, IMPATIENT);
    const call = place();
    await hangUp(call);
    t.equal(good.invites.length, 1);
    const failed = (await routing(call)).filter(({ data }) => data.next !== undefined);
    // drachtio-server does not say why, and verifies no certificates: a peer that speaks TLS is silent only.
    t.match(failed, [{ text: DRACHTIO ? /failed: (408|503) / : says, data: { next: true } }]);
    t.ok(failed[0]?.text.startsWith(port === null ? `${host} of ` : `${host}:${port} of `), failed[0]?.text ?? '');
  });
}

t.test('once the callee rings, or early media was heard, a failure is final', async (t) => {
  const failing = await startGateway(t);
  const { place } = await twoGateways(failing);
  const cases: [string, Behaviour][] = [
    ['ringing', (call) => call.ring(180)],
    ['being forwarded', (call) => call.ring(181)],
    ['early media', (call) => call.ring(183, { sdp: audio.sdp })],
  ];
  for (const [name, ring] of cases) {
    failing.behave = (call) => {
      ring(call);
      call.reject(503);
    };
    t.equal(await place().status(), 503, name);
  }
  t.equal(good.invites.length, 0);
  failing.behave = (call) => {
    call.ring(183);
    call.reject(503);
  };
  const call = place();
  await hangUp(call);
  t.equal(good.invites.length, 1, 'a 183 without SDP reaches nobody');
});

t.test('a 2xx that makes no dialog: the callee has answered and is not called again; 502', async (t) => {
  const odd = await startGateway(t);
  const { place, carrierSid } = await twoGateways(odd, { failover_statuses: '5xx' });
  const cases: [string, Behaviour][] = [
    ['200 without Contact', ({ transaction }) => transaction.respond(transaction.makeResponse(200))],
    [
      '202',
      ({ transaction }) =>
        transaction.respond(transaction.makeResponse(202).add('Contact', `<sip:127.0.0.1:${odd.port}>`)),
    ],
  ];
  for (const [name, behave] of cases) {
    odd.behave = behave;
    const call = place();
    t.equal(await call.status(), 502, name);
    const failed = (await routing(call)).find(({ data }) => data.next !== undefined);
    t.match(failed?.data, { kind: 'unusable', why: 'the callee has answered', next: false }, name);
  }
  t.equal(good.invites.length, 0);
  const labels = { carrier: carrierSid, outcome: 'refused', status: '502' };
  t.equal(await metric(sbc.edge, 'ringwire_gateway_attempts_total', labels), 2, 'no gateway that cannot be reached');
});

t.test('early media goes to the feature server, and the same leg is answered', async (t) => {
  const slow = await startGateway(t);
  const { place } = await twoGateways(slow);
  slow.behave = (call) => {
    call.ring(183, { sdp: audio.sdp });
    void audio.echoThrough(call.sdp).then(() => call.accept(audio.sdp));
  };
  const call = place();
  await call.dialog;
  t.same(
    call.provisionals.filter((status) => status > 100),
    [183],
  );
  await hangUp(call);
});

t.test('the caller gives up: the ringing gateway gets CANCEL, and nobody else is tried', async (t) => {
  const ringing = await startGateway(t);
  const { place } = await twoGateways(ringing);
  const came = new Promise<IncomingCall>((resolve) => {
    ringing.behave = resolve;
  });
  const call = place();
  const leg = await came;
  leg.ring(180);
  const cancelled = once(leg, 'cancel');
  await until('it rings', () => call.provisionals.includes(180));
  call.giveUp();
  await cancelled;
  t.equal(await call.status(), 487);
  t.match((await stores.event('call.ended', await call.callId)).data, { terminationReason: 'caller abandoned' });
  t.equal(good.invites.length, 0);
});

t.test('the caller gives up while a dead gateway is waited for: no other is tried', async (t) => {
  const dead = await startDeadPort(t);
  const { place } = await twoGateways(dead);
  const call = place();
  await until('it was tried', () => dead.received() > 0);
  call.giveUp();
  t.equal(await call.status(), 487);
  await until('calls are gone', () => sbc.edge.calls.size === 0);
  t.equal(good.invites.length, 0);
});

t.test('a forking carrier: several ring, the one that answers has the call', async (t) => {
  const forking = await startGateway(t, (call) => {
    call.ring(180);
    const other = call.transaction.makeResponse(180);
    other.set('To', `${call.request.get('To')};tag=another-branch`);
    call.transaction.respond(other);
    call.accept(audio.sdp);
  });
  const { place } = await twoGateways(forking);
  const call = place();
  await call.dialog;
  await hangUp(call);
  t.equal(good.invites.length, 0);
});

t.test('when all fail the feature server gets the last failure; no more than the most attempts are made', async (t) => {
  const refusing = await startGateway(t, (call) => call.reject(503));
  const last = await startGateway(t, (call) => call.reject(500));
  const two = await rows.add({ gateways: [refusing, last] });
  t.equal(await dial(fs, server, two).status(), 500);
  refusing.invites.length = 0;
  const many = await rows.add({ gateways: Array.from({ length: 6 }, () => refusing) });
  t.equal(await dial(fs, server, many).status(), 503);
  t.equal(refusing.invites.length, 4);
});

t.test('a 3xx to a gateway of the carrier is followed, to anybody else it is not', async (t) => {
  const redirecting = await startGateway(t);
  const stranger = await startGateway(t);
  good.invites.length = 0;
  const carrierSid = await rows.add({ gateways: [redirecting, good] });
  const { agent } = redirecting;
  t.ok(agent);
  // drachtio-server sends no request to a user with parameters.
  const user = DRACHTIO ? '4930777' : '4930777;npdi';
  redirecting.behave = (call) =>
    call.reject(302, undefined, {
      Contact: `<sip:${user}@127.0.0.1:${good.port}>;q=0.5, <sip:1@127.0.0.1:${stranger.port}>;q=0.9`,
    });
  const call = dial(fs, server, carrierSid);
  await hangUp(call);
  t.equal(good.invites[0]?.uri, `sip:${user}@127.0.0.1:${good.port};transport=udp`);
  t.equal(stranger.invites.length, 0);
  redirecting.behave = (leg) => leg.reject(302, undefined, { Contact: `<sip:1@127.0.0.1:${stranger.port}>` });
  const alone = await rows.add({ gateways: [redirecting] });
  const refused = dial(fs, server, alone);
  t.equal(await refused.status(), 502);
  t.match((await routing(refused)).map(({ text }) => text).join('\n'), /redirected to no gateway of the carrier/);
  t.equal(stranger.invites.length, 0);
  // Two gateways that point at each other.
  const back = await startGateway(t);
  const to =
    (gateway: TestGateway): Behaviour =>
    (leg) =>
      leg.reject(302, undefined, { Contact: `<sip:1@127.0.0.1:${gateway.port}>` });
  redirecting.behave = to(back);
  back.behave = to(redirecting);
  const loop = await rows.add({ gateways: [redirecting, back] });
  t.equal(await dial(fs, server, loop).status(), 502);
});

t.test("a carrier's own list of statuses decides", async (t) => {
  const refusing = await startGateway(t, (call) => call.reject(404));
  const strict = await twoGateways(refusing, { failover_statuses: '5xx,408' });
  t.equal(await strict.place().status(), 404);
  t.equal(good.invites.length, 0);
});

t.test('no way out: 603 with a reason', async (t) => {
  const none = dial(fs, server, 'no such carrier');
  const error = await none.dialog.catch((failure: { status: number; res: { get(name: string): string } }) => failure);
  t.match(error, { status: 603 });
  t.match(
    (error as { res: { get(name: string): string } }).res.get('X-Reason'),
    /no such carrier: the account has no such carrier/,
  );
});
