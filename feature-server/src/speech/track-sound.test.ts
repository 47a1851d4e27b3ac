import { rms, tone, toneShare, writeWav } from '@ringwire/rtp';
import t from 'tap';
import { trackSound } from './track-sound.js';

const samplesOf = (raw: Buffer): Int16Array => new Int16Array(new Uint8Array(raw).buffer);

t.test(
  'sound for tracks: samples at 8 kHz of whatever rate, as long, as loud, and nothing above their half',
  async (t) => {
    for (const rateHz of [8_000, 16_000, 22_050, 24_000, 44_100, 48_000]) {
      const made = samplesOf(await trackSound(writeWav(tone(1_000, 500, -10, rateHz), rateHz)));
      t.ok(Math.abs(made.length - 4_000) <= 1, `${made.length} samples of 500 ms at ${rateHz} Hz`);
      t.ok(toneShare(made, 1_000) > 0.99, `the tone at ${rateHz} Hz`);
      t.ok(Math.abs(20 * Math.log10(rms(made) / rms(tone(1_000, 500, -10)))) < 0.3, `its level at ${rateHz} Hz`);
      if (rateHz > 10_000) {
        const high = samplesOf(await trackSound(writeWav(tone(5_000, 500, -10, rateHz), rateHz))).subarray(200, -200);
        t.ok(rms(high) < rms(made) / 100, `5 kHz at ${rateHz} Hz is gone`);
      }
    }
  },
);

t.test('sound for tracks: two channels become one; a length that was not known is that of the file', async (t) => {
  const left = tone(500, 200);
  const both = new Int16Array(left.length * 2);
  left.forEach((sample, i) => {
    both[2 * i] = sample;
  });
  const wav = writeWav(both, 8_000, 2);
  const made = samplesOf(await trackSound(wav));
  t.equal(made.length, left.length);
  t.ok(toneShare(made, 500) > 0.99);
  const piped = Buffer.from(wav);
  piped.writeUInt32LE(0xffffffff, 40);
  t.same(await trackSound(piped), await trackSound(wav));
});

t.test('sound for tracks: what is no WAV file of 16 bits is refused', async (t) => {
  await t.rejects(trackSound(Buffer.from('ID3')), { message: /no WAV/ });
  const eight = writeWav(tone(500, 20), 8_000);
  eight.writeUInt16LE(8, 34);
  await t.rejects(trackSound(eight), { message: /16 bits/ });
  await t.rejects(trackSound(writeWav(tone(500, 20), 8_000).subarray(0, 36)), { message: /no sound/ });
});

t.test('sound for tracks: a minute of it leaves other work its turns', async (t) => {
  let turns = 0;
  const turn = (): void => {
    turns += 1;
    ticking = setImmediate(turn);
  };
  let ticking = setImmediate(turn);
  const made = samplesOf(await trackSound(writeWav(tone(1_000, 60_000, -10, 22_050), 22_050)));
  clearImmediate(ticking);
  t.ok(turns > 10, `${turns} turns`);
  t.ok(toneShare(made.subarray(-4_000), 1_000) > 0.99, 'it is the same at its end');
});
