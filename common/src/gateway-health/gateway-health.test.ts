import t, { type Test } from 'tap';
import { openRedis } from '../redis/connection.js';
import { CIRCUIT_REPORTS, gatewayHealthKey } from '../redis/keys.js';
import type { GatewayAttempt } from '../routing/types.js';
import { recordingLogger } from '../testing/logger.js';
import { carrier, gateway } from '../testing/routing-rows.js';
import { startTestRedis } from '../testing/services.js';
import { until } from '../testing/until.js';
import { openGatewayHealth } from './gateway-health.js';
import { bucketAt, WINDOW_MS } from './health-window.js';

const { logger, lines } = recordingLogger();
const redisServer = await startTestRedis();
t.teardown(() => redisServer.stop());
const redis = openRedis(redisServer, { logger, name: 'test' });
t.teardown(() => redis.disconnect());
await redis.ping();

/** A moment for each test, so that none sees the buckets of another. */
let clock = 1_800_000_000_000;
t.beforeEach(() => {
  clock += 10 * WINDOW_MS;
});
/** A process's view; exchanges only when the test says so. */
const open = (t: Test) => {
  const health = openGatewayHealth({ redis, logger, exchangeMs: 1_000_000, now: () => clock });
  t.teardown(() => health.close());
  return health;
};
const attempt = (sid: string, more: Partial<GatewayAttempt> = {}): GatewayAttempt => ({
  accountSid: 'acc',
  carrier: carrier('c'),
  gateway: gateway('gw', 'c', { sipGatewaySid: sid }),
  called: '1',
  startedAtMs: clock,
  durationMs: 1_000,
  postDialDelayMs: 800,
  outcome: 'answered',
  status: 200,
  isGatewayFailure: false,
  ...more,
});
const failure = (sid: string) =>
  attempt(sid, { outcome: 'unanswered', status: 408, isGatewayFailure: true, postDialDelayMs: null });

t.test('health: what one process counts another sees, with ratios and score', async (t) => {
  const [one, other] = [open(t), open(t)];
  t.equal(other.score('seen'), 1);
  for (let i = 0; i < 10; i++) one.attempted(attempt('seen', { outcome: i < 4 ? 'answered' : 'refused', status: 486 }));
  for (let i = 0; i < 3; i++) one.attempted(failure('seen'));
  one.attempted(attempt('seen', { outcome: 'abandoned', postDialDelayMs: null }));
  one.pinged('seen', false);
  await one.exchange();
  await other.exchange();
  t.match(other.condition('seen'), {
    state: 'closed',
    counts: {
      attempts: 13,
      failures: 3,
      answered: 4,
      postDialDelayMs: 8_000,
      postDialDelays: 10,
      pings: 1,
      pingFailures: 0,
    },
    quality: { score: 0.9, answerSeizureRatio: 4 / 13, failureShare: 3 / 13, postDialDelayMs: 800 },
  });
  t.equal(other.score('seen'), 0.9);
  t.same(one.condition('seen'), other.condition('seen'), 'and is not counted twice by who told it');
});

t.test('health: a gateway that fails for all processes together is out for each of them', async (t) => {
  const processes = [open(t), open(t), open(t)];
  for (const health of processes) {
    for (let i = 0; i < 3; i++) health.attempted(failure('shared'));
    health.attempted(attempt('shared'));
  }
  for (const health of processes) await health.exchange();
  t.equal(processes[0]?.admit('shared', clock).verdict, 'in', 'it knew only of its own three failures');
  for (const health of processes) await health.exchange();
  for (const health of processes) t.match(health.admit('shared', clock), { verdict: 'out', why: /9 of its last 12/ });
  t.ok(lines.find((line) => line.sipGatewaySid === 'shared' && line.msg === 'gateway was taken out'));
});

t.test('health: who only looks sees which gateways others have taken out, and when they are in again', async (t) => {
  const [edge, viewer] = [open(t), open(t)];
  for (let i = 0; i < 5; i++) edge.attempted(failure('elsewhere'));
  await edge.exchange();
  await viewer.exchange();
  t.match(viewer.preview.admit('elsewhere', clock), { verdict: 'out', why: /5 attempts in a row failed/ });
  t.match(viewer.condition('elsewhere'), { state: 'open', why: /5 attempts in a row/, counts: { failures: 5 } });
  t.equal(viewer.admit('elsewhere', clock).verdict, 'in', 'calls are judged by what the process itself knows');
  clock += 30_000;
  await edge.exchange();
  await viewer.exchange();
  t.match(viewer.preview.admit('elsewhere', clock), { verdict: 'probe' });
  edge.attempted(attempt('elsewhere'));
  await edge.exchange();
  await viewer.exchange();
  t.match(viewer.preview.admit('elsewhere', clock), { verdict: 'in' });
  t.notOk(await redis.hexists(CIRCUIT_REPORTS, 'elsewhere'), 'nothing is left in Redis');

  for (let i = 0; i < 5; i++) edge.attempted(failure('dying'));
  await edge.exchange();
  await redis.hset(CIRCUIT_REPORTS, { 'odd:x': 'nonsense', 'odd:y': '{}' });
  clock += 10_000_000;
  await viewer.exchange();
  t.equal(viewer.preview.admit('dying', clock).verdict, 'in', 'a process that died says nothing more');
  t.same(await redis.hkeys(CIRCUIT_REPORTS), [], 'and what cannot be read goes with it');
});

t.test('health: a gateway that was tried again well is not taken out for what was before', async (t) => {
  const health = open(t);
  for (let i = 0; i < 12; i++) health.attempted(failure('back'));
  t.equal(health.admit('back', clock).verdict, 'out');
  clock += 30_000;
  t.equal(health.preview.admit('back', clock).verdict, 'probe');
  t.equal(health.preview.admit('back', clock).verdict, 'probe', 'looking uses up no turn');
  t.equal(health.admit('back', clock).verdict, 'probe');
  t.equal(health.admit('back', clock).verdict, 'probe', 'nor does a call that another gateway takes');
  t.ok(health.takeTrial?.('back'));
  t.notOk(health.takeTrial?.('back'), 'one at a time');
  t.equal(health.admit('back', clock).verdict, 'out');
  health.attempted({ ...attempt('back'), outcome: 'abandoned', status: 487, postDialDelayMs: 500 });
  t.equal(health.condition('back').state, 'half-open', 'a caller who hung up while it rang says nothing of it');
  health.attempted(attempt('back'));
  await health.exchange();
  t.equal(health.admit('back', clock).verdict, 'in');
  t.equal(health.condition('back').counts.failures, 12, 'though the score remembers');
});

t.test('health: who dials wrong numbers, or one again and again, takes no gateway away from others', async (t) => {
  const health = open(t);
  const refused = (called: string, status: number) =>
    attempt('spared', { called, status, outcome: 'refused', isGatewayFailure: true, postDialDelayMs: null });
  for (let i = 0; i < 20; i++) health.attempted(refused(`1${i}`, [404, 480, 484, 488, 403][i % 5]!));
  t.match(health.condition('spared'), { state: 'closed', counts: { attempts: 20, failures: 0 } });
  for (let i = 0; i < 20; i++) health.attempted(refused('1555', 500));
  t.match(health.condition('spared'), { state: 'closed', counts: { attempts: 21, failures: 1 } });
  for (let i = 0; i < 4; i++) health.attempted(refused(`1${i}`, 503));
  t.equal(health.condition('spared').state, 'open', 'but five different numbers that it cannot serve do');
});

t.test(
  'health: attempts leave the window, buckets expire, and nothing is remembered of a gateway that is gone',
  async (t) => {
    const health = open(t);
    for (let i = 0; i < 5; i++) health.attempted(failure('gone'));
    await health.exchange();
    const key = gatewayHealthKey(bucketAt(clock));
    t.equal(await redis.hget(key, 'gone:f'), '5');
    const ttl = await redis.pttl(key);
    t.ok(ttl > WINDOW_MS && ttl <= WINDOW_MS + 60_000, `${ttl}`);
    clock += WINDOW_MS + 10_000;
    await health.exchange();
    t.match(health.condition('gone'), { state: 'half-open', counts: { attempts: 0 }, quality: { score: 1 } });
    clock += WINDOW_MS;
    await health.exchange();
    await health.exchange();
    t.equal(health.condition('gone').state, 'closed');
  },
);

t.test('health: what others wrote that cannot be read is left out', async (t) => {
  const health = open(t);
  const key = gatewayHealthKey(bucketAt(clock));
  await redis.hset(key, { 'odd:a': 'many', odd: '7', ':a': '3', 'odd:z': '1', 'odd:f': '1e999', 'good:a': '2' });
  await health.exchange();
  t.equal(health.condition('odd').counts.attempts, 0);
  t.equal(health.condition('good').counts.attempts, 2);
});

t.test('health: while redis is away own calls decide, and are told when it is back', async (t) => {
  const server = await startTestRedis();
  t.teardown(() => server.stop());
  const lost = openRedis(server, { logger, name: 'lost' });
  t.teardown(() => lost.disconnect());
  const health = openGatewayHealth({ redis: lost, logger, exchangeMs: 1_000_000, now: () => clock });
  await lost.ping();
  await server.kill();
  await until('the connection is lost', () => lost.status !== 'ready');
  for (let i = 0; i < 5; i++) health.attempted(failure('alone'));
  await health.exchange();
  t.equal(health.admit('alone', clock).verdict, 'out');
  t.equal(health.condition('alone').counts.failures, 5);
  await server.restart();
  await until('the connection is back', () => lost.status === 'ready');
  await health.exchange();
  t.equal(await lost.hget(gatewayHealthKey(bucketAt(clock)), 'alone:f'), '5');
  await health.close();
});
