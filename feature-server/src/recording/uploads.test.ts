import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { AddressGuard } from '@ringwire/common/http/address-guard.js';
import { parseBucketCredential } from '@ringwire/common/recordings/bucket-credential.js';
import { bucketStorage, type RecordingStorage } from '@ringwire/common/recordings/storage.js';
import { FakeS3 } from '@ringwire/common/testing/fake-s3.js';
import { readWavAt } from '@ringwire/rtp';
import t, { type Test } from 'tap';
import { Channel, CollectingSink, silentLogger } from '../testing/fakes.js';
import { Recordings } from './recordings.js';
import { Spool, type SpoolEntry } from './spool.js';
import { Uploads, type UploadsOptions } from './uploads.js';

const ENTRY: SpoolEntry = {
  callSid: 'call-1',
  accountSid: 'acc-1',
  serviceProviderSid: null,
  format: 'wav',
  startedAtMs: Date.UTC(2026, 1, 3, 23, 59),
  sampleRate: 8000,
  channels: 2,
  metadata: { callSid: 'call-1' },
};
const OBJECT = '/calls/2026/02/03/call-1.wav';
const SOUND = new Int16Array(16_000).fill(700);

function bucketStorageOf(s3: FakeS3): RecordingStorage {
  const parsed = parseBucketCredential(s3.credential('calls'));
  if (!parsed.ok) throw new Error(parsed.reason);
  return bucketStorage(parsed.credential, new AddressGuard({ allowPrivate: true }));
}

async function bench(t: Test, options: Partial<UploadsOptions> = {}) {
  const dir = await mkdtemp(join(tmpdir(), 'ringwire-spool-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const s3 = await FakeS3.start(t);
  const storage = bucketStorageOf(s3);
  const sink = new CollectingSink();
  const spool = await Spool.open({ dir, logger: silentLogger });
  const start = (more: Partial<UploadsOptions> = {}): Uploads => {
    const retryMs = { first: 1, last: 5 };
    const storageOf = (): RecordingStorage | undefined => storage;
    const all = {
      spool,
      storageOf,
      sink,
      logger: silentLogger,
      retryMs,
      sweepMs: 20,
      keepMs: Infinity,
      ...options,
      ...more,
    };
    const uploads = new Uploads(all);
    t.teardown(() => uploads.close());
    return uploads;
  };
  const record = async (entry: Partial<SpoolEntry> = {}) => {
    const file = await spool.create({ ...ENTRY, ...entry });
    file.append(SOUND);
    return file.finish();
  };
  return { dir, s3, sink, spool, start, record };
}

t.test('a recording is stored when its storage is back, told once, and the spool is empty then', async (t) => {
  const { dir, s3, sink, start, record } = await bench(t);
  s3.failures.push(503, 403, 500);
  const uploads = start();
  const recording = await record();
  if (recording) uploads.add(recording);
  await s3.until(() => s3.objects.has(OBJECT));
  await uploads.idle();
  t.ok(s3.requests >= 4);
  const { body, headers } = s3.objects.get(OBJECT) ?? { body: Buffer.alloc(0), headers: {} };
  t.equal(body.length, 44 + SOUND.byteLength);
  t.ok(readWavAt(body, 8000).every((sample) => sample === 700));
  t.match(headers, { 'content-type': 'audio/wav', 'x-amz-meta-call-sid': 'call-1' });
  t.match(sink.alerts, [{ alertType: 'recording-failure', message: /503 SlowDown/, targetSid: 'call-1' }]);
  t.equal(sink.alerts.length, 1);
  const url = '/Accounts/acc-1/RecentCalls/call-1/record/2026/02/03/wav';
  t.match(
    sink.events.filter(({ type }) => type === 'call.recorded'),
    [{ callSid: 'call-1', data: { callSid: 'call-1', recordingUrl: url } }],
  );
  await until(async () => (await readdir(dir)).length === 0);
});

t.test('what a process did not bring to its storage the next one does', async (t) => {
  const { s3, start, record } = await bench(t);
  const first = start({ storageOf: () => undefined, retryMs: { first: 60_000, last: 60_000 } });
  const recording = await record();
  if (recording) first.add(recording);
  await first.close();
  t.equal(s3.objects.size, 0);
  const second = start();
  await s3.until(() => s3.objects.has(OBJECT));
  await second.idle();
});

t.test('what a killed process has recorded is completed and stored', async (t) => {
  const { dir, s3, start } = await bench(t);
  const child = spawn(process.execPath, [fileURLToPath(new URL('./spool.fixture.js', import.meta.url)), dir]);
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
  const uploads = start({ spool: await Spool.open({ dir, logger: silentLogger, staleMs: 0 }) });
  const path = '/calls/2026/02/03/killed.wav';
  await s3.until(() => s3.objects.has(path));
  const body = s3.objects.get(path)?.body ?? Buffer.alloc(0);
  t.ok(body.length >= 32_000, `${body.length} bytes`);
  t.equal(body.readUInt32LE(40), body.length - 44, 'its header says how long it is');
  t.same([body.readInt16LE(44), body.readInt16LE(46)], [1000, -1000]);
  await uploads.idle();
  await until(async () => (await readdir(dir)).length === 0);
});

t.test('a second recording of a call does not take the place of the first, and an empty one is nothing', async (t) => {
  const { s3, spool, start, record, dir } = await bench(t);
  const uploads = start();
  for (let part = 1; part <= 2; part++) {
    const recording = await record();
    if (recording) uploads.add(recording);
    await uploads.idle();
  }
  t.same([...s3.objects.keys()].sort(), ['/calls/2026/02/03/call-1-2.wav', OBJECT]);
  t.equal(await (await spool.create(ENTRY)).finish(), undefined);
  await until(async () => (await readdir(dir)).length === 0);
});

t.test('what a process had stored and not removed when it died is not stored a second time', async (t) => {
  const { dir, s3, sink, start, record } = await bench(t);
  const broken = await Spool.open({ dir, logger: silentLogger });
  // All that a death at this moment leaves undone.
  broken.remove = async (_recording, claim) => claim.drop();
  const recording = await record();
  if (!recording) throw new Error('nothing was recorded');
  const dead = start({ spool: broken, sweepMs: 60_000 });
  dead.add(recording);
  await dead.idle();
  t.same([...s3.objects.keys()], [OBJECT]);
  const work = (await readdir(dir)).find((name) => name.endsWith('.work')) ?? '';
  await utimes(join(dir, work), 1, 1);
  start({ spool: await Spool.open({ dir, logger: silentLogger }) });
  await until(async () => (await readdir(dir)).length === 0);
  t.same([...s3.objects.keys()], [OBJECT]);
  t.equal(sink.lines.filter((line) => line.includes('recording stored')).length, 2, 'and its address is told');
});

t.test('a recording that was tried in vain does not take the place of another that came meanwhile', async (t) => {
  const { dir, s3, spool, start, record } = await bench(t);
  const recording = await record();
  if (!recording) throw new Error('nothing was recorded');
  await spool.markTried(recording);
  await bucketStorageOf(s3).put('2026/02/03/call-1.wav', {
    ...{ path: fileURLToPath(import.meta.url), sizeBytes: (await stat(fileURLToPath(import.meta.url))).size },
    ...{ contentType: 'audio/wav', metadata: {} },
  });
  start();
  await until(async () => (await readdir(dir)).length === 0);
  t.same([...s3.objects.keys()].sort(), ['/calls/2026/02/03/call-1-2.wav', OBJECT]);
});

t.test("MP3 is made by the operator's program; where it fails the recording stays WAV", async (t) => {
  const { s3, sink, start, record } = await bench(t);
  const good = start({ mp3Command: 'tail -c +45' });
  const recording = await record({ format: 'mp3' });
  if (recording) good.add(recording);
  await good.idle();
  const made = s3.objects.get(OBJECT.replace('wav', 'mp3'));
  t.equal(made?.body.length, SOUND.byteLength);
  t.equal(made?.headers['content-type'], 'audio/mpeg');
  await good.close();
  const bad = start({ mp3Command: 'false' });
  const other = await record({ format: 'mp3' });
  if (other) bad.add(other);
  await bad.idle();
  t.ok(s3.objects.has(OBJECT));
  t.ok(sink.lines.some((line) => line.includes('recording stays WAV, it cannot be made MP3: false ended with 1')));
});

t.test('of two processes that share a spool one uploads a recording, and the other leaves it alone', async (t) => {
  const { dir, s3, start, record } = await bench(t);
  const other = await Spool.open({ dir, logger: silentLogger });
  const tells = new Channel<() => void>();
  const slow = new SlowStorage(tells);
  const recording = await record();
  const first = start({ storageOf: () => slow });
  const store = await tells.take();
  t.same(await other.list(), [], 'it is taken');
  const second = start({ spool: other });
  if (recording) second.add(recording);
  await second.idle();
  t.equal(s3.requests, 0);
  store();
  await first.idle();
  t.same(await readdir(dir), []);
  await second.close();
  t.equal(s3.requests, 0);
});

t.test('an upload whose process has died is taken over by another, once', async (t) => {
  const { dir, s3, spool, start, record } = await bench(t);
  const recording = await record();
  if (!recording) throw new Error('nothing was recorded');
  const claim = await spool.claim(recording);
  t.equal(await spool.claim(recording), undefined, 'it is taken');
  claim?.drop();
  await utimes(claim?.path ?? '', 1, 1);
  const others = await Promise.all([1, 2].map(() => Spool.open({ dir, logger: silentLogger })));
  const uploads = others.map((other) => start({ spool: other }));
  await s3.until(() => s3.objects.has(OBJECT));
  for (const one of uploads) await one.idle();
  await until(async () => (await readdir(dir)).length === 0);
  t.same([...s3.objects.keys()], [OBJECT]);
});

t.test(
  "an account whose storage never ends does not hold up another's recordings, and is given up in time",
  async (t) => {
    const { s3, sink, start, record } = await bench(t);
    const slow = new SlowStorage(new Channel());
    const good = bucketStorageOf(s3);
    const storageOf = (accountSid: string): RecordingStorage => (accountSid === 'acc-slow' ? slow : good);
    const uploads = start({ storageOf, graceMs: 0 });
    for (let i = 0; i < 12; i++) {
      const recording = await record({ accountSid: 'acc-slow' });
      if (recording) uploads.add(recording);
    }
    const recording = await record();
    if (recording) uploads.add(recording);
    await s3.until(() => s3.objects.has(OBJECT));
    t.equal(slow.most, 2, 'two at a time of one account');
    await until(async () => sink.alerts.some(({ message }) => message.includes('aborted due to timeout')));
  },
);

t.test('a recording that cannot be stored for too long is set aside for the operator, with an alert', async (t) => {
  const { dir, sink, start, record } = await bench(t);
  await record();
  start({ storageOf: () => undefined, keepMs: 1_000 });
  await until(async () => (await readdir(dir)).join() === 'undelivered');
  const kept = await readdir(join(dir, 'undelivered'));
  t.match(kept.sort(), [/^[\w-]+\.json$/, /^[\w-]+\.wav$/]);
  t.match(sink.alerts, [{ alertType: 'recording-failure', message: /is given up.*no storage/ }]);
});

t.test('what one account has waiting is bounded: its next recording fails, that of another begins', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'ringwire-spool-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const recordings = await Recordings.open({
    ...{ spoolDir: dir, allowPrivate: true, sink: new CollectingSink(), logger: silentLogger },
    snapshot: () => ({ accountsBySid: new Map() }),
    maxWaitingBytes: 40_000,
  });
  t.teardown(() => recordings.close());
  const record = async (accountSid: string): Promise<void> => {
    const file = await recordings.begin({ ...ENTRY, accountSid, startedAtMs: Date.now() });
    file.append(SOUND);
    await recordings.finish(file);
  };
  await record('acc-1');
  await record('acc-1');
  await t.rejects(record('acc-1'), { code: 'recordings/spool', message: /0 MB of the account's recordings/ });
  await record('acc-2');
});

t.test('a recording whose disk fails says so and keeps what is there', async (t) => {
  const { spool } = await bench(t);
  const file = await spool.create(ENTRY);
  file.append(SOUND);
  t.throws(
    () => {
      for (let i = 0; i < 1_000; i++) file.append(SOUND);
    },
    { code: 'recordings/spool', message: /the disk takes nothing/ },
  );
  t.ok((await file.finish())?.sizeBytes);
});

/** Takes what it is given as long as nobody says that it is enough. */
class SlowStorage implements RecordingStorage {
  readonly name = 'slow';
  most = 0;
  #now = 0;

  constructor(private readonly tells: Channel<() => void>) {}

  async put(_key: string, _file: unknown, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.most = Math.max(this.most, ++this.#now);
    try {
      await new Promise<void>((resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
        this.tells.post(resolve);
      });
    } finally {
      this.#now--;
    }
  }

  async get(): Promise<undefined> {
    return undefined;
  }

  async remove(): Promise<boolean> {
    return false;
  }
}

/** Looks again until it is so; fails after ten seconds. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const giveUpAt = Date.now() + 10_000; Date.now() < giveUpAt; ) {
    if (await isSo()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('it did not come about within 10 s');
}
