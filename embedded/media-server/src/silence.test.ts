import { rms, tone, toneShare } from '@ringwire/rtp';
import t from 'tap';
import { startServer, TestCaller } from './test-peer.js';

/** An offer that takes comfort noise too. */
const withComfortNoise = (offer: string): string => offer.replace(/(m=audio \d+ RTP\/AVP 0)/, '$1 13');

t.test('idle: send_silence_when_idle says whether silence, noise or nothing is sent', async (t) => {
  const server = await startServer(t);
  const { media, esl, uuid } = await (await TestCaller.create(t, server)).call();
  await media.hears(400);
  t.equal(rms(media.heard, 1600) < 9, true, 'silence when it is not set');
  await esl.api(`uuid_setvar ${uuid} send_silence_when_idle 400`);
  await media.hears(1000);
  const level = rms(media.heard, media.heard.length - 4000);
  // FreeSWITCH's uniform noise: 32768/400/√3.
  t.ok(level > 40 && level < 56, `noise ${level}`);
  await esl.api(`uuid_setvar ${uuid} send_silence_when_idle 0`);
  await esl.execute(uuid, 'sleep', '300');
  const before = media.packets.length;
  await esl.execute(uuid, 'sleep', '500');
  t.equal(media.packets.length, before, 'nothing, as in FreeSWITCH without the variable');
  await esl.execute(uuid, 'playback', 'tone_stream://%(400,0,700)');
  const { marker, timestamp } = media.packets[before]!;
  t.ok(marker, 'what comes next is marked');
  const gap = timestamp - media.packets[before - 1]!.timestamp;
  t.ok(gap > 4000 && gap % 160 === 0, `and has the time that passed: ${gap}`);
  t.ok(toneShare(media.heard, 700, 8000, media.heard.length - 2400, media.heard.length - 400) > 0.98);
});

t.test('idle: where nothing is sent a peer that takes comfort noise gets some', async (t) => {
  const server = await startServer(t);
  const { dialog, media, esl, uuid } = await (await TestCaller.create(t, server)).call(['PCMU']);
  await dialog.reinvite(withComfortNoise(media.offer(['PCMU'])));
  t.match(dialog.remoteSdp, /m=audio \d+ RTP\/AVP 0 13 /);
  await esl.api(`uuid_setvar ${uuid} send_silence_when_idle 0`);
  await esl.execute(uuid, 'sleep', '2700');
  const noise = media.packets.filter(({ payloadType }) => payloadType === 13);
  t.equal(noise.length, 3, 'at once, and every 60 frames');
  t.same(new Set(noise.map(({ payloadBytes }) => payloadBytes)), new Set([1]));
  t.equal(noise[1]!.timestamp - noise[0]!.timestamp, 9600);
  t.equal(media.packets.at(-1)!.payloadType, 13);
  await esl.api(`uuid_set_media_stats ${uuid}`);
  t.equal(await esl.api(`uuid_getvar ${uuid} rtp_audio_out_cng_packet_count`), '3');
  await esl.api(`uuid_setvar ${uuid} suppress_cng true`);
  await dialog.reinvite(withComfortNoise(media.offer(['PCMU'])));
  t.match(dialog.remoteSdp, /m=audio \d+ RTP\/AVP 0 101/);
});

t.test('rtp_enable_vad_in: silence in what is played is not sent, and nothing of the rest is missing', async (t) => {
  const server = await startServer(t);
  const { dialog, media, esl, uuid } = await (await TestCaller.create(t, server)).call(['PCMU']);
  await esl.api(`uuid_setvar ${uuid} rtp_enable_vad_in true`);
  await dialog.reinvite(withComfortNoise(media.offer(['PCMU'])));
  await esl.execute(uuid, 'sleep', '500');
  const before = media.packets.length;
  await esl.execute(uuid, 'playback', 'tone_stream://%(500,1000,700);loops=2');
  const sounds = media.packets.slice(before).filter(({ payloadType }) => payloadType === 0).length;
  t.ok(sounds >= 50 && sounds <= 75, `${sounds} packets for one second of sound in three`);
  t.ok(media.packets.slice(before).some(({ payloadType }) => payloadType === 13));
  const start = (media.packets.findIndex((packet, i) => i >= before && packet.marker) + 0) as number;
  const at = media.packets[start]!.timestamp;
  t.ok(toneShare(media.heard, 700, 8000, at + 160, at + 3800) > 0.98, 'the first');
  t.ok(toneShare(media.heard, 700, 8000, at + 12_160, at + 15_800) > 0.98, 'the second, in its time');
});

t.test(
  'bridge_generate_comfort_noise: who hears a peer that sends nothing hears noise, unless it is off',
  async (t) => {
    const server = await startServer(t);
    const caller = await TestCaller.create(t, server);
    const [a, b] = [await caller.call(['L16@8000h']), await caller.call(['L16@8000h'])];
    a.media.say(tone(500, 60_000));
    await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`);
    await b.media.hearsNow(500);
    a.media.loses = () => true;
    await b.media.hears(600);
    t.equal(rms(b.media.heard, b.media.heard.length - 2400), 0, 'silence without it');
    await a.esl.api(`uuid_setvar ${a.uuid} bridge_generate_comfort_noise true`);
    await b.media.hears(600);
    const level = rms(b.media.heard, b.media.heard.length - 2400);
    // 32768/1400/√3.
    t.ok(level > 11 && level < 16, `noise ${level}`);
    a.media.loses = () => false;
    // And the peer again when it sends.
    await b.media.hearsNow(500);
  },
);
