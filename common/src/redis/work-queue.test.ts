import { test } from 'tap';
import { silentLogger } from '../testing/logger.js';
import { startTestRedis } from '../testing/services.js';
import { until } from '../testing/until.js';
import { closeRedis, openRedis } from './connection.js';
import { startQueueWorker } from './queue-worker.js';
import { type TakenItem, WorkQueue } from './work-queue.js';

test('work queue', async (t) => {
  const logger = silentLogger();
  const server = await startTestRedis();
  const redis = openRedis({ host: server.host, port: server.port }, { logger, name: 'test' });
  t.teardown(async () => {
    await closeRedis(redis);
    await server.stop();
  });
  let names = 0;
  const open = (options: { capacity?: number; ownerCapacity?: number } = {}) =>
    new WorkQueue<{ n: number }>({ redis, name: `test${++names}`, ...options });

  await t.test('an id is taken once, also after it is done', async (t) => {
    const queue = open();
    t.equal(await queue.put('a', 'o', { n: 1 }), 'queued');
    t.equal(await queue.put('a', 'o', { n: 2 }), 'known');
    const taken = await queue.take(10, 60_000);
    t.match(taken, [{ id: 'a', item: { n: 1 } }]);
    t.ok(await queue.done(taken[0]!));
    t.equal(await queue.put('a', 'o', { n: 3 }), 'known');
    t.equal(await queue.size(), 0);
  });

  await t.test('what is leased is not given to others, until the lease ends', async (t) => {
    const queue = open();
    await queue.put('a', 'o', { n: 1 });
    const [first] = await queue.take(10, 60_000);
    t.equal((await queue.take(10, 60_000)).length, 0);
    t.ok(await queue.update(first!, { n: 2 }, 0), 'its holder gives it back');
    t.match(await queue.take(10, 1), [{ id: 'a', item: { n: 2 } }]);
    const again = await until('the lease has ended', async () => {
      const taken = await queue.take(10, 60_000);
      return taken.length > 0 && taken;
    });
    t.match(again, [{ id: 'a', item: { n: 2 } }]);
    await queue.done(again[0]!);
    t.notOk(await queue.update(again[0]!, { n: 3 }, 0), 'what is done stays done');
  });

  await t.test('a worker whose lease has ended changes nothing any more', async (t) => {
    const queue = open();
    await queue.put('a', 'o', { n: 1 });
    const [late] = await queue.take(1, 1);
    const [holder] = await until('another has taken it', async () => {
      const taken = await queue.take(1, 60_000);
      return taken.length > 0 && taken;
    });
    t.ok(await queue.update(holder!, { n: 2 }, 60_000));
    t.notOk(await queue.update(late!, { n: 3 }, 0), 'not what is written down');
    t.notOk(await queue.done(late!), 'nor whether it is there');
    t.equal((await queue.take(1, 60_000)).length, 0, 'nor when it is due');
    t.equal(await queue.size(), 1);
    t.ok(await queue.done(holder!));
    t.equal(await queue.size(), 0);
    t.same(await redis.keys(`*test${names}}:holders`), [], 'nobody holds anything');
  });

  await t.test('ids are known while their items wait, and afterwards for as long as they are to be', async (t) => {
    const queue = open();
    await queue.put('short', 'o', { n: 1 }, { rememberMs: 0 });
    await queue.put('long', 'o', { n: 1 }, { rememberMs: 60_000 });
    const known = (id: string) => redis.pttl(`ringwire:{queue:test${names}}:known:${id}`);
    t.equal(await known('short'), -1);
    t.equal(await queue.put('short', 'o', { n: 2 }), 'known');
    for (const taken of await queue.take(2, 60_000)) await queue.done(taken);
    t.equal(await known('short'), -2, 'nothing is left of it');
    const leftMs = await known('long');
    t.ok(leftMs > 0 && leftMs <= 60_000, `${leftMs} ms`);
    t.same(await redis.keys(`*test${names}}:owners`), []);
  });

  await t.test('the queue and the share of an owner have an end, and room comes back', async (t) => {
    const queue = open({ capacity: 3, ownerCapacity: 2 });
    t.equal(await queue.put('a', 'x', { n: 1 }), 'queued');
    t.equal(await queue.put('b', 'x', { n: 1 }), 'queued');
    t.equal(await queue.put('c', 'x', { n: 1 }), 'full', "the owner's share");
    t.equal(await queue.put('d', 'y', { n: 1 }), 'queued');
    t.equal(await queue.put('e', 'z', { n: 1 }), 'full', 'the queue');
    t.equal(await queue.put('g', 'x', { n: 1 }, { beyond: 1 }), 'queued', 'what may go beyond both');
    t.equal(await queue.put('h', 'y', { n: 1 }, { beyond: 1 }), 'full', 'and no further');
    t.ok(await queue.remove('g'));
    t.ok(await queue.remove('a'));
    t.notOk(await queue.remove('a'));
    t.equal(await queue.put('c', 'x', { n: 1 }), 'queued', 'what was refused is not known');
    t.equal(await queue.put('f', 'x', { n: 1 }), 'full');
    for (const id of ['b', 'c', 'd']) await queue.remove(id);
    t.same(await redis.keys(`*test${names}}:owners`), [], 'counts are gone with the items');
  });

  await t.test('a worker does each item once, at most so many at a time, and sees late ones', async (t) => {
    const queue = open();
    const done: string[] = [];
    let active = 0;
    let most = 0;
    const handle = async (taken: TakenItem<{ n: number }>): Promise<void> => {
      most = Math.max(most, ++active);
      await new Promise((resolve) => setImmediate(resolve));
      active -= 1;
      done.push(taken.id);
      await queue.done(taken);
    };
    const workers = [1, 2].map(() =>
      startQueueWorker({ redis, queue, logger, concurrency: 5, leaseMs: 60_000, handle }),
    );
    await Promise.all(Array.from({ length: 100 }, (_, n) => queue.put(`i${n}`, 'o', { n })));
    await queue.put('late', 'o', { n: 0 }, { delayMs: 300 });
    await until('all are done', () => done.length >= 101);
    await Promise.all(workers.map((worker) => worker.close()));
    t.equal(new Set(done).size, 101);
    t.equal(done.length, 101);
    t.ok(most <= 10, `${most} at a time`);
    t.equal(done.at(-1), 'late');
  });

  await t.test('work that fails comes again after its lease', async (t) => {
    const queue = open();
    let attempts = 0;
    const handle = async (taken: TakenItem<{ n: number }>): Promise<void> => {
      attempts += 1;
      if (attempts === 1) throw new Error('not today');
      await queue.done(taken);
    };
    const worker = startQueueWorker({ redis, queue, logger, concurrency: 1, leaseMs: 50, pollMs: 20, handle });
    await queue.put('a', 'o', { n: 1 });
    await until('it is done', async () => (await queue.size()) === 0);
    await worker.close();
    t.equal(attempts, 2);
  });
});
