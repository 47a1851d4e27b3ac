import t from 'tap';
import { PortPool } from './port-pool.js';

t.test('a port is given again only after its quarantine, the longest rested first', (t) => {
  let nowMs = 0;
  const pool = new PortPool({ minPort: 20001, maxPort: 20006, quarantineMs: 2000, nowMs: () => nowMs });
  const [a, b, c] = [pool.take(), pool.take(), pool.take()];
  t.same([a, b, c].sort(), [20002, 20004, 20006], 'even ports only');
  t.equal(pool.take(), undefined, 'all are in use');
  pool.release(b!);
  nowMs = 500;
  pool.release(a!);
  nowMs = 1999;
  t.equal(pool.take(), undefined, 'all rest');
  nowMs = 2000;
  t.equal(pool.take(), b);
  t.equal(pool.take(), undefined);
  nowMs = 2500;
  t.equal(pool.take(), a);
  t.equal(pool.freeCount, 0);
  t.end();
});

t.test('the pool does not grow with the number of calls', (t) => {
  let nowMs = 0;
  const pool = new PortPool({ minPort: 20000, maxPort: 20198, quarantineMs: 10, nowMs: () => nowMs });
  for (let i = 0; i < 100_000; i++) {
    nowMs++;
    pool.release(pool.take()!);
  }
  t.equal(pool.freeCount, 100);
  t.end();
});

t.test('with a range of 0 the system chooses', (t) => {
  const pool = new PortPool({ minPort: 0, maxPort: 0, quarantineMs: 10 });
  t.equal(pool.take(), 0);
  pool.release(20000);
  t.equal(pool.take(), 0);
  t.end();
});
