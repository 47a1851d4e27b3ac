import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import t, { type Test } from 'tap';
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

/** Takes `count` even ports in a row, as another server's calls do; answers with the first. */
async function takeBlock(t: Test, count: number): Promise<number> {
  for (let first = 24_000; ; first += 2 * count) {
    const sockets = Array.from({ length: count }, () => createSocket('udp4'));
    t.teardown(() => sockets.map((socket) => socket.close()));
    const bound = sockets.map((socket, i) => {
      socket.bind(first + 2 * i, '127.0.0.1');
      return once(socket, 'listening');
    });
    const results = await Promise.allSettled(bound);
    if (results.every(({ status }) => status === 'fulfilled')) return first;
  }
}

t.test('a call finds the one free port beside two hundred that another process has', async (t) => {
  const taken = 200;
  const minPort = await takeBlock(t, taken);
  const maxPort = minPort + 2 * taken;
  // A pool begins at a random port: six hardly all begin near the free one.
  for (let i = 0; i < 6; i++) {
    const pool = new MediaPool({
      workers: 1,
      host: '127.0.0.1',
      minPort,
      maxPort,
      realtime: false,
      onWorkerLost: (error) => t.fail(String(error)),
    });
    await pool.start();
    const leg = await pool.open({ onReport: () => undefined, onLost: () => undefined });
    t.equal(leg.port, maxPort);
    await pool.stop();
  }
});
