import t, { type Test } from 'tap';
import { silentLogger } from '../testing/logger.js';
import { startTestRedis } from '../testing/services.js';
import { until } from '../testing/until.js';
import { openRedis } from './connection.js';
import { holdLease } from './lease.js';

const logger = silentLogger();
const server = await startTestRedis();
t.teardown(() => server.stop());
const redis = openRedis(server, { logger, name: 'test' });
t.teardown(() => redis.disconnect());
await redis.ping();
t.beforeEach(() => redis.flushall());

const KEY = 'a-lease';
/** A process that asks for the lease; has its own connection, which can be cut. */
const candidate = (t: Test, owner: string, expiryMs = 400, canHold = () => true) => {
  const connection = openRedis(server, { logger, name: owner });
  t.teardown(() => connection.disconnect());
  const said: string[] = [];
  const lease = holdLease({
    redis: connection,
    key: KEY,
    owner,
    expiryMs,
    logger,
    canHold,
    onTaken: () => said.push('taken'),
    onLost: () => said.push('lost'),
  });
  t.teardown(() => lease.release());
  return { lease, said, connection };
};

t.test('lease: one of several processes holds it, and keeps it', async (t) => {
  const all = ['a', 'b', 'c'].map((owner) => candidate(t, owner, 2_000));
  const holder = await until('somebody holds it', () => all.find(({ lease }) => lease.isHeld));
  const aged = await until('it ages', async () => {
    const leftMs = await redis.pttl(KEY);
    return leftMs < 1_900 && leftMs;
  });
  await until('it is renewed', async () => (await redis.pttl(KEY)) > aged);
  t.equal(all.filter(({ said }) => said.length > 0).length, 1);
  t.strictSame(holder.said, ['taken']);
});

t.test('lease: when the holder dies another takes over', async (t) => {
  const first = candidate(t, 'first');
  await until('the first holds it', () => first.lease.isHeld);
  const second = candidate(t, 'second');
  first.connection.disconnect();
  await until('the second holds it', () => second.lease.isHeld);
  t.equal(await redis.get(KEY), 'second');
});

t.test('lease: what is given back is taken at once, without waiting for its expiry', async (t) => {
  const first = candidate(t, 'first', 600_000);
  await until('the first holds it', () => first.lease.isHeld);
  const second = candidate(t, 'second', 2_000);
  await first.lease.release();
  t.notOk(first.lease.isHeld);
  await until('the second holds it', () => second.lease.isHeld);
  t.strictSame(first.said, ['taken'], 'who gives it back is not told that it is lost');
});

t.test('lease: a holder from whom it was taken while it was stopped hears of it before it acts', async (t) => {
  const first = candidate(t, 'first', 400);
  await until('the first holds it', () => first.lease.isHeld);
  await redis.set(KEY, 'second');
  await until('the first has lost it', () => first.said.includes('lost'));
  t.notOk(first.lease.isHeld);
  await redis.del(KEY);
  await until('it takes it again', () => first.lease.isHeld);
  t.strictSame(first.said, ['taken', 'lost', 'taken']);
});

t.test('lease: who cannot do the duty leaves it to others, and takes it again when it can', async (t) => {
  let can = true;
  const first = candidate(t, 'first', 2_000, () => can);
  await until('the first holds it', () => first.lease.isHeld);
  const second = candidate(t, 'second', 2_000);
  can = false;
  t.notOk(first.lease.isHeld);
  await until('the second holds it', () => second.lease.isHeld);
  t.strictSame(first.said, ['taken', 'lost']);
  can = true;
  await second.lease.release();
  await until('the first holds it again', () => first.lease.isHeld);
});

t.test('lease: while redis is away the holder goes on, and is the holder when redis is back empty', async (t) => {
  const first = candidate(t, 'first');
  const second = candidate(t, 'second');
  const holder = await until('somebody holds it', () => [first, second].find(({ lease }) => lease.isHeld));
  await server.kill();
  await until('the loss is noticed', () => [first, second].every(({ connection }) => connection.status !== 'ready'));
  t.ok(holder.lease.isHeld);
  t.strictSame([first, second].filter(({ lease }) => lease.isHeld).length, 1);
  await server.restart();
  await until('redis is back', () => [first, second].every(({ connection }) => connection.status === 'ready'));
  await until('one holds it', () => [first, second].filter(({ lease }) => lease.isHeld).length === 1);
});
