import { join } from 'node:path';
import { closeRedis, createLogger, openRedis } from '@ringwire/common';
import t from 'tap';
import { eventually } from './support/eventually.js';
import { openPlatform } from './support/platform.js';
import { openFilesOf } from './support/process-facts.js';
import { rtpengineSessions } from './support/rtpengine.js';
import { runSipp } from './support/sipp.js';
import { menuCaller } from './support/sipp-scenarios.js';

const CALLS = 100;
const CALLS_PER_SECOND = 5;
const KEYS = ['1', '2', '3'];
/** Transactions linger for 64 × T1 = 32 s (RFC 3261 timers B, F, H, J). */
const LINGER_MS = 45_000;
/** Kept-alive connections and pools may hold a few more descriptors than before. */
const SPARE_FILES = 8;

const ringwire = await openPlatform(t, { LOG_LEVEL: 'warn' });
const { application, instance } = ringwire;
const line = await ringwire.lineWith(({ action }) => [
  { verb: 'gather', input: ['digits'], numDigits: 1, timeout: 20, actionHook: action, say: { text: 'Press a key.' } },
]);
application.answer(line.action, [{ verb: 'hangup' }]);

const caller = (index: number): string => `1555000${String(index).padStart(4, '0')}`;
const key = (index: number): string => KEYS[index % KEYS.length] as string;
const sipp = (name: string, calls: number) =>
  runSipp({
    dir: join(ringwire.dataDir, name),
    scenario: menuCaller(line.number, { keys: KEYS }),
    callData: Array.from({ length: calls }, (_, index) => [caller(index), key(index)]),
    target: instance.sip,
    // Beyond the RTP ports of every platform on this machine: two of them must not hear each other.
    mediaPort: 31_000,
    callsPerSecond: CALLS_PER_SECOND,
    calls,
    timeoutMs: 120_000,
  });

/**
 * Both edge processes ask the core twice a second whether it is there (OPTIONS). Such a transaction lingers for 5 s where it was asked (timer K)
 * and for 32 s where it was answered (timer J, RFC 3261 §17.2.2). A hundred calls that were left would be seen beside them.
 */
const PING_TRANSACTIONS = { client: 30, server: 150 };

/** What must be gone when nobody calls: SIP transactions and dialogs, channels and RTP ports, calls. */
const IN_USE: Readonly<Record<string, RegExp>> = {
  'sip-server-edge': /^sip_(transactions|dialogs|pending_)/,
  'sip-server-core': /^sip_(transactions|dialogs|pending_)/,
  'media-server': /(channels|sessions|rtp_ports|bridges)(_active|_open|_in_use)?(\{.*\})?$/,
  'sbc-inbound': /^ringwire_calls_active/,
  'feature-server': /^ringwire_fs_calls(\{.*\})?$/,
};

async function inUse(): Promise<Record<string, Record<string, number>>> {
  const entries = await Promise.all(
    Object.entries(IN_USE).map(
      async ([name, pattern]) => [name, (await ringwire.metrics(name)).matching(pattern)] as const,
    ),
  );
  return Object.fromEntries(entries);
}

const isIdle = (samples: Record<string, number>): boolean =>
  Object.entries(samples).every(([name, value]) => value <= pingsIn(name));

function pingsIn(name: string): number {
  if (!name.startsWith('sip_transactions')) return 0;
  return name.includes('side="server"') ? PING_TRANSACTIONS.server : PING_TRANSACTIONS.client;
}

let filesBefore: Awaited<ReturnType<typeof openFilesOf>>;

await t.test('warm-up: the first calls load caches and open pools', async (t) => {
  const { exitCode, successful, errors } = await sipp('warm-up', 10);
  t.equal(exitCode, 0, errors);
  t.equal(successful, 10);
  // Not after the test: tap takes a pause between two tests for the end.
  filesBefore = await openFilesOf(instance.processes);
});

const warmRequests = application.requests.length;

await t.test(`${CALLS} calls at ${CALLS_PER_SECOND} a second all go right`, async (t) => {
  const startedAt = Date.now();
  const { exitCode, successful, failed, errors, responseTimesMs } = await sipp('load', CALLS);
  const endedAt = Date.now();
  t.equal(exitCode, 0, errors);
  t.equal(successful, CALLS);
  t.equal(failed, 0);
  t.comment(`INVITE to 200: ${responseTimesMs.sort((a, b) => a - b).at(Math.floor(CALLS * 0.99) - 1)} ms (p99)`);

  await t.test('each action hook has the key that its caller pressed', async (t) => {
    const payloads = application.requests.slice(warmRequests).filter(({ path }) => path === line.action);
    t.equal(payloads.length, CALLS);
    const expected = Object.fromEntries(Array.from({ length: CALLS }, (_, index) => [caller(index), key(index)]));
    t.strictSame(Object.fromEntries(payloads.map(({ body }) => [body.from, body.digits])), expected);
    t.ok(payloads.every(({ body }) => body.reason === 'dtmfDetected'));
  });

  await t.test('each call has one record with right times and disposition', async (t) => {
    const records = await eventually(
      'all records',
      async () =>
        (await ringwire.records()).filter(
          ({ to, attempted_at }) => to === line.number && attempted_at >= startedAt - 50,
        ),
      (found) => found.length >= CALLS && found.every(({ terminated_at }) => terminated_at),
      { timeoutMs: 15_000 },
    );
    t.equal(records.length, CALLS);
    t.equal(new Set(records.map(({ call_sid }) => call_sid)).size, CALLS);
    t.equal(new Set(records.map(({ from }) => from)).size, CALLS);
    const wrong = records.filter(
      ({ answered, sip_status, termination_reason, attempted_at, answered_at, terminated_at, duration }) => {
        const answeredAt = answered_at ?? 0;
        const inOrder = attempted_at <= answeredAt && answeredAt < terminated_at && terminated_at <= endedAt + 100;
        const lengthRight =
          Math.abs(duration - (terminated_at - answeredAt) / 1000) <= 1 && terminated_at - answeredAt >= 1_400;
        return (
          !answered || sip_status !== 200 || termination_reason !== 'called party hungup' || !inOrder || !lengthRight
        );
      },
    );
    t.strictSame(wrong, []);
  });

  await t.test('each call had its status hooks once and in order', async (t) => {
    const sids = new Set(
      application.requests
        .slice(warmRequests)
        .filter(({ path }) => path === line.call)
        .map(({ body }) => String(body.call_sid)),
    );
    t.equal(sids.size, CALLS);
    await eventually(
      'all status hooks',
      () => [...sids].map((sid) => application.statuses(line.status, sid).join(' ')),
      (sequences) => sequences.every((sequence) => sequence === 'trying in-progress completed'),
    );
  });
});

await t.test('nothing is left behind', async (t) => {
  await t.test('no SIP dialog, transaction or RTP port', async (t) => {
    const samples = await eventually('nothing in use', inUse, (found) => Object.values(found).every(isIdle), {
      timeoutMs: LINGER_MS,
      everyMs: 1_000,
    });
    for (const [name, found] of Object.entries(samples))
      t.ok(Object.keys(found).length > 0, `${name} says what it uses`);
  });

  await t.test(
    'no session of rtpengine',
    { skip: instance.rtpengine ? false : 'rtpengine is not running' },
    async (t) => {
      const { rtpengine } = instance;
      if (!rtpengine) return;
      await eventually(
        'rtpengine idle',
        () => rtpengineSessions(rtpengine),
        (sessions) => sessions.length === 0,
      );
      t.pass('none');
    },
  );

  await t.test('no key of a call in Redis', async (t) => {
    const redis = openRedis(instance.redis, {
      logger: createLogger({ name: 'test', level: 'warn' }),
      name: 'load-test',
    });
    t.teardown(() => closeRedis(redis));
    t.strictSame(await redis.keys('ringwire:call:*'), []);
    const live = await Promise.all((await redis.keys('ringwire:active-calls:*')).map((key) => redis.zcard(key)));
    t.ok(
      live.every((count) => count === 0),
      'no active call',
    );
  });

  await t.test('no file descriptor', async (t) => {
    await eventually(
      'file descriptors as before',
      async () => {
        const now = await openFilesOf(instance.processes);
        return Object.fromEntries(Object.entries(now).map(([name, count]) => [name, count - (filesBefore[name] ?? 0)]));
      },
      (more) => Object.values(more).every((count) => count <= SPARE_FILES),
      { timeoutMs: 20_000, everyMs: 500 },
    );
    t.pass(`not more than ${SPARE_FILES} more`);
  });
});
