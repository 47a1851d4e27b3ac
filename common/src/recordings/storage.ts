import type { Readable } from 'node:stream';
import type { AddressGuard } from '../http/address-guard.js';
import { AzureStorage } from './azure-storage.js';
import type { BucketCredential } from './bucket-credential.js';
import { GoogleStorage } from './google-storage.js';
import { S3Storage } from './s3-storage.js';

/** A file on its way into a storage. */
export interface StoredFile {
  path: string;
  sizeBytes: number;
  contentType: string;
  /** What is written beside it; names in camelCase. */
  metadata: Readonly<Record<string, string>>;
}

/** What a storage hands out. The reader takes the body to its end, or destroys it. */
export interface StoredObject {
  body: Readable;
  sizeBytes?: number;
}

/** Where recordings are kept. Keys are parts separated by `/`. */
export interface RecordingStorage {
  /** For people: `bucket calls of aws_s3`. */
  readonly name: string;
  /**
   * Writes a whole object, or nothing of it.
   * @throws StorageError
   */
  put(key: string, file: StoredFile, signal?: AbortSignal): Promise<void>;
  /** @returns undefined when there is none @throws StorageError */
  get(key: string, signal?: AbortSignal): Promise<StoredObject | undefined>;
  /** @returns whether there was one @throws StorageError */
  remove(key: string, signal?: AbortSignal): Promise<boolean>;
}

/** The storage of a credential. @param guard - judges where it is */
export function bucketStorage(credential: BucketCredential, guard: AddressGuard): RecordingStorage {
  switch (credential.vendor) {
    case 'aws_s3':
    case 's3_compatible':
      return new S3Storage(credential, guard);
    case 'google':
      return new GoogleStorage(credential, guard);
    case 'azure':
      return new AzureStorage(credential, guard);
  }
}

/** Objects below a folder of another storage. */
export function below(storage: RecordingStorage, folder: string): RecordingStorage {
  return {
    name: storage.name,
    put: (key, file, signal) => storage.put(`${folder}/${key}`, file, signal),
    get: (key, signal) => storage.get(`${folder}/${key}`, signal),
    remove: (key, signal) => storage.remove(`${folder}/${key}`, signal),
  };
}
