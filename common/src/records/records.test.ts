import { randomUUID } from 'node:crypto';
import t from 'tap';
import { openDatabase } from '../db/database.js';
import { migrate } from '../db/migrate.js';
import { createEventSink } from '../events/sink.js';
import { type CallEnded, type CallStarted, EVENT_STREAM, type EventEnvelope } from '../events/types.js';
import { applicationQueue, newRecord } from '../messages/message-queues.js';
import { createMetrics } from '../metrics/metrics.js';
import { openRedis } from '../redis/connection.js';
import { callKey, sbcKey } from '../redis/keys.js';
import { silentLogger } from '../testing/logger.js';
import { startTestMariaDb, startTestRedis } from '../testing/services.js';
import { until } from '../testing/until.js';
import { storeEvents } from './call-records-store.js';
import { startReconciler } from './reconciler.js';
import { RECORDS_GROUP, startRecordsConsumer } from './records-consumer.js';

const logger = silentLogger();
const [mariaDb, redisServer] = await Promise.all([startTestMariaDb(), startTestRedis()]);
t.teardown(() => Promise.all([mariaDb.stop(), redisServer.stop()]));
// The driver keeps the process for as long as a statement may take whose server was killed.
const db = openDatabase(mariaDb, { logger, statementTimeoutMs: 5_000 });
const redis = openRedis(redisServer, { logger, name: 'test' });
t.teardown(async () => {
  redis.disconnect();
  await db.close();
});
await migrate(db, { logger });
t.beforeEach(async () => {
  await redis.flushall();
  await db.execute('DELETE FROM call_records');
  await db.execute('DELETE FROM call_timeline');
  await db.execute('DELETE FROM alerts');
});

const T0 = Date.UTC(2026, 0, 1);
const started = (callSid: string, more: Partial<CallStarted> = {}): CallStarted => ({
  callSid,
  accountSid: 'acc',
  serviceProviderSid: 'sp',
  applicationSid: 'app',
  voipCarrierSid: 'carrier',
  direction: 'inbound',
  from: '4930',
  to: '1555',
  sipCallId: `${callSid}@host`,
  trunk: 'carrier',
  remoteHost: '127.0.0.1',
  host: '127.0.0.2',
  attemptedAt: T0 + 0.5,
  owner: 'edge-1',
  ...more,
});
const ended = (callSid: string, more: Partial<CallEnded> = {}): CallEnded => ({
  ...started(callSid),
  answered: true,
  answeredAt: T0 + 1_000,
  terminatedAt: T0 + 4_000,
  durationSec: 3,
  sipStatus: 200,
  sipReason: 'OK',
  terminationReason: 'caller hungup',
  ...more,
});
const event = <T extends EventEnvelope['type']>(type: T, data: unknown, callSid = 'c') =>
  ({ id: randomUUID(), type, at: T0, source: 'test', callSid, data }) as EventEnvelope;
const record = async (callSid: string) =>
  (await db.query<Record<string, unknown>>('SELECT * FROM call_records WHERE call_sid = ?', [callSid]))[0];

t.test('start, answer and end in any order, alone or together, any number of times, make the same row', async (t) => {
  const events = [
    event('call.started', started('c')),
    event('call.answered', { callSid: 'c', answeredAt: T0 + 1_000 }),
    event('call.ended', ended('c')),
  ] as const;
  const [s, a, e] = events;
  const orders = [[s, a, e], [e, s, a], [a, e, s], [s, s, e, e], [e], [e, a, s, e]];
  for (const order of orders) {
    for (const batches of [[order], order.map((one) => [one])]) {
      await db.execute('DELETE FROM call_records');
      for (const batch of batches) await storeEvents(db, batch);
      t.match(
        await record('c'),
        {
          account_sid: 'acc',
          call_from: '4930',
          answered: true,
          answered_at: new Date(T0 + 1_000),
          attempted_at: new Date(T0),
          terminated_at: new Date(T0 + 4_000),
          duration_sec: 3,
          termination_reason: 'caller hungup',
        },
        order.map((one) => one.type).join(),
      );
    }
  }
});

t.test('a row is live until its end, and an end is never overwritten', async (t) => {
  await storeEvents(db, [
    event('call.started', started('c')),
    event('call.answered', { callSid: 'c', answeredAt: T0 + 1 }),
  ]);
  t.match(await record('c'), { terminated_at: null, answered: true });
  await storeEvents(db, [event('call.ended', ended('c', { applicationSid: 'found later' }))]);
  t.match(await record('c'), { application_sid: 'found later' });
  await storeEvents(db, [
    event('call.ended', ended('c', { terminationReason: 'platform failure', terminatedAt: T0 + 9 })),
  ]);
  t.match(await record('c'), { termination_reason: 'caller hungup', terminated_at: new Date(T0 + 4_000) });
});

t.test("a call's record names its recording, before and after its end, until that is removed", async (t) => {
  await storeEvents(db, [
    event('call.started', started('c')),
    event('call.recorded', { callSid: 'c', recordingUrl: '/one' }),
    event('call.ended', ended('c')),
  ]);
  t.match(await record('c'), { recording_url: '/one', duration_sec: 3 });
  await storeEvents(db, [event('call.recorded', { callSid: 'c', recordingUrl: '/two' })]);
  t.match(await record('c'), { recording_url: '/two' });
  await storeEvents(db, [event('call.recorded', { callSid: 'c', recordingUrl: null })]);
  t.match(await record('c'), { recording_url: null });
});

t.test('a killed and restarted database loses no record and doubles none', async (t) => {
  const sink = createEventSink({ redis, source: 'test', logger });
  const consumer = startRecordsConsumer({ db, redis, logger, consumer: 'w1' });
  const sids = Array.from({ length: 300 }, (_, i) => `call-${i}`);
  const emitCalls = (from: number, to: number): void => {
    for (const sid of sids.slice(from, to)) {
      sink.emit('call.started', started(sid), { callSid: sid });
      sink.emit('call.timeline', { kind: 'call', level: 'info', text: 'INVITE', data: { sid } }, { callSid: sid });
      sink.emit('call.ended', ended(sid), { callSid: sid });
      sink.emit('alert', { alertType: 'x', accountSid: 'acc', serviceProviderSid: null, message: sid });
    }
  };
  emitCalls(0, 100);
  await sink.flush();
  await mariaDb.kill();
  emitCalls(100, 200);
  await sink.flush();
  await mariaDb.restart();
  emitCalls(200, 300);
  await sink.flush();
  const count = async (table: string, where = 'TRUE') =>
    Number((await db.query<{ n: number }>(`SELECT COUNT(*) AS n FROM ${table} WHERE ${where}`))[0]?.n);
  await until(
    'all records are written',
    async () => (await count('call_records', 'terminated_at IS NOT NULL')) === 300,
  );
  await until(
    'all is confirmed',
    async () => ((await redis.xpending(EVENT_STREAM, RECORDS_GROUP)) as [number])[0] === 0,
  );
  t.equal(await count('call_records'), 300);
  t.equal(await count('call_timeline'), 300);
  t.equal(await count('alerts'), 300);
  await consumer.close();
  await sink.close();
});

t.test('an event that the database refuses is left out and counted, and does not stop the others', async (t) => {
  const metrics = createMetrics({ name: 'test', instanceId: '1' });
  const add = (one: EventEnvelope) => redis.xadd(EVENT_STREAM, '*', 'event', JSON.stringify(one));
  await add(event('call.started', started('good-1')));
  await add(event('call.started', { callSid: 'no fields' }));
  await add(event('call.ended', ended('bad', { direction: 'sideways' as 'inbound' })));
  await add(event('call.timeline', { kind: 'call', level: 'shout', text: 'x' }));
  await add(event('call.started', started('good-2', { from: 'x'.repeat(9_999) })));
  const consumer = startRecordsConsumer({ db, redis, logger, metrics, consumer: 'w1' });
  await until('the good ones are written', async () => (await record('good-1')) && (await record('good-2')));
  await until(
    'all is confirmed',
    async () => ((await redis.xpending(EVENT_STREAM, RECORDS_GROUP)) as [number])[0] === 0,
  );
  t.equal(await record('bad'), undefined);
  t.match(await metrics.registry.metrics(), /ringwire_records_refused_total\{type="call.timeline".* 1/);
  await consumer.close();
});

t.test('a status hook goes out although what came in has filled the queue of its account', async (t) => {
  const message = newRecord({
    ...{ messageSid: 'm', accountSid: 'acc', serviceProviderSid: null, applicationSid: null, from: '1', to: '2' },
    ...{ text: 'hi', media: [], carrier: null, statusHook: 'http://127.0.0.1:9/', createdAt: T0 },
  });
  const queue = applicationQueue(redis);
  await queue.put('x', 'acc', { kind: 'parts', voipCarrierSid: 'c', from: '1', to: '2', partsKey: 'k' });
  await redis.hset('ringwire:{queue:messages-in}:owners', 'acc', 50_000);
  await redis.xadd(
    EVENT_STREAM,
    '*',
    'event',
    JSON.stringify(event('message.changed', { ...message, status: 'sent', sentAt: T0 })),
  );
  const consumer = startRecordsConsumer({ db, redis, logger, consumer: 'w1' });
  t.teardown(() => consumer.close());
  await until('the notice waits', async () => (await queue.size()) === 2);
  await consumer.close();
});

t.test(
  'calls of a dead owner are ended once, with the last time they were known; those of the living are left',
  async (t) => {
    const sink = createEventSink({ redis, source: 'test', logger });
    await storeEvents(db, [
      event('call.started', started('orphan')),
      event('call.answered', { callSid: 'orphan', answeredAt: T0 + 1_000 }),
      { ...event('call.timeline', { kind: 'verb', level: 'info', text: 'say' }, 'orphan'), at: T0 + 6_500 },
      event('call.started', started('owner lives', { owner: 'edge-2' })),
      event('call.started', started('held by another')),
      event('call.ended', ended('ended')),
    ]);
    await redis.set(sbcKey('edge-2'), '{}');
    await redis.hset(callKey('held by another'), 'owner', 'edge-3');
    const options = { db, redis, sink, logger, lookEveryMs: 3_600_000, goneForMs: 0 };
    const [one, two] = [startReconciler(options), startReconciler(options)];
    t.equal(
      (await Promise.all([one.reconcile(), two.reconcile()])).reduce((a, b) => a + b),
      1,
      'several may look, one ends it',
    );
    t.match(await record('orphan'), {
      termination_reason: 'platform failure',
      terminated_at: new Date(T0 + 6_500),
      duration_sec: 5,
      answered: true,
    });
    t.match(await record('owner lives'), { terminated_at: null });
    t.match(await record('held by another'), { terminated_at: null });
    t.equal(await one.reconcile(), 0);
    await sink.flush();
    const told = (await redis.xrange(EVENT_STREAM, '-', '+')).map(
      ([, fields]) => JSON.parse(fields[1] ?? '') as EventEnvelope,
    );
    t.match(told, [
      { type: 'call.ended', callSid: 'orphan', data: { terminationReason: 'platform failure' } },
      { type: 'call.timeline', callSid: 'orphan', data: { kind: 'call', level: 'error', data: { final: true } } },
    ]);
    t.equal(told.length, 2);
    await Promise.all([one.close(), two.close(), sink.close()]);
  },
);

t.test(
  'a call is not ended while it has been abandoned only shortly, or while its end may be on its way in the stream',
  async (t) => {
    const sink = createEventSink({ redis, source: 'test', logger });
    await storeEvents(db, [event('call.started', started('c'))]);
    const patient = startReconciler({ db, redis, sink, logger, lookEveryMs: 3_600_000 });
    t.equal(await patient.reconcile(), 0);
    const hasty = startReconciler({ db, redis, sink, logger, lookEveryMs: 3_600_000, goneForMs: 0 });
    sink.emit('call.ended', ended('c'), { callSid: 'c' });
    await sink.flush();
    t.equal(await hasty.reconcile(), 0, 'nobody has read the stream yet');
    const consumer = startRecordsConsumer({ db, redis, logger, consumer: 'w1' });
    await until('the end is written', async () => (await record('c'))?.terminated_at);
    t.equal(await hasty.reconcile(), 0);
    t.match(await record('c'), { termination_reason: 'caller hungup' });
    await Promise.all([patient.close(), hasty.close(), consumer.close(), sink.close()]);
  },
);
