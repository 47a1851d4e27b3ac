import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { callKey, type TimelineEntry } from '@ringwire/common';
import { findFreePort } from '@ringwire/common/testing/services.js';
import { until } from '@ringwire/common/testing/until.js';
import { type RtpengineService, startRtpengine } from '@ringwire/services';
import t from 'tap';
import { openSbcInbound, type SbcInbound } from './sbc-inbound.js';
import { ended, NUMBER, refusal, startCaller, type TestCaller } from './testing/caller.js';
import { metric, openSbc, type ServerProcess, startServerProcess } from './testing/edge.js';
import { startFeatureServer, type TestFeatureServer } from './testing/feature-server.js';
import { type Stores, startStores, type Teardown } from './testing/stores.js';

// Some deaths are only believed after the second unanswered question, seconds later.
t.setTimeout(240_000);

let stores: Stores;
let caller: TestCaller;

t.before(async () => {
  stores = await startStores(t);
  caller = await startCaller(t);
});

/** An edge of its own, so that what a test breaks is only its own. */
async function startEdge(
  t: Teardown,
  env: Record<string, string> = {},
): Promise<{ server: ServerProcess; sbc: SbcInbound; fs: TestFeatureServer }> {
  const server = await startServerProcess(t);
  const fs = await startFeatureServer(t, stores, `fs-${server.sipPort}`);
  const options = { name: 'sbc-inbound', stores, controlPort: server.controlPort, env };
  const sbc = await openSbc(t, openSbcInbound, options);
  await sbc.edge.featureServers.refresh();
  return { server, sbc, fs };
}

async function nothingLeft(sbc: SbcInbound): Promise<void> {
  await until('calls are gone', () => sbc.edge.calls.size === 0);
  await until('media sessions are gone', () => sbc.edge.bridging.relay.sessions === 0);
  await until('live entries are gone', async () => (await stores.redis.keys(callKey('*'))).length === 0);
}

/** The timeline entries of a call that name a cause. */
async function errors(sipCallId: string): Promise<string[]> {
  const timeline = (await stores.events(sipCallId)).flatMap(({ type, data }) =>
    type === 'call.timeline' ? [data as TimelineEntry] : [],
  );
  return timeline.filter(({ level }) => level === 'error').map(({ text }) => text);
}

t.test('the feature server and its SIP server die silently: the caller gets a BYE', { timeout: 60_000 }, async (t) => {
  const { server, sbc, fs } = await startEdge(t);
  const call = caller.call(server.sipPort, NUMBER);
  const dialog = await call.answered;
  const end = ended(dialog);
  await fs.server.kill();
  const { by, request } = await end;
  t.equal(by, 'remote');
  t.match(request?.get('Reason'), 'platform failure');
  const { data } = await stores.event('call.ended', call.callId);
  t.match(data, { answered: true, terminationReason: 'platform failure' });
  await nothingLeft(sbc);
});

t.test('the feature server dies while the call is set up: the caller gets 503', { timeout: 60_000 }, async (t) => {
  const { server, sbc, fs } = await startEdge(t);
  const invited = new Promise<void>((resolve) => {
    fs.onInvite = () => resolve();
  });
  const call = caller.call(server.sipPort, NUMBER);
  await invited;
  await fs.server.kill();
  await fs.leave();
  const response = await refusal(call);
  t.equal(response.status, 503);
  t.match((await stores.event('call.ended', call.callId)).data, { answered: false, terminationReason: 'failed' });
  await nothingLeft(sbc);
});

t.test('the feature server process dies: its SIP server tells, and the caller is released', async (t) => {
  const { server, sbc, fs } = await startEdge(t);
  const call = caller.call(server.sipPort, NUMBER);
  const dialog = await call.answered;
  const end = ended(dialog);
  fs.disconnect();
  t.equal((await end).by, 'remote');
  t.match((await stores.event('call.ended', call.callId)).data, {
    answered: true,
    terminationReason: 'platform failure',
  });
  t.same(await errors(call.callId), ['feature server failed: application connection lost']);
  await fs.leave();
  await nothingLeft(sbc);
});

t.test('the edge SIP server is killed: calls end, and their peers get BYE when it is back', async (t) => {
  const { server, sbc, fs } = await startEdge(t);
  const call = caller.call(server.sipPort, NUMBER);
  const dialogs = fs.nextDialog();
  const dialog = await call.answered;
  const far = await dialogs;
  await stores.event('call.answered', call.callId);
  const end = ended(dialog);
  const farEnd = once(far as unknown as NodeJS.EventEmitter, 'destroy');
  await server.kill();
  const { data } = await stores.event('call.ended', call.callId);
  t.match(data, { answered: true, terminationReason: 'platform failure' });
  await nothingLeft(sbc);
  await server.start();
  const { by, request } = await end;
  t.equal(by, 'remote');
  t.match(request?.get('Reason'), 'platform failure');
  await farEnd;
  const next = caller.call(server.sipPort, NUMBER);
  await (await next.answered).bye();
  await stores.event('call.ended', next.callId);
  await nothingLeft(sbc);
  await fs.leave();
});

t.test('the edge SIP server is killed in the moment of the answer: nobody is left behind', async (t) => {
  const { server, sbc, fs } = await startEdge(t);
  const call = caller.call(server.sipPort, NUMBER);
  const dialogs = fs.nextDialog();
  const dialog = await call.answered;
  const killed = server.kill();
  const end = ended(dialog);
  const farEnd = once((await dialogs) as unknown as NodeJS.EventEmitter, 'destroy');
  await killed;
  t.match((await stores.event('call.ended', call.callId)).data, { terminationReason: 'platform failure' });
  await nothingLeft(sbc);
  await server.start();
  t.equal((await end).by, 'remote');
  await farEnd;
  await fs.leave();
});

t.test('the media relay does not answer: 480, and an alert names it', async (t) => {
  const { server, sbc, fs } = await startEdge(t, { RTPENGINE_PORT: `${await findFreePort()}` });
  const call = caller.call(server.sipPort, NUMBER);
  const health = await fetch(`${sbc.edge.http.url}/health`);
  t.equal(health.status, 503);
  t.match(await health.json(), { rtpengine: false });
  const response = await refusal(call);
  t.equal(response.status, 480);
  t.equal(response.get('X-Reason'), 'media relay not available');
  t.equal(fs.invites.length, 0);
  t.match((await stores.event('alert', call.callId)).data, { alertType: 'media-relay-unavailable' });
  t.match((await stores.event('call.ended', call.callId)).data, { sipStatus: 480, terminationReason: 'failed' });
  const uri = `sip:${NUMBER}@127.0.0.1:${server.sipPort}`;
  const browser = await refusal(caller.agent.invite({ uri, sdp: browserOffer() }));
  t.match([browser.status, browser.get('X-Reason')], [480, 'media relay not available'], 'a browser is told the same');
  await fs.leave();
  await nothingLeft(sbc);
});

t.test('the feature server says BYE after a failure: the record and the timeline name it', async (t) => {
  const { server, sbc, fs } = await startEdge(t);
  const call = caller.call(server.sipPort, NUMBER);
  const dialogs = fs.nextDialog();
  const end = ended(await call.answered);
  const headers = { Reason: 'SIP;cause=503;text="media server lost: connection closed"' };
  (await dialogs).destroy({ headers }, () => {});
  t.match((await end).request?.get('Reason'), 'media server lost');
  const { data } = await stores.event('call.ended', call.callId);
  t.match(data, { answered: true, terminationReason: 'platform failure' });
  t.same(await errors(call.callId), ['feature server failed: media server lost: connection closed']);
  await fs.leave();
  await nothingLeft(sbc);
});

t.test('a caller cannot make its BYE a failure of the platform', async (t) => {
  const { server, sbc, fs } = await startEdge(t);
  const call = caller.call(server.sipPort, NUMBER);
  const dialog = await call.answered;
  await dialog.bye({ Reason: 'SIP;cause=503;text="your fault"' });
  t.match((await stores.event('call.ended', call.callId)).data, { terminationReason: 'caller hungup' });
  t.same(await errors(call.callId), []);
  await fs.leave();
  await nothingLeft(sbc);
});

/** What Chromium offers where it has IPv6 and hides its IPv4 address behind a name (mDNS). */
function browserOffer(): string {
  const lines = [
    ...['v=0', 'o=- 1 2 IN IP6 ::1', 's=-', 't=0 0', 'a=group:BUNDLE 0'],
    ...['m=audio 50000 UDP/TLS/RTP/SAVPF 111 0 126', 'c=IN IP6 2001:db8::5', 'a=mid:0', 'a=rtcp-mux', 'a=sendrecv'],
    'a=candidate:1 1 udp 2122260223 2001:db8::5 50000 typ host generation 0 network-id 1',
    'a=candidate:2 1 udp 2122194687 3f1c0d0a-1d5f-4e9c-9e41-0a5b5d6f7a80.local 50001 typ host generation 0',
    'a=candidate:3 1 tcp 1518280447 2001:db8::5 9 typ host tcptype active generation 0',
    ...['a=ice-ufrag:abcd', 'a=ice-pwd:abcdefghijklmnopqrstuvwx', 'a=ice-options:trickle', 'a=setup:actpass'],
    `a=fingerprint:sha-256 ${Array.from({ length: 32 }, () => '3A').join(':')}`,
    ...['a=rtpmap:111 opus/48000/2', 'a=rtpmap:0 PCMU/8000', 'a=rtpmap:126 telephone-event/8000', ''],
  ];
  return lines.join('\r\n');
}

/** A media relay of its own, to be killed. */
async function startRelay(
  t: Teardown,
  addresses: readonly string[] = ['127.0.0.1'],
): Promise<{ relay: RtpengineService; env: Record<string, string> }> {
  const dataDir = mkdtempSync(join(tmpdir(), 'ringwire-relay-'));
  const first = 40_000 + (process.pid % 100) * 100;
  const relay = await startRtpengine({ dataDir, ports: { first, last: first + 98 }, addresses });
  t.teardown(async () => {
    await relay.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });
  return { relay, env: { RTPENGINE_PORT: `${relay.port}` } };
}

t.test('rtpengine is killed and restarted during a call: both legs get BYE, and an alert names it', async (t) => {
  const { relay, env } = await startRelay(t);
  const { server, sbc, fs } = await startEdge(t, env);
  const call = caller.call(server.sipPort, NUMBER);
  const dialogs = fs.nextDialog();
  const end = ended(await call.answered);
  const farEnd = once((await dialogs) as unknown as NodeJS.EventEmitter, 'destroy');
  await stores.event('call.answered', call.callId);
  const ready = once(relay.child, 'ready');
  process.kill(relay.child.pid ?? 0, 'SIGKILL');
  await ready;
  const { by, request } = await end;
  t.equal(by, 'remote');
  t.match(request?.get('Reason'), 'media relay lost');
  await farEnd;
  const { data } = await stores.event('call.ended', call.callId);
  t.match(data, { answered: true, terminationReason: 'platform failure' });
  t.match((await stores.event('alert', call.callId)).data, { alertType: 'media-relay-lost' });
  t.match((await errors(call.callId)).at(-1), 'media relay lost: rtpengine at');
  await nothingLeft(sbc);
  const next = caller.call(server.sipPort, NUMBER);
  await (await next.answered).bye();
  await stores.event('call.ended', next.callId);
  await fs.leave();
  await nothingLeft(sbc);
});

t.test('rtpengine dies for good during a call: both legs get BYE', async (t) => {
  const { relay, env } = await startRelay(t);
  const { server, sbc, fs } = await startEdge(t, env);
  const call = caller.call(server.sipPort, NUMBER);
  const end = ended(await call.answered);
  await relay.stop();
  t.match((await end).request?.get('Reason'), 'media relay lost');
  t.match((await stores.event('call.ended', call.callId)).data, { terminationReason: 'platform failure' });
  t.match((await errors(call.callId)).at(-1), 'does not answer');
  await fs.leave();
  await nothingLeft(sbc);
});

const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1'));

t.test(
  'a browser offers IPv6 and mDNS: the feature server gets IPv4, the browser what the relay has',
  { skip: hasIpv6 ? false : 'this machine has no ::1' },
  async (t) => {
    const { env } = await startRelay(t, ['127.0.0.1', '::1']);
    const { server, sbc, fs } = await startEdge(t, env);
    const uri = `sip:${NUMBER}@127.0.0.1:${server.sipPort}`;
    const dialog = await caller.agent.invite({ uri, sdp: browserOffer() }).answered;
    t.match(fs.invites[0]?.body, /^c=IN IP4 127\.0\.0\.1\r$/m);
    t.match(dialog.remoteSdp, /^a=candidate:\S+ 1 UDP \d+ ::1 \d+ typ host\r$/m);
    t.match(dialog.remoteSdp, /^a=candidate:\S+ 1 UDP \d+ 127\.0\.0\.1 \d+ typ host\r$/m);
    await dialog.bye();
    await fs.leave();
    await nothingLeft(sbc);
  },
);

t.test('without a media relay media flows direct', async (t) => {
  const { server, sbc, fs } = await startEdge(t, { RTPENGINE_HOST: '' });
  const call = caller.call(server.sipPort, NUMBER);
  const dialog = await call.answered;
  t.equal(fs.invites[0]?.body, caller.audio.sdp);
  t.equal(dialog.remoteSdp, fs.sdp);
  await dialog.bye();
  await stores.event('call.ended', call.callId);
  await fs.leave();
  await nothingLeft(sbc);
});

t.test('without a media relay a browser is refused with 488 and the reason', async (t) => {
  const { server, sbc, fs } = await startEdge(t, { RTPENGINE_HOST: '' });
  const sdp = caller.audio.sdp.replace('RTP/AVP', 'UDP/TLS/RTP/SAVPF');
  const call = caller.agent.invite({ uri: `sip:${NUMBER}@127.0.0.1:${server.sipPort}`, sdp });
  const response = await refusal(call);
  t.equal(response.status, 488);
  t.match(response.get('X-Reason'), 'WebRTC media needs rtpengine');
  await stores.event('call.ended', call.callId);
  t.match((await errors(call.callId)).join('\n'), 'WebRTC media needs rtpengine');
  t.equal(fs.invites.length, 0);
  await fs.leave();
  await nothingLeft(sbc);
});

t.test('more calls than allowed are refused with 503 and Retry-After; the others stay well', async (t) => {
  const { server, sbc, fs } = await startEdge(t, { MAX_CALLS: '1' });
  const call = caller.call(server.sipPort, NUMBER);
  const dialog = await call.answered;
  const response = await refusal(caller.call(server.sipPort, NUMBER));
  t.equal(response.status, 503);
  t.ok(Number(response.get('Retry-After')) > 0);
  t.equal(await metric(sbc.edge, 'ringwire_calls_rejected_total', { reason: 'max-calls' }), 1);
  await caller.audio.echoThrough(dialog.remoteSdp);
  await dialog.bye();
  await stores.event('call.ended', call.callId);
  await fs.leave();
  await nothingLeft(sbc);
});

t.test('draining refuses new calls and lets the live ones finish', async (t) => {
  const { server, sbc, fs } = await startEdge(t);
  const call = caller.call(server.sipPort, NUMBER);
  const dialog = await call.answered;
  let drained = false;
  const drain = sbc.drain().then(() => {
    drained = true;
  });
  const response = await refusal(caller.call(server.sipPort, NUMBER));
  t.equal(response.status, 503);
  t.equal(response.get('X-Reason'), 'draining');
  t.notOk(drained);
  await caller.audio.echoThrough(dialog.remoteSdp);
  await dialog.bye();
  await drain;
  await fs.leave();
});

t.test('closing ends the live calls with BYE and writes their records', async (t) => {
  const { server, sbc, fs } = await startEdge(t);
  const call = caller.call(server.sipPort, NUMBER);
  const dialog = await call.answered;
  const end = ended(dialog);
  await sbc.close();
  t.equal((await end).by, 'remote');
  t.match((await stores.event('call.ended', call.callId)).data, {
    terminationReason: 'platform failure',
    answered: true,
  });
  await fs.leave();
});

t.test('the route tells outbound INVITEs of feature servers from those of others', async (t) => {
  const { sbc, fs } = await startEdge(t);
  const [address, port] = fs.info.sipAddress.split(':');
  const ask = async (query: string): Promise<unknown> => (await fetch(`${sbc.edge.http.url}/route?${query}`)).json();
  const tag = (name: string) => ({ action: 'route', data: { tag: name } });
  t.same(await ask(`source_address=${address}&source_port=${port}`), tag('outbound'));
  t.same(await ask(`source_address=${address}&source_port=1`), tag('inbound'));
  t.same(await ask(`source_address=${address}`), tag('inbound'));
  t.same(await ask(''), tag('inbound'));
  // A parameter of the Request-URI may have the name of what the SIP server says: it comes later and does not count.
  const ours = `source_address=${address}&source_port=${port}`;
  t.same(await ask(`source_address=192.0.2.1&source_port=5060&${ours}`), tag('inbound'));
  t.same(await ask(`source_address=192.0.2.1&source_address=x&sourceAddress=${address}`), tag('inbound'));
  t.same(await ask(`${ours}&source_address=192.0.2.1`), tag('outbound'));
  await fs.leave();
});
