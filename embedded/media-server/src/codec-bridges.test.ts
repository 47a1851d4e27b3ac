import { type CodecId, codecFormat, type LegRate, tone } from '@ringwire/rtp';
import t from 'tap';
import { levelOf, loadCodecs, resemblance, speech } from './test-codecs.js';
import { comesRight, startServer, TestCaller } from './test-peer.js';

t.before(loadCodecs);

const PAIRS: [CodecId, CodecId][] = [
  ['PCMU', 'G722'],
  ['PCMU', 'opus'],
  ['PCMU', 'L16@16000h'],
  ['PCMA', 'L16@8000h'],
  ['G722', 'opus'],
  ['opus', 'L16@16000h'],
  ['G722', 'L16@8000h'],
];

for (const [one, other] of PAIRS) {
  t.test(`a bridge between ${one} and ${other} carries both ways at the same level`, async (t) => {
    const server = await startServer(t, ['--workers', '2']);
    const caller = await TestCaller.create(t, server);
    const a = await caller.call([one], {}, { rateHz: codecFormat(one).rateHz });
    const b = await caller.call([other], {}, { rateHz: codecFormat(other).rateHz });
    await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`);
    const phones = [a.media, b.media];
    // Speech, a steady tone that shows the level, and one of 5.5 kHz that shows what becomes of wideband; both ways at once. Speech is
    // judged when both have heard it: while this process computes, its phones say nothing.
    const say = (sound: (rateHz: LegRate) => Int16Array): void => {
      for (const phone of phones) phone.say(sound(phone.rateHz));
    };
    let scores: number[] = [];
    const isCarried = await comesRight(async () => {
      const begins = phones.map((phone) => phone.heard.length);
      say(speech);
      await Promise.all(phones.map((phone) => phone.said()));
      await Promise.all(phones.map((phone) => phone.hears(500)));
      scores = phones.map(({ heard, rateHz }, i) => resemblance(heard.subarray(begins[i]), speech(rateHz), rateHz));
      return scores.every((score) => score > 0.95);
    });
    t.ok(isCarried, `speech is carried both ways: ${scores}`);
    say((rateHz) => tone(1000, 60_000, -20, rateHz));
    await Promise.all(
      phones.map((phone) =>
        phone.hearsThat('1 kHz, its level changed by less than 1 dB', (heard) => {
          return Math.abs(levelOf(heard, 1000, phone.rateHz)) < 1;
        }),
      ),
    );
    say((rateHz) => tone(rateHz === 16000 ? [1000, 5500] : 1000, 60_000, -20, rateHz));
    for (const [i, to] of phones.entries()) {
      if (phones[1 - i]!.rateHz === 8000) continue;
      if (to.rateHz === 16000) {
        await to.hearsThat('5.5 kHz too', (heard) => levelOf(heard, 5500, 16000) > -9);
        continue;
      }
      // With both in one signal each is half as loud.
      await to.hearsThat('1 kHz beside what its codec cannot carry', (heard) => {
        return Math.abs(levelOf(heard, 1000, 8000) + 6) < 1;
      });
      const folded = levelOf(to.heard, 2500, 8000);
      t.ok(folded < -40, `5.5 kHz does not fold back to 2.5: ${folded.toFixed(2)} dB`);
    }
  });
}

t.test('a bridge goes on when one side changes to wideband and back', async (t) => {
  const server = await startServer(t, ['--workers', '2']);
  const caller = await TestCaller.create(t, server);
  const a = await caller.call(['PCMU'], {}, { rateHz: 16000 });
  const b = await caller.call(['G722'], {}, { rateHz: 16000 });
  await a.esl.api(`uuid_bridge ${a.uuid} ${b.uuid}`);
  b.media.say(tone([1000, 5500], 30_000, -14, 16000));
  const wideShare = (heard: Int16Array): number =>
    10 ** ((levelOf(heard, 5500, 16000) - levelOf(heard, 1000, 16000)) / 20);
  const isHeard = (heard: Int16Array): boolean => levelOf(heard, 1000, 16000) > -3;
  const narrow = (heard: Int16Array): boolean => isHeard(heard) && wideShare(heard) < 0.02;
  await a.media.hearsThat('narrowband', narrow);
  await a.dialog.reinvite(a.media.offer(['opus']));
  a.media.start(a.dialog.remoteSdp);
  await a.media.hearsThat('wideband', (heard) => isHeard(heard) && wideShare(heard) > 0.6);
  await a.dialog.reinvite(a.media.offer(['PCMU']));
  a.media.start(a.dialog.remoteSdp);
  await a.media.hearsThat('narrowband again', narrow);
  t.pass('each in its turn');
});
