import t from 'tap';
import { goertzel, rms, toneShare } from './analysis.js';
import { frameSamples, type LegRate } from './codec.js';
import { FrameConverter } from './half-band.js';
import { tone } from './tone.js';

function convertAll(pcm: Int16Array, fromHz: LegRate, toHz: LegRate): Int16Array {
  const converter = new FrameConverter(fromHz, toHz);
  const [from, to] = [frameSamples(fromHz), frameSamples(toHz)];
  const out = new Int16Array((pcm.length / from) * to);
  for (let i = 0; i * from < pcm.length; i++) {
    out.set(converter.convert(pcm.subarray(i * from, (i + 1) * from)), i * to);
  }
  return out;
}

const dB = (ratio: number): number => 20 * Math.log10(ratio);

t.test('speech frequencies keep their level within 0.1 dB up to 3.4 kHz, both ways', (t) => {
  for (const hz of [100, 300, 1000, 2000, 3000, 3400]) {
    for (const [from, to] of [
      [8000, 16000],
      [16000, 8000],
    ] as const) {
      const out = convertAll(tone(hz, 400, -10, from), from, to);
      const level =
        goertzel(out, hz, to, to / 10, (3 * to) / 10) /
        goertzel(tone(hz, 400, -10, to), hz, to, to / 10, (3 * to) / 10);
      t.ok(Math.abs(dB(level)) < 0.1, `${hz} Hz ${from}→${to}: ${dB(level).toFixed(3)} dB`);
    }
  }
  t.end();
});

t.test('what the lower rate cannot carry is 55 dB down', (t) => {
  for (const hz of [4600, 5500, 7000, 7900]) {
    const input = tone(hz, 400, -10, 16000);
    const out = convertAll(input, 16000, 8000);
    t.ok(dB((rms(out, 800, 2400) + 1e-9) / rms(input)) < -55, `${hz} Hz folds back`);
  }
  for (const hz of [500, 1500, 3400]) {
    const out = convertAll(tone(hz, 400, -3), 8000, 16000);
    t.ok(
      dB(goertzel(out, 8000 - hz, 16000, 1600, 4800) / goertzel(out, hz, 16000, 1600, 4800)) < -55,
      `image of ${hz} Hz`,
    );
  }
  t.end();
});

t.test('frames join without a seam, full scale does not wrap', (t) => {
  for (const [from, to] of [
    [8000, 16000],
    [16000, 8000],
  ] as const) {
    const out = convertAll(tone(1020, 1000, -3, from), from, to);
    const share = toneShare(out, 1020, to, to / 10, (9 * to) / 10);
    t.ok(share > 0.99999, `${from}→${to}: ${share}`);
  }
  const square = Int16Array.from({ length: 8000 }, (_, i) => (i % 80 < 40 ? 32767 : -32768));
  const louder = convertAll(square, 8000, 16000);
  for (let i = 1000; i < 15000; i++) {
    if (Math.abs(louder[i]! - louder[i - 1]!) > 60000) t.fail(`wraps at ${i}`);
  }
  t.end();
});
