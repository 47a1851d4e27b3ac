import { createHmac, createVerify, generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import t, { type Test } from 'tap';
import { AddressGuard } from '../http/address-guard.js';
import { FakeS3 } from '../testing/fake-s3.js';
import { AccountStorages, operatorStorage } from './account-storage.js';
import { maskedCredential, parseBucketCredential } from './bucket-credential.js';
import { recordingKey, recordingName, recordingPath } from './recording-place.js';
import { bucketStorage, type RecordingStorage, type StoredFile } from './storage.js';

const guard = new AddressGuard({ allowPrivate: true });
const CALL = { accountSid: 'acc-1', callSid: 'call-1', format: 'wav' as const };
const KEY = recordingKey(recordingName(CALL, Date.UTC(2026, 1, 3)));

function storageOf(value: unknown, judge = guard): RecordingStorage {
  const parsed = parseBucketCredential(value);
  if (!parsed.ok) throw new Error(`${parsed.field} ${parsed.reason}`);
  return bucketStorage(parsed.credential, judge);
}

async function fileWith(t: Test, text: string): Promise<StoredFile> {
  const dir = await mkdtemp(join(tmpdir(), 'ringwire-storage-'));
  t.teardown(() => rm(dir, { recursive: true, force: true }));
  const path = join(dir, 'a.wav');
  await writeFile(path, text);
  return { path, sizeBytes: text.length, contentType: 'audio/wav', metadata: { callSid: 'call-1', from: 'Jörg' } };
}

/** What may be written, read and removed in any storage. */
async function keeps(t: Test, storage: RecordingStorage): Promise<void> {
  const file = await fileWith(t, 'a recording');
  t.equal(await storage.get(KEY), undefined);
  t.equal(await storage.remove(KEY), false);
  await storage.put(KEY, file);
  await storage.put(KEY, file);
  const found = await storage.get(KEY);
  t.equal(found?.sizeBytes, file.sizeBytes);
  t.equal(String(found && (await buffer(found.body))), 'a recording');
  t.equal(await storage.remove(KEY), true);
  t.equal(await storage.get(KEY), undefined);
}

/** A web server that answers as told. */
async function webServer(
  t: Test,
  answer: (request: IncomingMessage, body: Buffer) => { status: number; body?: Buffer | string },
): Promise<string> {
  const server = createServer(async (request, response) => {
    const { status, body = '' } = answer(request, await buffer(request));
    response.writeHead(status, { 'Content-Length': Buffer.byteLength(body) }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

t.test('S3: objects are written with signature, tags and metadata, read and removed', async (t) => {
  const s3 = await FakeS3.start(t);
  await keeps(t, storageOf(s3.credential('calls')));
  const storage = storageOf({ ...s3.credential('calls'), region: 'eu-1', tags: [{ Key: 'team', Value: 'a & b' }] });
  await storage.put('2026/02/03/a b(1).wav', await fileWith(t, 'x'));
  const written = s3.objects.get('/calls/2026/02/03/a%20b%281%29.wav');
  t.match(written?.headers, {
    'content-type': 'audio/wav',
    'x-amz-tagging': 'team=a%20%26%20b',
    'x-amz-meta-call-sid': 'call-1',
    'x-amz-meta-from': 'J%C3%B6rg',
  });
});

t.test('S3: a wrong key is refused for good, a busy or absent server for now', async (t) => {
  const s3 = await FakeS3.start(t);
  const file = await fileWith(t, 'x');
  const wrong = storageOf({ ...s3.credential('calls'), secret_access_key: 'guess' });
  const said = { message: /bucket calls of s3_compatible: 403 SignatureDoesNotMatch The signature/, retryable: false };
  await t.rejects(wrong.put(KEY, file), said);
  s3.failures.push(503);
  const right = storageOf(s3.credential('calls'));
  await t.rejects(right.put(KEY, file), { message: /503 SlowDown/, retryable: true });
  const gone = storageOf({ ...s3.credential('calls'), endpoint: 'http://127.0.0.1:1' });
  await t.rejects(gone.put(KEY, file), {
    message: /127\.0\.0\.1:1 cannot be reached: .*ECONNREFUSED/,
    retryable: true,
  });
  const guarded = storageOf(s3.credential('calls'), new AddressGuard({ allowPrivate: false }));
  await t.rejects(guarded.put(KEY, file), { message: /private address 127\.0\.0\.1/, retryable: false });
});

t.test('Google: the key of a service account gets a token, which is used until it ends', async (t) => {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  let tokens = 0;
  const objects = new Map<string, Buffer>();
  const origin = await webServer(t, ({ method, url = '', headers }, body) => {
    if (url === '/token') {
      const jwt = new URLSearchParams(String(body)).get('assertion') ?? '';
      const [head, claims = '', signature = ''] = jwt.split('.');
      const verify = createVerify('RSA-SHA256').update(`${head}.${claims}`);
      if (!verify.verify(publicKey, signature, 'base64url')) return { status: 401 };
      t.match(JSON.parse(Buffer.from(claims, 'base64url').toString()), {
        iss: 'svc@example.com',
        aud: `${origin}/token`,
      });
      tokens += 1;
      return { status: 200, body: JSON.stringify({ access_token: 'tok', expires_in: 3600 }) };
    }
    if (headers.authorization !== 'Bearer tok') return { status: 401 };
    const known = objects.get(url);
    if (method === 'PUT') {
      objects.set(url, body);
      return { status: 200 };
    }
    if (!known) return { status: 404 };
    if (method === 'DELETE') return { status: objects.delete(url) ? 204 : 404 };
    return { status: 200, body: known };
  });
  const parsed = parseBucketCredential({
    vendor: 'google',
    name: 'calls',
    service_key: JSON.stringify({
      client_email: 'svc@example.com',
      private_key: privateKey.export({ type: 'pkcs8', format: 'pem' }),
      token_uri: `${origin}/token`,
    }),
  });
  if (!parsed.ok || parsed.credential.vendor !== 'google') throw new Error('no credential');
  await keeps(t, bucketStorage({ ...parsed.credential, endpoint: origin }, guard));
  t.equal(tokens, 1);
  const broken = { ...parsed.credential, serviceKey: { ...parsed.credential.serviceKey, privateKey: 'none' } };
  await t.rejects(bucketStorage(broken, guard).get(KEY), { message: /private_key .* is no key/, retryable: false });
});

t.test('Azure: requests are signed with the key of the account, or carry its shared access signature', async (t) => {
  const key = Buffer.from('secret of the account');
  const blobs = new Map<string, Buffer>();
  const isSigned = ({ method, headers, url = '' }: IncomingMessage): boolean => {
    if (url.endsWith('?sv=1&sig=abc')) return true;
    const canonical = Object.keys(headers)
      .filter((name) => name.startsWith('x-ms-'))
      .sort()
      .map((name) => `${name}:${headers[name]}`);
    const length = headers['content-length'] ?? '';
    const text = [
      method,
      '',
      '',
      length,
      '',
      headers['content-type'] ?? '',
      '',
      '',
      '',
      '',
      '',
      '',
      ...canonical,
      `/acme${url}`,
    ];
    return (
      headers.authorization === `SharedKey acme:${createHmac('sha256', key).update(text.join('\n')).digest('base64')}`
    );
  };
  const origin = await webServer(t, (request, body) => {
    if (!isSigned(request)) return { status: 403, body: '<Error><Code>AuthenticationFailed</Code></Error>' };
    const path = String(request.url).split('?')[0] ?? '';
    const known = blobs.get(path);
    if (request.method === 'PUT') {
      t.equal(request.headers['x-ms-blob-type'], 'BlockBlob');
      blobs.set(path, body);
      return { status: 201 };
    }
    if (!known) return { status: 404 };
    if (request.method === 'DELETE') return { status: blobs.delete(path) ? 202 : 404 };
    return { status: 200, body: known };
  });
  const withKey = `BlobEndpoint=${origin};AccountName=acme;AccountKey=${key.toString('base64')};`;
  await keeps(t, storageOf({ vendor: 'azure', name: 'calls', connection_string: withKey }));
  const shared = `BlobEndpoint=${origin}/;SharedAccessSignature=?sv=1&sig=abc`;
  await keeps(t, storageOf({ vendor: 'azure', name: 'calls', connection_string: shared }));
  const none = storageOf({ vendor: 'azure', name: 'calls', connection_string: 'AccountName=acme' });
  await t.rejects(none.get(KEY), /connection_string must have/);
});

t.test(
  'the operator may keep recordings in a folder, each account below its sid; a bucket of an account goes before',
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'ringwire-recordings-'));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const storages = new AccountStorages({ folder, allowPrivate: true });
    const own = storages.of({ accountSid: 'acc-1', bucketCredential: null });
    if (!own) throw new Error('no storage');
    await keeps(t, own);
    await own.put(KEY, await fileWith(t, 'x'));
    t.same(await readdir(join(folder, 'acc-1/2026/02/03')), ['call-1.wav']);
    await t.rejects(own.get('../../../etc/passwd'), /no key/);
    const s3 = await FakeS3.start(t);
    const account = { accountSid: 'acc-2', bucketCredential: JSON.stringify(s3.credential('calls')) };
    t.equal(storages.of(account)?.name, 'bucket calls of s3_compatible');
    t.equal(storages.of(account), storages.of(account), 'made once');
    t.throws(
      () => storages.of({ accountSid: 'acc-3', bucketCredential: 'unreadable' }),
      /bucket_credential of the account/,
    );
    t.equal(new AccountStorages({ allowPrivate: true }).of({ accountSid: 'acc-1' }), undefined);
    t.throws(() => operatorStorage({ bucket: '{"vendor":"tape"}' }), /RECORDINGS_BUCKET: vendor must be one of aws_s3/);
  },
);

t.test('a credential that cannot be used names its field, and secrets are not shown', async (t) => {
  const s3 = { vendor: 'aws_s3', name: 'calls', region: 'eu-west-1', access_key_id: 'a', secret_access_key: 'b' };
  const faults: [unknown, string][] = [
    ['text', 'bucket_credential'],
    [{ vendor: 'none' }, 'vendor'],
    [{ ...s3, region: 'evil.example.com/' }, 'region'],
    [{ ...s3, name: '../x' }, 'name'],
    [{ ...s3, colour: 'red' }, 'colour'],
    [{ ...s3, tags: [{ Key: 'a' }] }, 'tags'],
    [{ ...s3, secret_access_key: '' }, 'secret_access_key'],
    [{ ...s3, vendor: 's3_compatible', endpoint: 'https://u:p@host/path' }, 'endpoint'],
    [{ vendor: 'google', name: 'calls', service_key: '{}' }, 'service_key'],
    [{ vendor: 'azure', name: 'calls' }, 'connection_string'],
  ];
  for (const [value, field] of faults) t.match(parseBucketCredential(value), { ok: false, field }, field);
  t.ok(parseBucketCredential(s3).ok);
  t.match(maskedCredential(s3, '***'), { secret_access_key: '***', access_key_id: 'a' });
  t.equal(recordingPath(recordingName(CALL, 0)), '/Accounts/acc-1/RecentCalls/call-1/record/1970/01/01/wav');
});
