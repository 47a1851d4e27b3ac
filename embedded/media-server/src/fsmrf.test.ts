import { once } from 'node:events';
import { join } from 'node:path';
import { correlate, findDepartures } from '@ringwire/rtp';
import t from 'tap';
import { connectFsmrf } from './test-fsmrf.js';
import { chirp, comesRight, folder, isCarried, PhoneMedia, wavFile } from './test-peer.js';

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
  const path = await wavFile(t, sound, 16000);
  const isWhole = await comesRight(async () => {
    const begin = media.heard.length;
    const result = await ep.play(path);
    t.match(result, { playbackSeconds: '1', playbackMilliseconds: '1200' });
    // What has been sent may not have been received yet.
    await media.hears(100);
    const heard = media.heard.subarray(begin);
    const match = correlate(heard, chirp(1200));
    return match.coefficient > 0.98 && findDepartures(heard, chirp(1200), match.lag).length === 0;
  });
  t.ok(isWhole, 'what is played is heard, no packet missing, doubled or damaged');
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
    timeout: 10_000,
    digitTimeout: 10_000,
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
  await media.hears(100);
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
  t.ok(await isCarried(a, b, chirp(800)));
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
