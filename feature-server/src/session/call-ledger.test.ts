import {
  closeRedis,
  featureServerKey,
  HEARTBEAT_TTL_MS,
  LEDGER_OWNERS,
  ledgerKey,
  ledgerLockKey,
  openRedis,
  SUSPECTED_FEATURE_SERVERS,
} from '@ringwire/common';
import { startTestRedis } from '@ringwire/common/testing/services.js';
import t, { type Test } from 'tap';
import { AddressGuard } from '../app-client/address-guard.js';
import { HttpClient } from '../app-client/http-exchange.js';
import { DEFAULT_CONVERSATION_LIMITS } from '../app-client/ws-application-options.js';
import { ApplicationServer } from '../testing/application-server.js';
import { Channel, CollectingSink, silentLogger } from '../testing/fakes.js';
import { ACCOUNT_SID, APPLICATION_SID, provisioningOf } from '../testing/platform-rig.js';
import { SocketServer } from '../testing/socket-server.js';
import { CallLedger, type LedgerEntry, OrphanSweep } from './call-ledger.js';
import { reportOrphan } from './orphan-report.js';

async function openTestRedis(t: Test) {
  const server = await startTestRedis();
  t.teardown(() => server.stop());
  const redis = openRedis({ host: '127.0.0.1', port: server.port }, { logger: silentLogger, name: 'test' });
  t.teardown(() => closeRedis(redis));
  return redis;
}

const entry = (callSid: string, more: Partial<LedgerEntry> = {}): LedgerEntry => ({
  callSid,
  accountSid: ACCOUNT_SID,
  applicationSid: APPLICATION_SID,
  baseUrl: 'http://127.0.0.1:1/hook',
  payload: { callSid, callStatus: 'trying', traceId: 'b'.repeat(32) },
  ...more,
});

t.test('a ledger holds the live calls, expires by itself, and leaves nothing when they are over', async (t) => {
  const redis = await openTestRedis(t);
  const ledger = new CallLedger(redis, 'fs-a', silentLogger);
  ledger.put(entry('one'));
  ledger.put(entry('two'));
  t.same((await redis.hkeys(ledgerKey('fs-a'))).sort(), ['one', 'two']);
  t.ok((await redis.pttl(ledgerKey('fs-a'))) > 0);
  ledger.remove('one');
  ledger.remove('two');
  await ledger.close();
  t.same(await redis.keys('*'), []);
});

t.test('an entry that cannot be written is left out, and nothing is thrown', async (t) => {
  const redis = await openTestRedis(t);
  const ledger = new CallLedger(redis, 'fs-a', silentLogger);
  const deep: unknown = JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`);
  ledger.put(entry('deep', { payload: { deep } }));
  ledger.put(entry('one'));
  t.same(await redis.hkeys(ledgerKey('fs-a')), ['one']);
  ledger.remove('one');
  await ledger.close();
});

t.test('calls of a dead instance are reported once by whoever sees it, calls of a live one are not', async (t) => {
  const redis = await openTestRedis(t);
  for (const owner of ['dead', 'alive', 'me']) {
    const ledger = new CallLedger(redis, owner, silentLogger);
    ledger.put(entry(`call-of-${owner}`));
  }
  await redis.set(featureServerKey('alive'), '{}');
  const reported: string[] = [];
  const sweeps = ['me', 'other'].map(
    (instanceId) =>
      new OrphanSweep({
        redis,
        instanceId,
        logger: silentLogger,
        intervalMs: 60_000,
        report: async ({ callSid }) => void reported.push(callSid),
      }),
  );
  t.teardown(() => Promise.all(sweeps.map((sweep) => sweep.close())));
  await sweeps[0]?.sweep();
  t.same(reported, [], 'the first look only suspects');
  await Promise.all([sweeps[0]?.sweep(), sweeps[1]?.sweep()]);
  await sweeps[0]?.sweep();
  t.same(reported, ['call-of-dead']);
  t.same((await redis.smembers(LEDGER_OWNERS)).sort(), ['alive', 'me']);
  t.equal(await redis.exists(ledgerKey('dead')), 0);
});

t.test('the end of an orphaned call is when its feature server was last alive, not when it was found', async (t) => {
  const redis = await openTestRedis(t);
  const ledger = new CallLedger(redis, 'dead', silentLogger);
  ledger.put(entry('call'));
  const life = await redis.pttl(ledgerKey('dead'));
  // From here on nobody refreshes it: it is dead.
  await ledger.close();
  const before = Date.now();
  await redis.pexpire(ledgerKey('dead'), life - 600_000);
  const ends: number[] = [];
  const sweep = new OrphanSweep({
    redis,
    instanceId: 'me',
    logger: silentLogger,
    intervalMs: 60_000,
    report: async (_entry, diedAt) => void ends.push(diedAt),
  });
  t.teardown(() => sweep.close());
  await sweep.sweep();
  await sweep.sweep();
  t.equal(ends.length, 1);
  t.ok(Math.abs((ends[0] ?? 0) - (before - 600_000)) < 60_000, `${(ends[0] ?? 0) - before} ms`);
});

t.test('an instance whose heartbeat comes back is no suspect any more', async (t) => {
  const redis = await openTestRedis(t);
  new CallLedger(redis, 'slow', silentLogger).put(entry('call'));
  const reported: string[] = [];
  const sweep = new OrphanSweep({
    redis,
    instanceId: 'me',
    logger: silentLogger,
    intervalMs: 60_000,
    report: async ({ callSid }) => void reported.push(callSid),
  });
  t.teardown(() => sweep.close());
  await sweep.sweep();
  await redis.set(featureServerKey('slow'), '{}');
  await sweep.sweep();
  await redis.del(featureServerKey('slow'));
  await sweep.sweep();
  t.same(reported, []);
});

t.test('a suspect that misses its heartbeat is reported at once, one that has another is not', async (t) => {
  const redis = await openTestRedis(t);
  for (const owner of ['dead', 'slow']) new CallLedger(redis, owner, silentLogger).put(entry(`call-of-${owner}`));
  const reported: string[] = [];
  const sweep = new OrphanSweep({
    redis,
    instanceId: 'me',
    logger: silentLogger,
    intervalMs: 60_000,
    report: async ({ callSid }) => void reported.push(callSid),
  });
  t.teardown(() => sweep.close());
  await redis.sadd(SUSPECTED_FEATURE_SERVERS, 'dead', 'slow', 'me');
  for (const owner of ['dead', 'slow']) await redis.set(featureServerKey(owner), '{}', 'PX', HEARTBEAT_TTL_MS - 1_500);
  await sweep.lookAtSuspects();
  t.same(reported, [], 'their heartbeats are not due yet');
  await redis.pexpire(featureServerKey('dead'), HEARTBEAT_TTL_MS - 3_500);
  await redis.pexpire(featureServerKey('slow'), HEARTBEAT_TTL_MS);
  await sweep.lookAtSuspects();
  t.same(reported, ['call-of-dead']);
  t.same(await redis.smembers(SUSPECTED_FEATURE_SERVERS), []);
  t.equal(await redis.exists(featureServerKey('dead')), 0);
});

t.test(
  'a suspect whose heartbeat has run out is reported with the second look: nobody else was there in time',
  async (t) => {
    const redis = await openTestRedis(t);
    for (const owner of ['dead', 'slow']) new CallLedger(redis, owner, silentLogger).put(entry(`call-of-${owner}`));
    const reported: string[] = [];
    const sweep = new OrphanSweep({
      redis,
      instanceId: 'its-successor',
      logger: silentLogger,
      intervalMs: 60_000,
      report: async ({ callSid }) => void reported.push(callSid),
    });
    t.teardown(() => sweep.close());
    await redis.sadd(SUSPECTED_FEATURE_SERVERS, 'dead', 'slow');
    await sweep.lookAtSuspects();
    t.same(reported, [], 'one that only lost Redis may be back in a moment');
    await redis.set(featureServerKey('slow'), '{}', 'PX', HEARTBEAT_TTL_MS);
    await sweep.lookAtSuspects();
    t.same(reported, ['call-of-dead']);
    t.same(await redis.smembers(SUSPECTED_FEATURE_SERVERS), []);
  },
);

t.test(
  'a hook that hangs delays no other account, and no report is doubled when the lock runs out meanwhile',
  async (t) => {
    const redis = await openTestRedis(t);
    const dead = new CallLedger(redis, 'dead', silentLogger);
    const slow = Array.from({ length: 30 }, (_, index) => `slow-${index}`);
    for (const callSid of slow) dead.put(entry(callSid, { accountSid: 'slow' }));
    dead.put(entry('quick', { accountSid: 'quick' }));
    const reported: string[] = [];
    const quick = new Channel<string>();
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    const report = async ({ callSid, accountSid }: LedgerEntry): Promise<void> => {
      reported.push(callSid);
      if (accountSid === 'slow') await released;
      else quick.post(callSid);
    };
    const sweepOf = (instanceId: string) =>
      new OrphanSweep({ redis, instanceId, logger: silentLogger, intervalMs: 60_000, report });
    const [one, other] = [sweepOf('one'), sweepOf('other')];
    t.teardown(() => Promise.all([one.close(), other.close()]));
    for (const sweep of [one, other]) await sweep.sweep();
    const first = one.sweep();
    t.equal(await quick.take('report of the other account'), 'quick');
    // A minute passes.
    await redis.del(ledgerLockKey('dead'));
    await redis.set(ledgerLockKey('dead'), 'a third one');
    release();
    await first;
    t.equal(await redis.get(ledgerLockKey('dead')), 'a third one', "nobody takes another one's lock away");
    await redis.del(ledgerLockKey('dead'));
    await redis.sadd(LEDGER_OWNERS, 'dead');
    await other.sweep();
    t.same(reported.sort(), ['quick', ...slow].sort());
    t.equal(await dead.isReported('quick'), true, 'its own feature server, were it alive, would know');
    t.equal(await dead.isReported('another'), false);
  },
);

t.test(
  'a call that is taken over leaves the ledger that it was in, and a repeated question is answered alike',
  async (t) => {
    const redis = await openTestRedis(t);
    const [old, taker] = ['fs-old', 'fs-new'].map((id) => new CallLedger(redis, id, silentLogger));
    const never = (): void => void t.fail('it is not lost');
    old?.put(entry('one'));
    t.equal(await taker?.takeOver('one', 'fs-old', never), true);
    t.equal(await taker?.takeOver('one', 'fs-old', never), true, 'as where the first answer was lost');
    t.equal(await old?.isTaken('one', 10_000), true);
    t.equal(await taker?.takeOver('gone', 'fs-old', never), false);
  },
);

t.test('who tells the end of a call that nobody took leaves it to nobody else', async (t) => {
  const redis = await openTestRedis(t);
  const [old, taker] = ['fs-old', 'fs-new'].map((id) => new CallLedger(redis, id, silentLogger));
  old?.put(entry('one'));
  t.equal(await old?.isTaken('one', 0), false);
  t.equal(await old?.isReported('one'), false, 'it is for him to tell it');
  t.equal(await taker?.isReported('one'), true);
  t.equal(await taker?.takeOver('one', 'fs-old', () => {}), false);
});

t.test('while Redis stands still a call that is taken over goes on, until it is known to be over', async (t) => {
  const redis = await openTestRedis(t);
  const admin = redis.duplicate();
  t.teardown(() => closeRedis(admin));
  const old = new CallLedger(redis, 'fs-old', silentLogger);
  const taker = new CallLedger(redis, 'fs-new', silentLogger, 20);
  old.put(entry('one'));
  taker.put(entry('one'));
  taker.put(entry('ended'));
  const lost = new Channel<string>();
  await admin.client('PAUSE', 300, 'ALL');
  const [one, ended] = await Promise.all([
    taker.takeOver('one', 'fs-old', () => lost.post('one')),
    taker.takeOver('ended', 'fs-old', () => lost.post('ended')),
  ]);
  t.strictSame([one, ended], [true, true]);
  t.equal(await lost.take(), 'ended');
  t.strictSame(await redis.hkeys(ledgerKey('fs-old')), []);
  t.strictSame(await redis.hkeys(ledgerKey('fs-new')), ['one']);
});

t.test('where Redis refuses to say whose a call is, the call goes on, and Redis is asked again', async (t) => {
  const redis = await openTestRedis(t);
  const old = new CallLedger(redis, 'fs-old', silentLogger);
  const taker = new CallLedger(redis, 'fs-new', silentLogger, 20);
  old.put(entry('one'));
  taker.put(entry('ended'));
  const lost = new Channel<string>();
  // As a replica does: it refuses whatever writes.
  await redis.config('SET', 'min-replicas-to-write', 1);
  const taken = ['one', 'ended'].map((callSid) => taker.takeOver(callSid, 'fs-old', () => lost.post(callSid)));
  t.strictSame(await Promise.all(taken), [true, true]);
  t.equal(await redis.hexists(ledgerKey('fs-old'), 'one'), 1);
  await redis.config('SET', 'min-replicas-to-write', 0);
  t.equal(await lost.take(), 'ended');
  t.strictSame(await redis.hkeys(ledgerKey('fs-old')), []);
});

t.test('two who report the calls of one feature server report each once', async (t) => {
  const redis = await openTestRedis(t);
  const dead = new CallLedger(redis, 'dead', silentLogger);
  const calls = Array.from({ length: 40 }, (_, index) => `call-${index}`);
  for (const callSid of calls) dead.put(entry(callSid));
  const reported: string[] = [];
  const began = new Channel<string>();
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const report = async ({ callSid }: LedgerEntry): Promise<void> => {
    reported.push(callSid);
    began.post(callSid);
    await released;
  };
  const sweepOf = (instanceId: string) =>
    new OrphanSweep({ redis, instanceId, logger: silentLogger, intervalMs: 60_000, report });
  const [one, other] = [sweepOf('one'), sweepOf('other')];
  t.teardown(() => Promise.all([one.close(), other.close()]));
  for (const sweep of [one, other]) await sweep.sweep();
  const first = one.sweep();
  await began.take('report');
  await redis.del(ledgerLockKey('dead'));
  const second = other.sweep();
  // Eight at a time each.
  for (let count = 1; count < 16; count++) await began.take('report');
  release();
  await Promise.all([first, second]);
  t.same(reported.sort(), [...calls].sort());
});

t.test('the last status of an orphan is failed, with its duration when it was answered', async (t) => {
  const app = await ApplicationServer.start();
  t.teardown(() => app.stop());
  app.on('/status', (response) => response.writeHead(204).end());
  const guard = new AddressGuard({ allowPrivate: true });
  const http = new HttpClient(guard);
  t.teardown(() => http.close());
  const sink = new CollectingSink();
  const options = {
    sink,
    applications: { http, guard, sockets: DEFAULT_CONVERSATION_LIMITS },
    logger: silentLogger,
    snapshot: provisioningOf(app.url).snapshot(),
    diedAt: 100_900,
  };
  const statusHook = { url: `${app.url}/status` };
  await reportOrphan(entry('answered', { statusHook, answeredAt: 90_000 }), options);
  await reportOrphan(entry('ringing', { statusHook }), options);
  await reportOrphan(entry('silent'), options);
  t.match(app.seen('/status')[0]?.json, {
    call_sid: 'answered',
    call_status: 'failed',
    duration: 10,
    call_termination_by: 'jambonz',
  });
  t.ok(app.seen('/status')[0]?.headers['jambonz-signature'], 'it is signed like any other');
  t.match(app.seen('/status')[1]?.json, { call_sid: 'ringing', call_status: 'failed', sip_status: 500 });
  t.equal(app.seen('/status').length, 2);
  t.ok(sink.lines.includes('error call the feature server of this call died'));
});

t.test('an orphan of a WebSocket application: session:reconnect, then its last status', async (t) => {
  const sockets = await SocketServer.start();
  t.teardown(() => sockets.stop());
  const guard = new AddressGuard({ allowPrivate: true });
  const http = new HttpClient(guard);
  t.teardown(() => http.close());
  const reported = reportOrphan(entry('answered', { baseUrl: `${sockets.url}/app`, answeredAt: 90_000 }), {
    sink: new CollectingSink(),
    applications: { http, guard, sockets: DEFAULT_CONVERSATION_LIMITS },
    logger: silentLogger,
    snapshot: provisioningOf('http://127.0.0.1:1').snapshot(),
    diedAt: 100_900,
  });
  const socket = await sockets.next();
  t.equal(socket.path, '/app');
  socket.ack(await socket.next('session:reconnect'));
  t.match((await socket.next('call:status')).data, { call_sid: 'answered', call_status: 'failed', duration: 10 });
  t.match(await socket.closed, { code: 1000 });
  await reported;
});
