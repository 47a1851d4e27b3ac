import { randomUUID } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Database, DecryptionError, decryptSecret, HttpError, isEncrypted } from '@ringwire/common';
import { parseBucketCredential } from '@ringwire/common/recordings/bucket-credential.js';
import { StorageError } from '@ringwire/common/recordings/errors.js';
import { type RecordingName, recordingKey } from '@ringwire/common/recordings/recording-place.js';
import { bucketStorage, type RecordingStorage } from '@ringwire/common/recordings/storage.js';
import type { Request, Router } from 'express';
import type { ApiContext } from '../api-server.js';
import { principalOf, requireAccount } from '../auth/authenticate.js';
import { findCall } from '../call-history/call-history-store.js';
import { badField, bodyOf, pathParam } from '../http/input.js';

const RECORDING = '/Accounts/:account_sid/RecentCalls/:call_sid/record/:year/:month/:day/:format';
const TEST_DEADLINE_MS = 15_000;

/** A recording that a request names, and the storage of its account. */
interface Found {
  name: RecordingName;
  storage: RecordingStorage;
  /** The call whose record names it. */
  callSid: string;
}

/** Recordings of calls: to fetch and to remove; and whether a bucket can be used. */
export function recordingRoutes(router: Router, context: ApiContext): void {
  const { db, recordings, messages } = context;

  router.get(RECORDING, async (req, res) => {
    await requireAccount(db, principalOf(res), pathParam(req, 'account_sid'));
    const { name, storage } = await find(req, context);
    const aborted = new AbortController();
    res.once('close', () => aborted.abort());
    const found = await storage.get(recordingKey(name), aborted.signal).catch(explain);
    if (!found) throw new HttpError(404, 'there is no such recording');
    res.set({
      'Content-Type': name.format === 'mp3' ? 'audio/mpeg' : 'audio/wav',
      'Content-Disposition': `attachment; filename="${name.callSid.replace(/[^\w.-]/g, '_')}.${name.format}"`,
      'Cache-Control': 'no-store',
      ...(found.sizeBytes !== undefined && { 'Content-Length': String(found.sizeBytes) }),
    });
    // What breaks off on the way breaks the connection: its length tells the client.
    await pipeline(found.body, res).catch(() => res.destroy());
  });

  router.delete(RECORDING, async (req, res) => {
    await requireAccount(db, principalOf(res), pathParam(req, 'account_sid'));
    const { name, storage, callSid } = await find(req, context);
    if (!(await storage.remove(recordingKey(name)).catch(explain)))
      throw new HttpError(404, 'there is no such recording');
    if (callSid === name.callSid) {
      const about = { callSid, accountSid: name.accountSid };
      messages.sink.emit('call.recorded', { callSid, recordingUrl: null }, about);
    }
    res.status(204).end();
  });

  router.post('/Accounts/:account_sid/BucketCredentialTest', async (req, res) => {
    await requireAccount(db, principalOf(res), pathParam(req, 'account_sid'));
    const parsed = parseBucketCredential(bodyOf(req));
    if (!parsed.ok) throw badField(parsed.field, parsed.reason);
    res.json(await tryStorage(bucketStorage(parsed.credential, recordings.guard)));
  });
}

async function find(req: Request, { db, recordings, encryptionSecret }: ApiContext): Promise<Found> {
  const accountSid = pathParam(req, 'account_sid');
  const sid = pathParam(req, 'call_sid');
  const [year, month, day, format] = ['year', 'month', 'day', 'format'].map((part) => pathParam(req, part));
  if (format !== 'wav' && format !== 'mp3') throw new HttpError(404, 'recordings are wav or mp3');
  if (!/^\d{4}\/\d\d\/\d\d$/.test(`${year}/${month}/${day}`)) throw new HttpError(404, 'the day must be yyyy/mm/dd');
  // The second recording of a call is `<call_sid>-2`.
  const call = (await findCall(db, accountSid, sid)) ?? (await findCall(db, accountSid, sid.replace(/-\d{1,2}$/, '')));
  if (!call) throw new HttpError(404, `there is no call ${sid}`);
  const bucketCredential = await storedCredential(db, accountSid, encryptionSecret);
  const storage = storageOf(() => recordings.storages.of({ accountSid, bucketCredential }));
  if (!storage) throw new HttpError(404, 'the account has no storage for recordings');
  const name = { accountSid, callSid: sid, year: year ?? '', month: month ?? '', day: day ?? '', format } as const;
  return { name, storage, callSid: call.call_sid };
}

function storageOf(open: () => RecordingStorage | undefined): RecordingStorage | undefined {
  try {
    return open();
  } catch (error) {
    return explain(error);
  }
}

/** The account's own credential in plain text; null where it has none. */
async function storedCredential(
  db: Database,
  accountSid: string,
  secret: ApiContext['encryptionSecret'],
): Promise<string | null> {
  const [row] = await db.query<{ bucket_credential: string | null }>(
    'SELECT bucket_credential FROM accounts WHERE account_sid = ?',
    [accountSid],
  );
  const stored = row?.bucket_credential ?? null;
  if (stored === null || !isEncrypted(stored)) return stored;
  try {
    return decryptSecret(stored, secret);
  } catch (error) {
    if (error instanceof DecryptionError) throw new HttpError(500, 'bucket_credential cannot be decrypted');
    throw error;
  }
}

/** Writes a small object and removes it again. */
async function tryStorage(storage: RecordingStorage): Promise<{ status: 'ok' | 'failed'; reason?: string }> {
  const text = 'Ringwire can write here.';
  const path = join(tmpdir(), `ringwire-${randomUUID()}.txt`);
  const key = `ringwire-test-${randomUUID()}.txt`;
  const signal = AbortSignal.timeout(TEST_DEADLINE_MS);
  try {
    await writeFile(path, text);
    await storage.put(key, { path, sizeBytes: text.length, contentType: 'text/plain', metadata: {} }, signal);
    // Whether objects may be removed is of no importance here.
    await storage.remove(key, signal).catch(() => false);
    return { status: 'ok' };
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return { status: 'failed', reason: error.message };
  } finally {
    await rm(path, { force: true });
  }
}

/** What a storage says becomes the answer of a gateway. */
function explain(error: unknown): never {
  if (error instanceof StorageError) throw new HttpError(502, error.message);
  throw error;
}
