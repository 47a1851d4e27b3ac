import { randomBytes } from 'node:crypto';
import { copyFile, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, resolve, sep } from 'node:path';
import { StorageError } from './errors.js';
import type { RecordingStorage, StoredFile, StoredObject } from './storage.js';

/** A folder. What stands in `metadata` is not kept. */
export class FileStorage implements RecordingStorage {
  readonly name: string;

  constructor(private readonly folder: string) {
    this.name = `folder ${folder}`;
  }

  async put(key: string, file: StoredFile): Promise<void> {
    const path = this.#pathOf(key);
    const draft = `${path}.${randomBytes(4).toString('hex')}.draft`;
    try {
      await mkdir(dirname(path), { recursive: true });
      await copyFile(file.path, draft);
      const handle = await open(draft, 'r+');
      await handle.sync().finally(() => handle.close());
      // Nobody sees half a recording under its name.
      await rename(draft, path);
    } catch (cause) {
      await rm(draft, { force: true });
      throw failure(this.name, cause);
    }
  }

  async get(key: string): Promise<StoredObject | undefined> {
    try {
      const handle = await open(this.#pathOf(key), 'r');
      const { size } = await handle.stat();
      return { body: handle.createReadStream(), sizeBytes: size };
    } catch (cause) {
      if (isMissing(cause)) return undefined;
      throw failure(this.name, cause);
    }
  }

  async remove(key: string): Promise<boolean> {
    try {
      await rm(this.#pathOf(key));
      return true;
    } catch (cause) {
      if (isMissing(cause)) return false;
      throw failure(this.name, cause);
    }
  }

  #pathOf(key: string): string {
    const root = resolve(this.folder);
    const path = resolve(root, key);
    if (!path.startsWith(`${root}${sep}`)) throw new StorageError(`${this.name}: no key: ${key}`, { retryable: false });
    return path;
  }
}

const isMissing = (cause: unknown): boolean => (cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';

/** A disk that is full or away may come back. */
function failure(name: string, cause: unknown): StorageError {
  const text = cause instanceof Error ? cause.message : String(cause);
  return new StorageError(`${name}: ${text}`, { retryable: true }, { cause });
}
