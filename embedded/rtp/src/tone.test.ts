import t from 'tap';
import { correlate, findClicks, findDepartures, toneShare } from './analysis.js';
import { tone } from './tone.js';

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
