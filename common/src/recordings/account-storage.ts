import { AddressGuard, type AllowPrivate } from '../http/address-guard.js';
import { parseBucketCredential } from './bucket-credential.js';
import { StorageError } from './errors.js';
import { FileStorage } from './file-storage.js';
import { below, bucketStorage, type RecordingStorage } from './storage.js';

/** Where recordings go of accounts that have no bucket of their own. */
export interface DefaultStorage {
  /** A credential as JSON, in the words of the REST API. */
  bucket?: string | undefined;
  /** A folder; a bucket goes before it. */
  folder?: string | undefined;
}

/**
 * The operator's storage, whose address is the operator's own business; undefined without one.
 * @throws TypeError when `bucket` cannot be read
 */
export function operatorStorage({ bucket, folder }: DefaultStorage): RecordingStorage | undefined {
  if (bucket === undefined) return folder === undefined ? undefined : new FileStorage(folder);
  let value: unknown;
  try {
    value = JSON.parse(bucket);
  } catch (cause) {
    throw new TypeError('RECORDINGS_BUCKET is not JSON', { cause });
  }
  const parsed = parseBucketCredential(value);
  if (!parsed.ok) throw new TypeError(`RECORDINGS_BUCKET: ${parsed.field} ${parsed.reason}`);
  return bucketStorage(parsed.credential, new AddressGuard({ allowPrivate: true }));
}

/** Finds each account's storage. */
export class AccountStorages {
  readonly #operator: RecordingStorage | undefined;
  readonly #guard: AddressGuard;
  /** By credential, as it stands: a storage keeps its token. */
  readonly #buckets = new Map<string, RecordingStorage>();

  constructor(options: DefaultStorage & { allowPrivate: AllowPrivate }) {
    this.#operator = operatorStorage(options);
    this.#guard = new AddressGuard({ allowPrivate: options.allowPrivate });
  }

  /**
   * Where an account's recordings are; undefined where it has no storage, nor has the operator one.
   * @throws StorageError when the account's credential cannot be used
   */
  of(account: { accountSid: string; bucketCredential?: string | null }): RecordingStorage | undefined {
    const { accountSid, bucketCredential } = account;
    if (!bucketCredential) return this.#operator && below(this.#operator, accountSid);
    const known = this.#buckets.get(bucketCredential);
    if (known) return known;
    const parsed = parseBucketCredential(asJson(bucketCredential));
    if (!parsed.ok)
      throw new StorageError(`bucket_credential of the account: ${parsed.field} ${parsed.reason}`, {
        retryable: false,
      });
    if (this.#buckets.size >= MAX_KEPT) this.#buckets.clear();
    const storage = bucketStorage(parsed.credential, this.#guard);
    this.#buckets.set(bucketCredential, storage);
    return storage;
  }
}

/** More are made again when they are needed. */
const MAX_KEPT = 1_000;

function asJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
