import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codecFormat, readWavAt, toneShare } from '@ringwire/rtp';
import t from 'tap';
import { loadCodecs, resemblance, speech } from './test-codecs.js';
import { comesRight, folder, startServer, TestCaller, wavFile } from './test-peer.js';

t.before(loadCodecs);

for (const [codec, times] of [
  ['PCMU', [10, 30, 40]],
  ['G722', [10, 40]],
  ['opus', [10, 40]],
] as const) {
  for (const ptimeMs of times) {
    t.test(`${codec} in packets of ${ptimeMs} ms both ways`, async (t) => {
      const server = await startServer(t);
      const { rateHz, clockHz } = codecFormat(codec);
      const { media, esl, uuid } = await (await TestCaller.create(t, server)).call([codec], {}, { rateHz, ptimeMs });
      t.equal(media.agreement?.ptimeMs, ptimeMs);
      await esl.api(`uuid_setvar ${uuid} RECORD_READ_ONLY true`);
      const played = await wavFile(t, speech(16000), 16000);
      const isRight = await comesRight(async () => {
        const path = join(await folder(t), 'said.wav');
        const begin = media.heard.length;
        await esl.execute(uuid, 'record_session', path);
        media.say(speech(rateHz, 2));
        await esl.execute(uuid, 'playback', played);
        await media.hears(200);
        await esl.execute(uuid, 'stop_record_session', path);
        await esl.event((event) => event['Event-Name'] === 'RECORD_STOP' && event['Record-File-Path'] === path);
        const recorded = readWavAt(await readFile(path), rateHz);
        const scores = [
          resemblance(media.heard.subarray(begin), speech(rateHz), rateHz),
          resemblance(recorded, speech(rateHz, 2), rateHz),
        ];
        t.comment(`heard ${scores[0]}, recorded ${scores[1]}`);
        return scores.every((score) => score > 0.95);
      });
      t.ok(isRight, 'what is played is heard, and what is said recorded');
      const steps = media.packets.slice(1).map((packet, i) => packet.timestamp - media.packets[i]!.timestamp);
      const regular = steps.filter((step) => step === (ptimeMs * clockHz) / 1000).length;
      t.ok(regular > steps.length * 0.9, `${regular} of ${steps.length} packets of ${ptimeMs} ms`);
      t.equal(await esl.api(`uuid_getvar ${uuid} rtp_use_codec_ptime`), String(ptimeMs));
    });
  }
}

t.test('a re-INVITE changes the codec in the middle of a tone without a click', async (t) => {
  const server = await startServer(t);
  const caller = await TestCaller.create(t, server);
  const isPure = await comesRight(async () => {
    const { dialog, media, esl, uuid } = await caller.call(['PCMU'], {}, { rateHz: 8000 });
    const playing = esl.execute(uuid, 'playback', 'tone_stream://v=-12;%(8000,0,440)');
    await media.hears(500);
    for (const codec of ['G722', 'L16@8000h', 'L16@16000h', 'PCMA'] as const) {
      await dialog.reinvite(media.offer([codec]));
      media.start(dialog.remoteSdp);
      t.equal(media.agreement?.codec, codec);
      await media.hears(500);
    }
    await esl.api(`uuid_break ${uuid} all`);
    await playing;
    const { packets, heard } = media;
    t.same([...new Set(packets.map(({ payloadType }) => payloadType))], [0, 9, 98, 97, 8]);
    t.equal(
      packets.filter(({ sequence }, i) => i > 0 && sequence !== ((packets[i - 1]!.sequence + 1) & 0xffff)).length,
      0,
      'sequence numbers go on',
    );
    const jumps = packets.slice(1).filter(({ timestamp, payloadType }, i) => {
      const clockHz = packets[i]!.payloadType === 97 ? 16000 : 8000;
      return timestamp - packets[i]!.timestamp !== clockHz / 50 && payloadType !== packets[i]!.payloadType;
    });
    t.same(jumps, [], 'timestamps go on');
    t.ok(new Set(packets.map(({ timestamp }) => timestamp)).size === packets.length);
    // Codecs differ in the delay of their filters, so that a change shifts the tone by one or two ms; it must neither gap nor burst.
    const body = heard.subarray(800, heard.length - 1600);
    const impure = Array.from({ length: Math.floor(body.length / 160) }, (_, i) =>
      toneShare(body, 440, 8000, i * 160, (i + 1) * 160),
    ).filter((share) => share < 0.95).length;
    t.comment(`${impure} of ${Math.floor(body.length / 160)} frames are not the tone`);
    t.ok(Math.max(...body) < 32767 * 10 ** (-12 / 20) * 1.3, `peak ${Math.max(...body)}`);
    await dialog.bye();
    return impure <= 8;
  });
  t.ok(isPure, 'the tone goes on');
});
