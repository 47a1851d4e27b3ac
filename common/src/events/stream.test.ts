import t from 'tap';
import { createMetrics } from '../metrics/metrics.js';
import { openRedis } from '../redis/connection.js';
import { recordingLogger, silentLogger } from '../testing/logger.js';
import { startTestRedis } from '../testing/services.js';
import { until } from '../testing/until.js';
import { consumeEvents, parseEvent } from './consumer.js';
import { createEventSink } from './sink.js';
import { EVENT_STREAM, type EventEnvelope } from './types.js';

const logger = silentLogger();
const server = await startTestRedis();
t.teardown(() => server.stop());
const redis = openRedis(server, { logger, name: 'test' });
t.teardown(() => redis.disconnect());

const timelineEntry = (text: string) => ({ kind: 'call', level: 'info', text }) as const;
/** What stands in the stream, in its order, the repeated ones only once. */
const streamTexts = async (): Promise<string[]> => {
  const entries = await redis.xrange(EVENT_STREAM, '-', '+');
  const byId = new Map<string, string>();
  for (const [, fields] of entries) {
    const event = parseEvent(fields);
    if (event?.type === 'call.timeline' && !byId.has(event.id)) byId.set(event.id, event.data.text);
  }
  return [...byId.values()];
};

t.beforeEach(() => redis.del(EVENT_STREAM));

t.test(
  'events are in the stream in the order in which they were emitted, across a killed Redis, and none is lost',
  async (t) => {
    const sink = createEventSink({ redis, source: 'test:1', logger });
    const texts = Array.from({ length: 6_000 }, (_, i) => `entry ${i}`);
    const emit = (from: number, to: number) => {
      for (const text of texts.slice(from, to)) sink.emit('call.timeline', timelineEntry(text), { callSid: 'c' });
    };
    emit(0, 2_000);
    await sink.flush();
    emit(2_000, 3_000);
    await new Promise((resolve) => setImmediate(resolve));
    await server.kill();
    emit(3_000, 5_000);
    await server.restart();
    emit(5_000, 6_000);
    await sink.close();
    t.equal(sink.pending, 0);
    t.strictSame(await streamTexts(), texts);
  },
);

t.test('an event carries id, type, time as a float, source and its call', async (t) => {
  const sink = createEventSink({ redis, source: 'test:1', logger });
  sink.emit(
    'call.answered',
    { callSid: 'c', answeredAt: 5 },
    { callSid: 'c', sipCallId: 's', accountSid: 'a', at: 12.5 },
  );
  sink.emit('call.timeline', timelineEntry('now'));
  await sink.close();
  const [[, first], [, second]] = (await redis.xrange(EVENT_STREAM, '-', '+')) as [
    [string, string[]],
    [string, string[]],
  ];
  t.match(parseEvent(first), {
    id: /^[0-9a-f-]{36}$/,
    type: 'call.answered',
    at: 12.5,
    source: 'test:1',
    callSid: 'c',
    sipCallId: 's',
    accountSid: 'a',
  });
  t.ok(Math.abs((parseEvent(second)?.at ?? 0) - Date.now()) < 60_000);
});

t.test('a full buffer drops and counts the newest, and closing gives up at its deadline', async (t) => {
  const metrics = createMetrics({ name: 'test', instanceId: '1' });
  const { logger, lines } = recordingLogger();
  await server.kill();
  const sink = createEventSink({ redis, source: 'test:1', logger, metrics, capacity: 3 });
  for (let i = 0; i < 5; i++) sink.emit('call.timeline', timelineEntry(`${i}`));
  t.equal(sink.pending, 3);
  t.match(await metrics.registry.metrics(), /ringwire_events_dropped_total\S* 2/);
  await sink.close(10);
  t.match(lines, [{ msg: /dropped/ }, { lost: 3, msg: /lost/ }]);
  await server.restart();
  await redis.ping();
});

const consumer = (handle: (batch: EventEnvelope[]) => Promise<void>, name = 'one') =>
  consumeEvents({ redis, group: 'g', consumer: name, logger, handle });

t.test(
  'a consumer sees every event in order, tries a failing batch again, and confirms after it was handled',
  async (t) => {
    const sink = createEventSink({ redis, source: 'test:1', logger });
    for (let i = 0; i < 10; i++) sink.emit('call.timeline', timelineEntry(`${i}`));
    await sink.flush();
    await redis.xadd(EVENT_STREAM, '*', 'event', 'not json');
    await redis.xadd(EVENT_STREAM, '*', 'something', 'else');
    let failures = 2;
    const seen: string[] = [];
    const running = consumer(async (batch) => {
      if (failures-- > 0) {
        const [group] = (await redis.xpending(EVENT_STREAM, 'g')) as [number];
        t.ok(group > 0, 'not confirmed while it fails');
        throw new Error('not yet');
      }
      for (const event of batch) if (event.type === 'call.timeline') seen.push(event.data.text);
    });
    await until('all handled', () => seen.length === 10);
    await until('all confirmed', async () => ((await redis.xpending(EVENT_STREAM, 'g')) as [number])[0] === 0);
    t.strictSame(seen, ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    await running.close();
    await sink.close();
  },
);

t.test(
  'a consumer goes on after Redis was killed, also when Redis lost its data, and takes up what it left',
  async () => {
    const sink = createEventSink({ redis, source: 'test:1', logger });
    const seen: string[] = [];
    const handle = async (batch: EventEnvelope[]) => {
      for (const event of batch) if (event.type === 'call.timeline') seen.push(event.data.text);
    };
    const stuck = consumer(() => new Promise(() => {}));
    sink.emit('call.timeline', timelineEntry('left'));
    await sink.flush();
    await until('it is in hand', async () => ((await redis.xpending(EVENT_STREAM, 'g')) as [number])[0] === 1);
    await stuck.close(1);
    const running = consumer(handle);
    await until('what was left is taken up', () => seen.includes('left'));
    await server.kill();
    await server.restart();
    sink.emit('call.timeline', timelineEntry('after restart'));
    await until('events after a restart', () => seen.includes('after restart'));
    await redis.flushall();
    sink.emit('call.timeline', timelineEntry('after loss'));
    await until('events after a loss of data', () => seen.includes('after loss'));
    await running.close();
    await sink.close();
  },
);
