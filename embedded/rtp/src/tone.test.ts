import t from 'tap';
import { correlate, findClicks, findDepartures, findSilences, goertzel, toneShare } from './analysis.js';
import { parseToneStream, ToneGenerator, tone } from './tone.js';

t.test('a tone program plays its tones and pauses and ends', (t) => {
  const generator = new ToneGenerator(parseToneStream('v=-10;%(200,100,440,480);loops=2'));
  const out = new Int16Array(10000);
  const length = generator.read(out, out.length);
  t.equal(length, 2 * 2400);
  t.ok(goertzel(out, 440, 8000, 0, 1600) > 4000);
  t.ok(goertzel(out, 480, 8000, 0, 1600) > 4000);
  t.equal(findSilences(out, 780, 2, 0, length).length, 2);
  t.end();
});

t.test('an endless program fills whatever is asked for', (t) => {
  const generator = new ToneGenerator(parseToneStream('%(10,0,1000);loops=-1'));
  t.equal(generator.read(new Int16Array(5000), 5000), 5000);
  t.end();
});

t.test('digits are DTMF tones', (t) => {
  const out = new Int16Array(800);
  new ToneGenerator(parseToneStream('5')).read(out, out.length);
  t.ok(goertzel(out, 770) > 5000 && goertzel(out, 1336) > 5000);
  t.end();
});

t.test('what is not a tone is refused', (t) => {
  for (const text of [
    '',
    ';;',
    '%(1,2',
    '%(0,0,400)',
    'x=3;%(1,1,1)',
    '%(1,1,2,3,4,5,6,7,8,9,10)',
    '%(1,1,1)'.repeat(65),
  ]) {
    t.throws(() => parseToneStream(text), { code: 'tone/syntax' }, text);
  }
  t.end();
});

t.test('the instruments find what was put there', (t) => {
  const reference = new Int16Array(8000).map((_, i) => Math.round(8000 * Math.sin((i * i) / 20000)));
  const recording = new Int16Array(20000);
  recording.set(reference, 3210);
  t.match(correlate(recording, reference), { lag: 3210 });
  t.ok(correlate(recording, reference).coefficient > 0.9999);
  t.equal(correlate(recording.subarray(4000), reference).lag, -790);
  t.same(findDepartures(recording, reference, 3210), []);
  recording.fill(0, 3210 + 1600, 3210 + 1760);
  t.match(findDepartures(recording, reference, 3210), [{ start: 1600, length: 160 }]);
  const clean = tone(440, 500);
  t.same(findClicks(clean), []);
  clean[2000] = 32000;
  t.ok(findClicks(clean).includes(2000));
  t.ok(toneShare(tone(440, 500), 440) > 0.99 && toneShare(tone(440, 500), 700) < 0.01);
  t.end();
});
