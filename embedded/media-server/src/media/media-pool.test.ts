import t from 'tap';
import type { LegListener } from './media-leg.js';
import { MediaPool } from './media-pool.js';

t.test(
  'a leg that is being opened when its thread dies is refused once, and nobody is told that it was lost',
  async (t) => {
    let deaths = 0;
    const pool = new MediaPool({
      workers: 1,
      host: '127.0.0.1',
      minPort: 0,
      maxPort: 0,
      realtime: false,
      onWorkerLost: () => deaths++,
    });
    await pool.start();
    t.teardown(() => pool.stop());
    const told: string[] = [];
    const listener = (name: string): LegListener => ({
      onReport: () => undefined,
      onLost: () => told.push(name),
    });
    const first = await pool.open(listener('first'));
    // A list that is none makes the thread throw.
    first.play(null as unknown as []);
    await t.rejects(pool.open(listener('second')), { code: 'media-server/media-unavailable' });
    t.same(told, ['first']);
    t.equal(deaths, 1);
    t.equal(pool.legCount, 0);
  },
);
