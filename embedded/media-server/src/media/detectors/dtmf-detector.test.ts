import { spawnSync } from 'node:child_process';
import { decodeG711, encodeG711 } from '@ringwire/rtp';
import t from 'tap';
import { DtmfDetector, type HeardDigit } from './dtmf-detector.js';
import { inFrames, Signal } from './test-signals.js';

const ALL = '0123456789ABCD*#';

function hear(pcm: Int16Array): HeardDigit[] {
  const heard: HeardDigit[] = [];
  const detector = new DtmfDetector((digit) => heard.push(digit));
  inFrames(pcm, (frame) => detector.process(frame));
  detector.flush();
  return heard;
}

type Options = Parameters<Signal['digit']>[3];

/** How many of all digits, at different places within a frame, are heard exactly once; a wrong one is a failure. */
function share(
  t: { fail(why: string): unknown },
  durationMs: number,
  options: Options = {},
  noiseDbm0?: number,
): number {
  let right = 0;
  let all = 0;
  for (const digit of ALL) {
    for (let fromMs = 20; fromMs < 40; fromMs += 2.3) {
      const signal = new Signal(durationMs + 160).digit(digit, fromMs, durationMs, options);
      if (noiseDbm0 !== undefined) signal.noise(noiseDbm0);
      const found = hear(throughG711(signal.pcm()))
        .map((heard) => heard.digit)
        .join('');
      all++;
      if (found === digit) right++;
      else if (found !== '') t.fail(`${digit} was heard as ${found}`);
    }
  }
  return right / all;
}

function throughG711(pcm: Int16Array): Int16Array {
  const bytes = new Uint8Array(pcm.length);
  const out = new Int16Array(pcm.length);
  encodeG711('PCMA', pcm, 0, pcm.length, bytes);
  decodeG711('PCMA', bytes, 0, bytes.length, out, 0);
  return out;
}

t.test('all 16 digits of 40 ms are heard, wherever in a frame they begin', (t) => {
  t.equal(share(t, 40), 1);
  t.equal(share(t, 100), 1);
  t.end();
});

t.test('tones of 23 ms are no digits', (t) => {
  t.equal(share(t, 23), 0);
  t.end();
});

t.test('frequencies off by 1.5 % are taken, by 3.5 % not', (t) => {
  for (const sign of [1, -1]) {
    for (const [low, high] of [
      [1, 0],
      [0, 1],
      [1, 1],
      [1, -1],
    ] as const) {
      const at = (percent: number): Options => ({
        low: (low * sign * percent) / 100,
        high: (high * sign * percent) / 100,
      });
      t.equal(share(t, 40, at(1.5)), 1, `taken: ${JSON.stringify(at(1.5))}`);
      t.equal(share(t, 40, at(3.5)), 0, `not taken: ${JSON.stringify(at(3.5))}`);
    }
  }
  t.end();
});

t.test('levels from 0 to −25 dBm0 are taken, −29 dBm0 and less not', (t) => {
  for (const level of [0, -10, -25]) t.equal(share(t, 40, { lowDbm0: level, highDbm0: level }), 1, `${level}`);
  for (const level of [-29, -40]) t.equal(share(t, 40, { lowDbm0: level, highDbm0: level }), 0, `${level}`);
  t.end();
});

t.test('twist: high 4 dB above to 8 dB below low is taken, 10 above and 13 below not', (t) => {
  t.equal(share(t, 40, { lowDbm0: -14, highDbm0: -10 }), 1);
  t.equal(share(t, 40, { lowDbm0: -8, highDbm0: -16 }), 1);
  t.equal(share(t, 40, { lowDbm0: -18, highDbm0: -8 }), 0);
  t.equal(share(t, 40, { lowDbm0: -8, highDbm0: -21 }), 0);
  t.end();
});

t.test('noise 12 dB below each tone does no harm', (t) => {
  t.equal(share(t, 40, {}, -22), 1);
  t.end();
});

t.test('40 ms on and 40 ms off are digits of their own, a gap of 10 ms splits none', (t) => {
  const signal = new Signal(2000);
  [...'1112223A*#D00'].forEach((digit, i) => {
    signal.digit(digit, i * 80 + 7, 40);
  });
  const heard = hear(signal.pcm());
  t.equal(heard.map(({ digit }) => digit).join(''), '1112223A*#D00');
  t.ok(
    heard.every(({ durationMs }) => Math.abs(durationMs - 40) <= 5),
    'with their length',
  );
  t.equal(hear(new Signal(300).digit('5', 20, 60).digit('5', 90, 60).pcm()).length, 1);
  const long = hear(new Signal(3000).digit('7', 100, 2500).pcm());
  t.ok(Math.abs(long[0]!.durationMs - 2500) <= 10, `${long[0]!.durationMs} ms`);
  t.end();
});

t.test('talk-off: no digit is heard in ten minutes of speech-like sound, music and noise', (t) => {
  t.same(hear(new Signal(240_000).speech(-8, 0, 240_000).pcm()), []);
  t.same(hear(new Signal(60_000).noise(-12).pcm()), []);
  const music = new Signal(300_000);
  for (let at = 0; at < 300_000; ) {
    const lengthMs = 120 + music.random() * 600;
    const voices = 1 + Math.floor(music.random() * 4);
    for (let voice = 0; voice < voices; voice++) {
      const noteHz = 110 * 2 ** (Math.floor(music.random() * 42) / 12);
      for (let h = 1; h <= 6 && noteHz * h < 3600; h++)
        music.sine(noteHz * h, -12 - 5 * h - music.random() * 4, at, lengthMs);
    }
    at += lengthMs;
  }
  t.same(hear(music.pcm()), []);
  t.end();
});

const espeak = spawnSync('espeak-ng', ['--version']).status === 0;

t.test(
  'talk-off: no digit is heard in minutes of synthetic voices',
  { skip: espeak ? false : 'needs espeak-ng' },
  (t) => {
    const text =
      'Good afternoon, this is the office. We are open from nine to five. Please hold the line, somebody will be with you. '.repeat(
        12,
      );
    for (const voice of ['en-us+m3', 'en-gb+f2', 'de+m1', 'fr+f4']) {
      const { stdout } = spawnSync('espeak-ng', ['-v', voice, '-s', '150', '--stdout', text], { maxBuffer: 2 ** 28 });
      // 22,050 Hz to 8,000 by the nearest sample: the aliases make it only harder.
      const pcm = new Int16Array(Math.floor(((stdout.length - 44) / 2) * (8000 / 22050)));
      for (let i = 0; i < pcm.length; i++) pcm[i] = stdout.readInt16LE(44 + 2 * Math.floor((i * 22050) / 8000));
      t.ok(pcm.length > 8000 * 60, `${voice}: ${Math.round(pcm.length / 8000)} s`);
      t.same(hear(pcm), [], voice);
    }
    t.end();
  },
);
