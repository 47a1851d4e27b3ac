import t from 'tap';
import { registerRates } from './register-rates.js';

t.test('REGISTERs: a minute’s worth at once, then as many as come back; each user and address by itself', async (t) => {
  let nowMs = 0;
  const rates = registerRates(6, { now: () => nowMs });
  const admitted = (source: string, user: string, count: number): number =>
    Array.from({ length: count }).filter(() => rates.admits(source, user)).length;
  t.equal(admitted('192.0.2.1', 'alice@a', 10), 6);
  t.equal(admitted('192.0.2.2', 'alice@a', 1), 1, 'from another address');
  t.equal(admitted('192.0.2.1', 'bob@a', 1), 1, 'another user');
  nowMs += 10_000;
  t.equal(admitted('192.0.2.1', 'alice@a', 5), 1);
  nowMs += 3_600_000;
  t.equal(admitted('192.0.2.1', 'alice@a', 10), 6, 'no more than a minute is saved up');
});

t.test('REGISTERs: what is remembered is bounded, and nothing is where there is no limit', async (t) => {
  const rates = registerRates(1, { maxBuckets: 2 });
  for (const user of ['a', 'b', 'c']) t.ok(rates.admits('192.0.2.1', user));
  t.equal(rates.size, 2);
  t.notOk(rates.admits('192.0.2.1', 'c'));
  const none = registerRates(0);
  for (let n = 0; n < 1_000; n++) none.admits('192.0.2.1', 'a');
  t.equal(none.size, 0);
});
