import t from 'tap';
import type { CallStarted } from '../events/types.js';
import { silentLogger } from '../testing/logger.js';
import { startTestRedis } from '../testing/services.js';
import { until } from '../testing/until.js';
import { announce } from './announce.js';
import { callRegistry } from './call-registry.js';
import { openRedis } from './connection.js';
import { activeCallsKey, callKey, FEATURE_SERVERS, featureServerKey } from './keys.js';
import { watchInstances } from './watch-instances.js';

const logger = silentLogger();
const server = await startTestRedis();
t.teardown(() => server.stop());
const redis = openRedis(server, { logger, name: 'test' });
t.teardown(() => redis.disconnect());
t.beforeEach(() => redis.flushall());

const start = (instanceId: string, info: () => object) =>
  announce({ redis, setKey: FEATURE_SERVERS, key: featureServerKey(instanceId), instanceId, info, logger });
const watch = (more: { pollMs?: number } = {}) =>
  watchInstances<{ calls: number }>({ redis, setKey: FEATURE_SERVERS, keyOf: featureServerKey, logger, ...more });

t.test('an instance is seen while it lives, with what it says of itself, and not after it closed', async (t) => {
  let calls = 1;
  const announcement = start('a', () => ({ calls }));
  await announcement.ready;
  const instances = watch();
  await instances.refresh();
  t.strictSame(instances.list(), [{ calls: 1 }]);
  t.ok((await redis.pttl(featureServerKey('a'))) > 5_000);
  calls = 2;
  await announcement.update();
  await instances.refresh();
  t.strictSame(instances.list(), [{ calls: 2 }]);
  await announcement.close();
  await instances.refresh();
  t.strictSame(instances.list(), []);
  t.equal(await redis.exists(FEATURE_SERVERS), 0);
  instances.close();
});

t.test('who watches knows of an instance that begins, changes or ends as soon as that is told', async (t) => {
  const instances = watch({ pollMs: 3_600_000 });
  await until('it listens', async () => (await redis.pubsub('NUMSUB', `${FEATURE_SERVERS}:changed`))[1] === 1);
  let calls = 1;
  const announcement = start('a', () => ({ calls }));
  await until('it is known', () => JSON.stringify(instances.list()) === JSON.stringify([{ calls: 1 }]));
  calls = 2;
  await announcement.update();
  await until('it is known', () => JSON.stringify(instances.list()) === JSON.stringify([{ calls: 2 }]));
  await announcement.close();
  await until('it is known', () => JSON.stringify(instances.list()) === JSON.stringify([]));
  t.equal(await redis.exists(featureServerKey('a')), 0);
  instances.close();
});

t.test('an instance that stopped renewing is gone, and one that writes nonsense is not listed', async (t) => {
  await redis.sadd(FEATURE_SERVERS, 'dead', 'mad');
  await redis.set(featureServerKey('mad'), '{');
  const instances = watch();
  await instances.refresh();
  t.strictSame(instances.list(), []);
  instances.close();
});

t.test('the last list stays while Redis is away and until those it forgot have had time to speak', async (t) => {
  await redis.sadd(FEATURE_SERVERS, 'a');
  await redis.set(featureServerKey('a'), '{"calls":1}');
  const instances = watch();
  await instances.refresh();
  await server.kill();
  t.strictSame(instances.list(), [{ calls: 1 }]);
  await server.restart();
  await redis.flushall();
  await instances.refresh();
  await instances.refresh();
  t.strictSame(instances.list(), [{ calls: 1 }]);
  instances.close();
});

const call = (callSid: string): CallStarted => ({
  callSid,
  accountSid: 'acc',
  serviceProviderSid: null,
  applicationSid: null,
  voipCarrierSid: null,
  direction: 'inbound',
  from: '1',
  to: '2',
  sipCallId: 's',
  trunk: 't',
  remoteHost: 'r',
  host: 'h',
  attemptedAt: 5,
  owner: 'o',
});

t.test(
  'live calls are counted per account, kept as a hash with an expiry, and leave nothing when they end',
  async (t) => {
    const registry = callRegistry({ redis, owner: 'edge-1', logger });
    registry.add(call('c1'));
    registry.add(call('c2'));
    registry.answered('c1', 77);
    t.equal(await registry.count('acc'), 2);
    t.match(await redis.hgetall(callKey('c1')), { callSid: 'c1', owner: 'edge-1', answeredAt: '77', attemptedAt: '5' });
    for (const key of [callKey('c1'), activeCallsKey('acc')]) {
      const ttl = await redis.pttl(key);
      t.ok(ttl > 20_000 && ttl <= 30_000, `${key} expires in ${ttl} ms`);
    }
    registry.remove('c1');
    registry.remove('unknown');
    t.equal(await registry.count('acc'), 1);
    registry.remove('c2');
    t.equal(await registry.count('acc'), 0);
    t.strictSame(await redis.keys('*'), []);
    t.equal(registry.size, 0);
    await registry.close();
  },
);

t.test('a crashed owner’s calls stop counting when their score has passed', async (t) => {
  const registry = callRegistry({ redis, owner: 'edge-1', logger });
  await redis.zadd(activeCallsKey('acc'), Date.now() - 1, 'left behind');
  t.equal(await registry.count('acc'), 0);
  await registry.close();
});

t.test('calls that began or ended while Redis was away are right when it is back', async (t) => {
  const registry = callRegistry({ redis, owner: 'edge-1', logger });
  registry.add(call('before'));
  t.equal(await registry.count('acc'), 1);
  await server.kill();
  await until('the loss is noticed', () => redis.status !== 'ready');
  registry.remove('before');
  registry.add(call('during'));
  t.equal(await registry.count('acc'), 1, 'counts its own');
  await server.restart();
  await until('renewed', async () => (await redis.exists(callKey('during'))) === 1);
  t.equal(await redis.exists(callKey('before')), 0);
  t.strictSame(await redis.zrange(activeCallsKey('acc'), '0', '-1'), ['during']);
  // The renewal that a reconnection brings also drops what a dead owner left.
  await redis.zadd(activeCallsKey('acc'), Date.now() - 1, 'left behind');
  redis.disconnect(true);
  await until('cleaned', async () => (await redis.zrange(activeCallsKey('acc'), '0', '-1')).join() === 'during');
  await registry.close();
  t.strictSame(await redis.keys('*'), []);
});
