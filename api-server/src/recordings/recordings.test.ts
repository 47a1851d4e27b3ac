import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CallEnded, loadProvisioning, storeEvents } from '@ringwire/common';
import { AccountStorages } from '@ringwire/common/recordings/account-storage.js';
import { FakeS3 } from '@ringwire/common/testing/fake-s3.js';
import { SEED } from '@ringwire/common/testing/provisioned.js';
import { until } from '@ringwire/common/testing/until.js';
import t from 'tap';
import { startTestApi } from '../testing/api.js';

const folder = await mkdtemp(join(tmpdir(), 'ringwire-api-recordings-'));
t.teardown(() => rm(folder, { recursive: true, force: true }));
const s3 = await FakeS3.start(t);
const api = await startTestApi({ recordings: { folder, allowPrivate: true } });
t.teardown(() => api.stop());
const { account, admin, stranger, serviceProvider, server, db } = api;

const own = `/v1/Accounts/${SEED.accountSid}`;
const DAY = '2026/02/03';
const url = (sid: string, rest = `${DAY}/wav`) => `${own}/RecentCalls/${sid}/record/${rest}`;
const ended: CallEnded = {
  callSid: 'call-1',
  accountSid: SEED.accountSid,
  serviceProviderSid: SEED.serviceProviderSid,
  applicationSid: null,
  voipCarrierSid: null,
  direction: 'inbound',
  from: '1',
  to: '2',
  sipCallId: 'x',
  trunk: 'carrier',
  remoteHost: '127.0.0.1',
  host: '127.0.0.2',
  attemptedAt: Date.UTC(2026, 1, 3),
  owner: 'edge',
  answered: true,
  answeredAt: Date.UTC(2026, 1, 3),
  terminatedAt: Date.UTC(2026, 1, 3),
  durationSec: 1,
  sipStatus: 200,
  sipReason: 'OK',
  terminationReason: 'caller hungup',
};
await storeEvents(db, [
  { id: '00000000-0000-4000-8000-000000000001', type: 'call.ended', at: 0, source: 'test', data: ended },
  {
    ...{ id: '00000000-0000-4000-8000-000000000002', type: 'call.recorded', at: 0, source: 'test' },
    data: { callSid: 'call-1', recordingUrl: url('call-1').slice('/v1'.length) },
  },
]);

async function store(bucketCredential: string | null, key: string, text: string): Promise<void> {
  const path = join(folder, 'draft');
  await writeFile(path, text);
  const storage = new AccountStorages({ folder, allowPrivate: true }).of({
    accountSid: SEED.accountSid,
    bucketCredential,
  });
  await storage?.put(key, { path, sizeBytes: text.length, contentType: 'audio/wav', metadata: {} });
}

const fetched = (path: string) =>
  fetch(`${server.url}${path}`, { headers: { authorization: `Bearer ${SEED.accountToken}` } });

t.test("a recording is handed out to whom its call belongs, from the operator's folder, and removed", async (t) => {
  await store(null, `${DAY}/call-1.wav`, 'sound');
  await store(null, `${DAY}/call-1-2.wav`, 'more sound');
  const named = (await account('GET', `${own}/RecentCalls/call-1`)).body as { recording_url: string };
  const answer = await fetched(`/v1${named.recording_url}`);
  t.equal(await answer.text(), 'sound');
  t.match(Object.fromEntries(answer.headers), {
    'content-type': 'audio/wav',
    'content-length': '5',
    'content-disposition': 'attachment; filename="call-1.wav"',
  });
  t.equal(await (await fetched(url('call-1-2'))).text(), 'more sound');
  t.equal((await stranger('GET', url('call-1'))).status, 403);
  t.equal((await stranger('DELETE', url('call-1'))).status, 403);
  for (const [path, msg] of [
    [url('nobody'), /no call nobody/],
    [url('call-1', `${DAY}/ogg`), /wav or mp3/],
    [url('call-1', `${DAY}/mp3`), /no such recording/],
    [url('call-1', '..%2f..%2f/02/03/wav'), /yyyy\/mm\/dd/],
  ] as const)
    t.match(await admin('GET', path), { status: 404, body: { msg } }, path);
  t.equal((await account('DELETE', url('call-1'))).status, 204);
  t.equal((await account('DELETE', url('call-1'))).status, 404);
  await until('the record to forget it', async () => {
    const { body } = await account('GET', `${own}/RecentCalls/call-1`);
    return (body as { recording_url: string | null }).recording_url === null;
  });
});

t.test("an account's bucket: given, shown without its secrets, tried, used, and taken away again", async (t) => {
  const credential = s3.credential('calls');
  const tested = await account('POST', `${own}/BucketCredentialTest`, credential);
  t.same(tested, { status: 200, body: { status: 'ok' } });
  t.equal(s3.objects.size, 0, 'nothing is left of the test');
  t.match(await account('POST', `${own}/BucketCredentialTest`, { ...credential, secret_access_key: 'guess' }), {
    body: { status: 'failed', reason: /403 SignatureDoesNotMatch/ },
  });
  const put = (who: typeof account, body: object) => who('PUT', own, body);
  const change = { bucket_credential: credential, record_all_calls: true, record_format: 'wav' };
  t.equal((await put(account, change)).status, 204);
  const read = (await account('GET', own)).body as Record<string, unknown>;
  t.match(read, { ...change, bucket_credential: { ...credential, secret_access_key: '******' } });
  t.equal((await put(serviceProvider, read)).status, 204, 'the whole account may be sent back');
  const refused = async (body: object, msg: RegExp) =>
    t.match(await put(account, body), { status: 400, body: { msg } });
  const moved = { ...(read.bucket_credential as object), endpoint: 'http://127.0.0.1:1' };
  await refused({ bucket_credential: moved }, /^bucket_credential.secret_access_key: must be given again/);
  await refused({ bucket_credential: { vendor: 'tape' } }, /^bucket_credential.vendor: must be one of/);
  await refused({ bucket_credential: 'text' }, /^bucket_credential/);
  await refused({ record_format: 'ogg' }, /^record_format: must be one of mp3, wav/);
  const provisioning = await loadProvisioning({
    ...{ db, redis: api.redis, logger: api.logger, encryptionSecret: 'key material' },
  });
  t.teardown(() => provisioning.close());
  const row = provisioning.snapshot().accountsBySid.get(SEED.accountSid);
  t.match(row, { recordAllCalls: true, recordFormat: 'wav', bucketCredential: JSON.stringify(credential) });
  const [stored] = await db.query<{ text: string }>(
    'SELECT bucket_credential AS text FROM accounts WHERE account_sid = ?',
    [SEED.accountSid],
  );
  t.notMatch(stored?.text, /wJalr/, 'it is encrypted at rest');
  await store(JSON.stringify(credential), `${DAY}/call-1.wav`, 'in the bucket');
  t.equal(await (await fetched(url('call-1'))).text(), 'in the bucket');
  s3.failures.push(503);
  t.match(await account('GET', url('call-1')), { status: 502, body: { msg: /503 SlowDown/ } });
  t.equal((await put(account, { bucket_credential: { vendor: 'none' }, record_all_calls: false })).status, 204);
  t.match((await account('GET', own)).body, { bucket_credential: null, record_all_calls: false });
});
