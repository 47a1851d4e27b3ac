import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { correlate, findDepartures } from '@ringwire/rtp';
import t from 'tap';
import type { MediaServer } from './server.js';
import { chirp, folder, PhoneMedia, startServer, wavFile } from './test-peer.js';

/** What these tests use of drachtio-fsmrf and drachtio-srf, which have no types that fit. */
interface Endpoint {
  uuid: string;
  local: { sdp: string; mediaIp: string; mediaPort: string };
  remote: { sdp: string };
  dtmfType: string;
  sip: { callId: string };
  connected: boolean;
  play(file: string | string[] | { file: string; seekOffset?: number; timeoutSecs?: number }): Promise<{
    playbackSeconds: string;
    playbackMilliseconds: string;
  }>;
  playCollect(options: object): Promise<{ digits: string; terminatorUsed: string }>;
  record(file: string, options: object): Promise<{ recordMilliseconds: string }>;
  recordSession(file: string): Promise<unknown>;
  set(values: Record<string, string>): Promise<void>;
  export(name: string, value: string): Promise<void>;
  getChannelVariables(includeMedia: boolean): Promise<Record<string, string | number>>;
  api(command: string, args?: unknown): Promise<{ body: string }>;
  modify(sdp: string): Promise<string>;
  bridge(other: Endpoint | string): Promise<void>;
  unbridge(): Promise<void>;
  mute(): Promise<unknown>;
  join(room: string): Promise<unknown>;
  destroy(): Promise<void>;
  on(event: string, listener: (facts: Record<string, string>) => void): void;
  once(event: string, listener: (facts: Record<string, string>) => void): void;
}
interface MediaServerClient {
  sip: { ipv4: { udp: { address: string } } };
  maxSessions: number;
  currentSessions: number;
  conn: NodeJS.EventEmitter;
  createEndpoint(options?: {
    remoteSdp?: string;
    codecs?: string[];
    headers?: Record<string, string>;
  }): Promise<Endpoint>;
  api(command: string): Promise<string>;
  disconnect(): void;
}
interface Srf extends NodeJS.EventEmitter {
  connect(options: { host: string; port: number; secret: string }): void;
  disconnect(): void;
}

const require = createRequire(import.meta.url);
const SrfClass = require('drachtio-srf') as new () => Srf;
const Mrf = require('drachtio-fsmrf') as new (
  srf: Srf,
) => {
  connect(options: {
    address: string;
    port: number;
    secret: string;
    listenAddress: string;
  }): Promise<MediaServerClient>;
};

/** Starts the embedded SIP server as a process of its own. */
async function startSipServer(t: { teardown(fn: () => unknown): void }): Promise<number> {
  const main = fileURLToPath(import.meta.resolve('@ringwire/sip-server/main.js'));
  const flags = ['--contact', 'sip:127.0.0.1:0;transport=udp', '--address', '127.0.0.1', '--port', '0'];
  const child: ChildProcess = spawn(process.execPath, [main, ...flags, '--loglevel', 'error'], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  t.teardown(async () => {
    child.kill();
    if (child.exitCode === null) await once(child, 'exit');
  });
  const [ready] = (await once(child, 'message')) as [{ controlPort: number }];
  return ready.controlPort;
}

/** Unmodified drachtio-srf and drachtio-fsmrf against our SIP server and our media server. */
async function connectFsmrf(
  t: { teardown(fn: () => unknown): void },
  flags: string[] = [],
): Promise<{ server: MediaServer; ms: MediaServerClient }> {
  const server = await startServer(t, ['--heartbeat-ms', '100', ...flags]);
  const srf = new SrfClass();
  srf.connect({ host: '127.0.0.1', port: await startSipServer(t), secret: 'cymru' });
  await once(srf, 'connect');
  const port = Number(server.esl.split(':')[1]);
  const ms = await new Mrf(srf).connect({ address: '127.0.0.1', port, secret: 'ClueCon', listenAddress: '127.0.0.1' });
  t.teardown(() => {
    ms.disconnect();
    srf.disconnect();
  });
  return { server, ms };
}

t.test('fsmrf connects, finds the profile and hears heartbeats', async (t) => {
  const { server, ms } = await connectFsmrf(t, ['--max-sessions', '42']);
  t.equal(ms.sip.ipv4.udp.address, server.sip);
  await once(ms.conn, 'esl::event::HEARTBEAT::**');
  t.equal(ms.maxSessions, 42);
  t.equal(ms.currentSessions, 0);
  t.match(await ms.api('status'), /session\(s\)/);
});

t.test('an endpoint with a remote SDP plays, hears digits, records, and is destroyed', async (t) => {
  const { server, ms } = await connectFsmrf(t);
  const media = await PhoneMedia.open(t);
  const ep = await ms.createEndpoint({
    remoteSdp: media.offer(),
    codecs: ['PCMA', 'PCMU'],
    headers: { 'X-Call-Sid': 's1' },
  });
  t.ok(ep.connected);
  t.equal(ep.dtmfType, 'rfc2833');
  t.equal(ep.local.mediaIp, '127.0.0.1');
  media.start(ep.local.sdp);
  t.equal(media.agreement?.codec, 'PCMA', 'the codec order that the client asked for counts');
  const sound = chirp(1200, 16000);
  const result = await ep.play(await wavFile(t, sound, 16000));
  t.match(result, { playbackSeconds: '1', playbackMilliseconds: '1200' });
  const match = correlate(media.heard, chirp(1200));
  t.ok(match.coefficient > 0.98, `correlation ${match.coefficient}`);
  t.same(findDepartures(media.heard, chirp(1200), match.lag), []);
  const list = await ep.play(['silence_stream://100', await wavFile(t, chirp(200))]);
  t.equal(list.playbackMilliseconds, '300');
  await t.rejects(ep.play('/no/such/file.wav'), /File Not Found/);
  const digit = new Promise<Record<string, string>>((resolve) => ep.once('dtmf', resolve));
  media.press('5');
  t.match(await digit, { dtmf: '5', duration: '800', source: 'RTP' });
  const collecting = ep.playCollect({
    file: 'silence_stream://3000',
    min: 1,
    max: 3,
    timeout: 1000,
    digitTimeout: 500,
  });
  media.press('123');
  t.equal((await collecting).digits, '123');
  const recorded = await ep.record(join(await folder(t), 'r.wav'), { timeLimitSecs: 1 });
  t.equal(recorded.recordMilliseconds, '1000');
  await ep.set({ a: '1', b: 'two words', c: "it's" });
  await ep.export('d', '4');
  const variables = await ep.getChannelVariables(true);
  t.match(variables, { variable_a: '1', variable_b: 'two words', variable_c: "it's", variable_d: '4' });
  t.ok(Number(variables.variable_rtp_audio_in_packet_count) > 50);
  t.equal(variables['variable_sip_h_X-Call-Sid'], 's1');
  const closed = once(ms as unknown as NodeJS.EventEmitter, 'channel::close');
  await ep.destroy();
  await closed;
  t.equal(server.channels.size + server.pool.legCount, 0);
});

t.test('a playback is broken by uuid_break, and by the end of the call', async (t) => {
  const { ms } = await connectFsmrf(t);
  const media = await PhoneMedia.open(t);
  const ep = await ms.createEndpoint({ remoteSdp: media.offer() });
  media.start(ep.local.sdp);
  for (const end of [() => ep.api('uuid_break', ep.uuid), () => ep.destroy()]) {
    const started = new Promise((resolve) => ep.once('playback-start', resolve));
    const playing = ep.play('silence_stream://-1');
    await started;
    await end();
    t.ok(Number((await playing).playbackMilliseconds) < 5000);
  }
});

t.test('an endpoint without remote SDP gets one by modify', async (t) => {
  const { ms } = await connectFsmrf(t);
  const ep = await ms.createEndpoint();
  const media = await PhoneMedia.open(t);
  await ep.modify(media.offer());
  media.start(ep.local.sdp);
  t.match(ep.remote.sdp, new RegExp(`m=audio ${media.socket.port} `));
  await ep.play(await wavFile(t, chirp(500)));
  t.ok(correlate(media.heard, chirp(500)).coefficient > 0.98);
  await ep.destroy();
});

t.test('two endpoints are bridged, muted, unbridged', async (t) => {
  const { ms } = await connectFsmrf(t);
  const [a, b] = [await PhoneMedia.open(t), await PhoneMedia.open(t)];
  const epA = await ms.createEndpoint({ remoteSdp: a.offer(['PCMU']) });
  const epB = await ms.createEndpoint({ remoteSdp: b.offer(['PCMA']) });
  a.start(epA.local.sdp);
  b.start(epB.local.sdp);
  await epA.bridge(epB);
  a.say(chirp(800));
  await b.hears(1500);
  const { coefficient } = correlate(b.heard, chirp(800));
  t.ok(coefficient > 0.97, `correlation ${coefficient}`);
  await epA.mute();
  await epA.unbridge();
  await t.rejects(epA.bridge('nobody'), /-ERR/);
  await Promise.all([epA.destroy(), epB.destroy()]);
});

t.test('the endpoint hears of a hangup by the media server', async (t) => {
  const { server, ms } = await connectFsmrf(t);
  const media = await PhoneMedia.open(t);
  const ep = await ms.createEndpoint({ remoteSdp: media.offer() });
  // Its subscriptions are in force when a later command has been answered.
  await ep.api('echo', 'x');
  const gone = new Promise<Record<string, string>>((resolve) => ep.once('destroy', resolve));
  await server.channels.get(ep.uuid)?.hangup('MEDIA_TIMEOUT');
  t.equal((await gone).reason, 'MEDIA_TIMEOUT');
});
