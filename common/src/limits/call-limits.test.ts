import t from 'tap';
import { createMetrics } from '../metrics/metrics.js';
import type { LimitScope } from '../provisioning/rows.js';
import { openRedis, type Redis } from '../redis/connection.js';
import { callPlacesKey } from '../redis/keys.js';
import { recordingLogger } from '../testing/logger.js';
import { startTestRedis } from '../testing/services.js';
import { until } from '../testing/until.js';
import { type CallLimits, callLimits, type PlaceResult } from './call-limits.js';

const DEADLINE_MS = 2_000;
const { logger, lines } = recordingLogger();
const server = await startTestRedis();
t.teardown(() => server.stop());
const observer = openRedis(server, { logger, name: 'test' });
t.teardown(() => observer.disconnect());
t.beforeEach(() => observer.flushall());

/** One process: its own connection, its own counts of what it holds. */
function startOwner(
  t: { teardown(fn: () => unknown): void },
  owner: string,
  quantities: Partial<Record<LimitScope, number>>,
  { expiryMs = 30_000, direction = 'inbound' as 'inbound' | 'outbound' } = {},
): { limits: CallLimits; redis: Redis; unchecked(): Promise<number> } {
  const redis = openRedis(server, { logger, name: owner });
  const metrics = createMetrics({ name: owner, instanceId: owner });
  const limitOf = (scope: LimitScope) => quantities[scope] ?? null;
  const limits = callLimits({ redis, direction, owner, limitOf, expiryMs, deadlineMs: DEADLINE_MS, logger, metrics });
  t.teardown(async () => {
    await limits.close();
    redis.disconnect();
  });
  const unchecked = async (): Promise<number> => {
    const values = (await metrics.registry.getSingleMetric('ringwire_call_limit_checks_total')?.get())?.values ?? [];
    return values.find(({ labels }) => labels.outcome === 'unchecked')?.value ?? 0;
  };
  return { limits, redis, unchecked };
}

const ready = ({ redis }: { redis: Redis }): Promise<unknown> => until('redis', () => redis.status === 'ready');
const call = (callSid: string) => ({
  callSid,
  accountSid: 'acc',
  serviceProviderSid: 'sp',
  applicationSid: 'app',
});
const key = (scope: LimitScope, direction = 'inbound') =>
  callPlacesKey('sp', direction, scope, { account: 'acc', application: 'app', service_provider: 'sp' }[scope]);
const said = () => lines.filter(({ msg }) => msg === 'calls are not limited: redis does not answer').length;
const counts = () =>
  Promise.all((['account', 'application', 'service_provider'] as const).map((scope) => observer.zcard(key(scope))));
const releaseAll = (results: PlaceResult[]): void => {
  for (const result of results) if (result.ok) result.place.release();
};

t.test('of 200 calls at once to two processes exactly as many get a place as the limit says', async (t) => {
  const owners = [startOwner(t, 'a', { account: 50 }), startOwner(t, 'b', { account: 50 })];
  await Promise.all(owners.map(ready));
  const results = await Promise.all(Array.from({ length: 200 }, (_, i) => owners[i % 2]!.limits.take(call(`c${i}`))));
  t.equal(results.filter(({ ok }) => ok).length, 50);
  t.same(await counts(), [50, 50, 50]);
  const news = results.filter((result) => !result.ok && result.reached.isNews);
  t.equal(news.length, 1, 'one alert is due');
  t.match(news[0], { reached: { scope: 'account', sid: 'acc', limit: 50 } });
  releaseAll(results);
  releaseAll(results);
  await until('nothing is left', async () => (await observer.keys('ringwire:call-places:*')).length === 0);
  t.same(
    owners.map(({ limits }) => limits.size),
    [0, 0],
  );
});

t.test('a call that one limit refuses counts nowhere', async (t) => {
  for (const scope of ['account', 'application', 'service_provider'] as const) {
    const owner = startOwner(t, scope, { [scope]: 1 });
    await ready(owner);
    const first = await owner.limits.take(call('first'));
    t.match(await owner.limits.take(call('second')), { ok: false, reached: { scope, limit: 1 } });
    t.same(await counts(), [1, 1, 1]);
    releaseAll([first]);
    await until('it is given back', async () => (await counts()).join() === '0,0,0');
    t.ok((await owner.limits.take(call('third'))).ok);
    await owner.limits.close();
  }
});

t.test('a limit of 0 lets nobody in; without limits calls are counted, and inbound and outbound apart', async (t) => {
  const none = startOwner(t, 'none', { application: 0 });
  await ready(none);
  t.match(await none.limits.take(call('c')), { ok: false, reached: { scope: 'application', limit: 0 } });
  const inbound = startOwner(t, 'in', {});
  const outbound = startOwner(t, 'out', { account: 1 }, { direction: 'outbound' });
  await Promise.all([inbound, outbound].map(ready));
  const places = [await inbound.limits.take(call('in')), await outbound.limits.take(call('out'))];
  t.ok(places.every(({ ok }) => ok));
  await until('both count', async () => (await observer.zcard(key('account'))) === 1);
  t.equal(await observer.zcard(key('account', 'outbound')), 1);
  // Two legs with one sid are two calls.
  t.notOk((await outbound.limits.take(call('out'))).ok);
});

t.test('places outlive their expiry while the owner lives, and end with it when it is gone', async (t) => {
  const alive = startOwner(t, 'alive', { account: 2 }, { expiryMs: 600 });
  const dead = startOwner(t, 'dead', { account: 2 }, { expiryMs: 600 });
  await Promise.all([alive, dead].map(ready));
  const kept = await alive.limits.take(call('kept'));
  t.ok((await dead.limits.take(call('lost'))).ok);
  // Its process is killed: nothing is given back, nothing renewed.
  dead.redis.disconnect();
  t.notOk((await alive.limits.take(call('too early'))).ok);
  const next = await until('the place is free', async () => {
    const result = await alive.limits.take(call('next'));
    return result.ok ? result : undefined;
  });
  t.ok((await observer.zrange(key('account'), '0', '-1')).some((member) => member.startsWith('kept/alive/')));
  releaseAll([kept, next]);
  await until('nothing is left', async () => (await counts()).join() === '0,0,0');
});

t.test('while Redis is away calls are let in, and count when it is back', async (t) => {
  const saidBefore = said();
  const owner = startOwner(t, 'owner', { account: 1 });
  await ready(owner);
  const before = await owner.limits.take(call('before'));
  await server.kill();
  await until('the loss is noticed', () => owner.redis.status !== 'ready');
  const during = [await owner.limits.take(call('one')), await owner.limits.take(call('two'))];
  t.ok(during.every(({ ok }) => ok));
  t.equal(await owner.unchecked(), 2);
  t.equal(said() - saidBefore, 1, 'said once, not with each call');
  releaseAll([before]);
  await server.restart();
  await until('both count, the ended one does not', async () => (await counts()).join() === '2,2,2');
  t.notOk((await owner.limits.take(call('three'))).ok);
  releaseAll(during);
  await until('nothing is left', async () => (await counts()).join() === '0,0,0');
});

t.test('a Redis that hangs holds up one call for the deadline and the next ones not at all', async (t) => {
  const owner = startOwner(t, 'owner', { account: 1 });
  await ready(owner);
  process.kill(server.pid, 'SIGSTOP');
  const places: PlaceResult[] = [];
  try {
    const started = performance.now();
    places.push(await owner.limits.take(call('one')));
    t.ok(performance.now() - started >= DEADLINE_MS - 5);
    places.push(await owner.limits.take(call('two')));
    t.ok(performance.now() - started < 2 * DEADLINE_MS - 100);
  } finally {
    process.kill(server.pid, 'SIGCONT');
  }
  t.ok(places.every(({ ok }) => ok));
  t.equal(await owner.unchecked(), 2);
  releaseAll(places);
  await until('nothing is left', async () => (await counts()).join() === '0,0,0');
});
