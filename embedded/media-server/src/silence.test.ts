import { rms, tone, toneShare } from '@ringwire/rtp';
import t from 'tap';
import { comesRight, startServer, TestCaller } from './test-peer.js';

/** Whether a packet is comfort noise. */
const isNoise = ({ payloadType }: { payloadType: number }): boolean => payloadType === 13;

/** An offer that takes comfort noise too. */
const withComfortNoise = (offer: string): string => offer.replace(/(m=audio \d+ RTP\/AVP 0)/, '$1 13');

t.test('idle: send_silence_when_idle says whether silence, noise or nothing is sent', async (t) => {
  const server = await startServer(t);
  const { media, esl, uuid } = await (await TestCaller.create(t, server)).call();
  await media.hears(400);
  t.equal(rms(media.heard, 1600) < 9, true, 'silence when it is not set');
  await esl.api(`uuid_setvar ${uuid} send_silence_when_idle 400`);
  await media.hearsThat('noise', (heard) => {
    const level = rms(heard, heard.length - 4000);
    // FreeSWITCH's uniform noise: 32768/400/√3.
    return level > 40 && level < 56;
  });
  await esl.api(`uuid_setvar ${uuid} send_silence_when_idle 0`);
  await esl.execute(uuid, 'sleep', '800');
  const playing = esl.execute(uuid, 'playback', 'tone_stream://%(1000,0,700)');
  await media.hearsThat('what is played', (heard) => toneShare(heard, 700, 8000, heard.length - 2400) > 0.98);
  await playing;
  const { packets } = media;
  const gaps = packets.slice(1).map((packet, i) => ({ ...packet, gap: packet.timestamp - packets[i]!.timestamp }));
  const [longest] = gaps.sort((one, other) => other.gap - one.gap);
  t.ok(longest!.gap > 4000, `nothing was sent, as in FreeSWITCH without the variable: ${longest!.gap}`);
  t.equal(longest!.gap % 160, 0, 'what comes next has the time that passed');
  t.ok(longest!.marker, 'and is marked');
});

t.test('idle: where nothing is sent a peer that takes comfort noise gets some', async (t) => {
  const server = await startServer(t);
  const { dialog, media, esl, uuid } = await (await TestCaller.create(t, server)).call(['PCMU']);
  await dialog.reinvite(withComfortNoise(media.offer(['PCMU'])));
  t.match(dialog.remoteSdp, /m=audio \d+ RTP\/AVP 0 13 /);
  await esl.api(`uuid_setvar ${uuid} send_silence_when_idle 0`);
  let sent = media.packets;
  const steps = (): number[] => sent.slice(1).map(({ timestamp }, i) => timestamp - sent[i]!.timestamp);
  // A busy machine may leave out some frames between two.
  await media.until(() => {
    sent = media.packets.slice(media.packets.findIndex(isNoise));
    return sent.filter(isNoise).length >= 3 && steps().includes(9600);
  });
  t.ok(sent.every(isNoise), 'nothing else is sent any more');
  t.same(new Set(sent.map(({ payloadBytes }) => payloadBytes)), new Set([1]));
  t.ok(
    steps().every((step) => step >= 9600),
    `every 60 frames: ${steps()}`,
  );
  await esl.api(`uuid_set_media_stats ${uuid}`);
  t.equal(await esl.api(`uuid_getvar ${uuid} rtp_audio_out_cng_packet_count`), String(sent.length));
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
  const isRight = await comesRight(async () => {
    const before = media.packets.length;
    const { timestamp: begin } = media.packets.at(-1)!;
    // The silence after the second sound is enough for all of it to be received.
    await esl.execute(uuid, 'playback', 'tone_stream://%(500,1000,700);loops=2');
    const sent = media.packets.slice(before);
    const sounds = sent.filter(({ payloadType }) => payloadType === 0).length;
    const isTone = (at: number): boolean => toneShare(media.heard, 700, 8000, at, at + 160) > 0.98;
    const tones = sent.map(({ timestamp }) => timestamp).filter((at) => at > begin && isTone(at));
    const second = tones.findIndex((at, i) => i > 0 && at - tones[i - 1]! > 4000);
    const apart = tones[second]! - tones[0]!;
    const isMarked = [tones[0]!, tones[second]!].every((at) =>
      sent.some(({ marker, timestamp }) => marker && timestamp >= at - 160 && timestamp <= at),
    );
    t.ok(sent.some(isNoise), 'noise is told of');
    t.comment(`${sounds} packets, ${second} and ${tones.length - second} of the tone, ${apart} apart, ${isMarked}`);
    // One second of sound in three; of each sound all packets but those with its ramps; the second in its time.
    const isWhole = second >= 22 && tones.length - second >= 22;
    return sounds >= 50 && sounds <= 75 && isWhole && Math.abs(apart - 12_000) <= 160 && isMarked;
  });
  t.ok(isRight, 'both sounds, and next to nothing else');
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
    await b.media.hearsThat('silence without it', (heard) => rms(heard, heard.length - 2400) === 0);
    await a.esl.api(`uuid_setvar ${a.uuid} bridge_generate_comfort_noise true`);
    await b.media.hearsThat('noise', (heard) => {
      const level = rms(heard, heard.length - 2400);
      // 32768/1400/√3.
      return level > 11 && level < 16;
    });
    a.media.loses = () => false;
    // And the peer again when it sends.
    await b.media.hearsNow(500);
  },
);
