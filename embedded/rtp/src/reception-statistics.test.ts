import t from 'tap';
import { ReceptionStatistics } from './reception-statistics.js';

t.test('reception statistics: loss counts over the turn of sequence and timestamp, swaps and doubles do not', (t) => {
  const statistics = new ReceptionStatistics();
  const add = (i: number): void =>
    statistics.add((65_000 + i) & 0xffff, (0xfffff000 + i * 160) >>> 0, 8000, 5000 + i * 20);
  for (let i = 0; i < 1000; i++) {
    if (i % 10 === 3) continue;
    add(i % 10 === 5 ? i + 1 : i % 10 === 6 ? i - 1 : i);
  }
  t.equal(statistics.expected, 1000);
  t.equal(statistics.lost, 100);
  t.ok(statistics.jitterMs < 0.01, `time stamps that fit are no jitter: ${statistics.jitterMs}`);
  t.ok(Math.abs(statistics.meanIntervalMs - 22.2) < 0.2, `${statistics.meanIntervalMs}`);
  t.ok(statistics.mos > 2 && statistics.mos < 3.5, `MOS ${statistics.mos} at 10 % loss`);
  statistics.restart();
  for (let i = 0; i < 10; i++) add(40_000 + i);
  t.equal(statistics.expected, 1010, 'another SSRC goes on counting');
  t.end();
});

t.test('reception statistics: jitter is that of RFC 3550', (t) => {
  const statistics = new ReceptionStatistics();
  // Alternately 0 and 8 ms late: the difference is always 8 ms.
  for (let i = 0; i < 300; i++) statistics.add(i, i * 160, 8000, i * 20 + (i % 2) * 8);
  t.ok(Math.abs(statistics.jitterMs - 8) < 0.1, `${statistics.jitterMs}`);
  t.ok(statistics.mos > 4.3, `MOS ${statistics.mos} without loss`);
  t.end();
});
