import t from 'tap';
import { silentLogger } from '../testing/logger.js';
import { startTestRedis } from '../testing/services.js';
import { closeRedis, openRedis } from './connection.js';
import { listQueues, Queue, type QueueClaim } from './queues.js';

const claim = (id: string): QueueClaim => ({
  id,
  callSid: `agent-${id}`,
  featureServer: 'fs-1',
  sipAddress: '127.0.0.1:5070',
});

t.test('queue', async (t) => {
  const server = await startTestRedis();
  t.teardown(() => server.stop());
  const redis = openRedis({ host: '127.0.0.1', port: server.port }, { logger: silentLogger(), name: 'test' });
  t.teardown(() => closeRedis(redis));
  await redis.ping();
  let made = 0;
  const open = (): Queue => new Queue(redis, 'account', `queue ${++made}`);

  await t.test('the lower priority is served first, then who came first', async (t) => {
    const queue = open();
    for (const [callSid, priority] of [
      ['a', 999],
      ['b', 5],
      ['c', 999],
      ['d', -1.5],
      ['e', 5],
    ] as const)
      await queue.join(callSid, priority);
    t.strictSame(await queue.list(), ['d', 'b', 'e', 'a', 'c']);
    t.strictSame(await queue.take(claim('1'), 10_000), 'd');
  });

  await t.test('two who take at once never get one caller', async (t) => {
    const queue = open();
    for (let i = 0; i < 20; i++) await queue.join(`call-${i}`, 999);
    const taken = await Promise.all(Array.from({ length: 30 }, (_, i) => queue.take(claim(String(i)), 10_000)));
    const got = taken.filter((one) => one !== undefined);
    t.equal(new Set(got).size, 20);
    t.equal(got.length, 20);
  });

  await t.test(
    'who is taken and not confirmed is free again, in his place, when the claim has run out or is released',
    async (t) => {
      const queue = open();
      await queue.join('first', 999);
      await queue.join('second', 999);
      t.equal(await queue.take(claim('1'), 10_000), 'first');
      t.equal(await queue.take(claim('2'), 1), 'second');
      await queue.release('first', claim('1'));
      t.equal(await queue.take(claim('3'), 10_000), 'first');
      t.strictSame(await queue.confirm('first', claim('1')), { isOurs: false, size: 2 });
      t.strictSame(await queue.confirm('first', claim('3')), { isOurs: true, size: 1 });
      t.strictSame(await queue.list(), ['second']);
    },
  );

  await t.test('a certain caller can be taken', async (t) => {
    const queue = open();
    await queue.join('first', 999);
    await queue.join('wanted', 999);
    t.equal(await queue.take(claim('1'), 10_000, 'wanted'), 'wanted');
    t.equal(await queue.take(claim('2'), 10_000, 'nobody'), undefined);
  });

  await t.test('who leaves makes room; who was forgotten gets his place back when he is renewed', async (t) => {
    const queue = open();
    const first = await queue.join('first', 999);
    await queue.join('second', 999);
    t.strictSame(await queue.leave('first'), { wasThere: true, size: 1 });
    t.strictSame(await queue.leave('first'), { wasThere: false, size: 1 });
    t.match(await queue.renew('first', first), { position: 0, size: 2, claim: undefined });
    await queue.take(claim('1'), 10_000);
    t.match(await queue.renew('first', first), { claim: claim('1') });
  });

  await t.test('those of a feature server that died are forgotten', async (t) => {
    const queue = open();
    await queue.join('dead', 1);
    await queue.join('alive', 2);
    await redis.zadd(`ringwire:queue-alive:{account}:${queue.name}`, 1, 'dead');
    t.equal(await queue.take(claim('1'), 10_000), 'alive');
    t.strictSame(await queue.list(), ['alive']);
  });

  await t.test('who is forgotten is told of, so that nobody waits for him', async (t) => {
    const queue = open();
    await queue.join('gone', 1);
    t.equal(await queue.take(claim('1'), 10_000), 'gone');
    t.equal(await queue.holds('gone', claim('1')), true);
    const listener = redis.duplicate();
    t.teardown(() => closeRedis(listener));
    await listener.subscribe(queue.channel);
    const told = new Promise<string>((resolve) => listener.once('message', (_channel, text) => resolve(text)));
    await redis.zadd(`ringwire:queue-alive:{account}:${queue.name}`, 1, 'gone');
    t.equal(await queue.holds('gone', claim('1')), false);
    t.same(JSON.parse(await told), { news: 'left', callSid: 'gone' });
  });

  await t.test('what is asked while Redis is away is not done later', async (t) => {
    const away = redis.duplicate({ lazyConnect: true });
    t.teardown(() => away.disconnect());
    const queue = new Queue(away, 'account', 'unreached');
    await t.rejects(queue.join('ghost', 999), { code: 'QUEUE_AWAY' });
    await away.connect();
    t.strictSame(await queue.list(), []);
  });

  await t.test('an empty queue leaves nothing in Redis', async (t) => {
    const queue = open();
    await queue.join('only', 999);
    await queue.leave('only');
    t.strictSame(await redis.keys(`*${queue.name}*`), []);
    t.notOk((await listQueues(redis, 'account')).some(({ name }) => name === queue.name));
  });
});
