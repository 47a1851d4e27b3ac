import { test } from 'tap';
import { TokenBucket } from './token-bucket.js';

test('token bucket: a burst passes, then only what grows back', async (t) => {
  let nowMs = 0;
  const bucket = new TokenBucket({ capacity: 3, perSecond: 2, now: () => nowMs });
  t.same(
    [1, 2, 3, 4].map(() => bucket.take()),
    [true, true, true, false],
  );
  nowMs += 500;
  t.same(
    [1, 2].map(() => bucket.take()),
    [true, false],
  );
  nowMs += 60_000;
  t.same(
    [1, 2, 3, 4].map(() => bucket.take()),
    [true, true, true, false],
    'no more than its capacity is saved up',
  );
  nowMs += 500;
  t.equal(bucket.take(2), false);
  t.equal(bucket.take(0.5), true, 'what was refused took nothing');
});
