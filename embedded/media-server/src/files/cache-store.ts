import { createHash, randomUUID } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { CachePolicy } from './cache-policy.js';
import { makeFolders } from './folders.js';

/** A file that is kept. */
export interface CacheEntry extends CachePolicy {
  url: string;
  /** Name of the file with the content: another with every content, so that what plays the old one is not disturbed. */
  file: string;
  bytes: number;
}

const SUFFIX = '.entry.json';
/** The time of use is written to disk at most this often. */
const TOUCH_EVERY_MS = 60_000;

/**
 * The files of a URL cache on disk, with what is known of each; the least recently used go when they become too many bytes. Survives a restart.
 * A file that somebody holds stays until the last has released it, whatever becomes of its entry.
 */
export class CacheStore {
  readonly folder: string;
  readonly #maxBytes: number;
  readonly #maxPassingBytes: number;
  /** By key, the least recently used first. */
  readonly #entries = new Map<string, CacheEntry>();
  readonly #touchedMs = new Map<string, number>();
  /** How many hold a file. */
  readonly #holders = new Map<string, number>();
  /** Bytes of files that go when nobody holds them any more. */
  readonly #passing = new Map<string, number>();
  #bytes = 0;
  #passingBytes = 0;
  #loaded: Promise<void> | undefined;

  /** `maxBytes` bounds what is kept, `maxPassingBytes` what is there beside that: being fetched, or held but no longer kept. */
  constructor(folder: string, maxBytes: number, maxPassingBytes: number) {
    this.folder = folder;
    this.#maxBytes = maxBytes;
    this.#maxPassingBytes = maxPassingBytes;
  }

  /** Bytes of all files that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What is known of a URL; its file is held for the caller, who releases it. */
  async find(url: string): Promise<CacheEntry | undefined> {
    await this.#load();
    const key = keyOf(url);
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.hold(entry.file);
    const there = await stat(this.pathOf(entry.file)).catch(() => undefined);
    const isKept = this.#entries.get(key) === entry;
    if (there?.size === entry.bytes) return isKept ? this.#use(key, entry) : entry;
    if (isKept) await this.remove(url);
    await this.release(entry.file);
    return undefined;
  }

  /** Keeps a file on disk until as many have released it. */
  hold(file: string, times = 1): void {
    this.#holders.set(file, (this.#holders.get(file) ?? 0) + times);
  }

  /** Ends one {@link hold}; resolves when the file is deleted, if it was the last of one that is not kept. */
  async release(file: string): Promise<void> {
    const holders = (this.#holders.get(file) ?? 0) - 1;
    if (holders > 0) {
      this.#holders.set(file, holders);
      return;
    }
    this.#holders.delete(file);
    if (this.#forgetPassing(file)) await this.#delete(file);
  }

  /** Takes room for bytes that are fetched; false when there is none. */
  reserve(bytes: number): boolean {
    if (this.#passingBytes + bytes > this.#maxPassingBytes) return false;
    this.#passingBytes += bytes;
    return true;
  }

  /** Gives back room of what was not fetched to its end. */
  giveBack(bytes: number): void {
    this.#passingBytes -= bytes;
  }

  /** Takes over a file that was fetched whole into reserved room: held for the caller, and deleted after that unless it is {@link put}. */
  adopt(file: string, bytes: number): void {
    this.hold(file);
    this.#passing.set(file, bytes);
  }

  /** Where a file is. */
  pathOf(file: string): string {
    return join(this.folder, file);
  }

  /** A new name for a URL's content; its extension tells the format of what has no header. */
  newFile(url: string): string {
    const extension = /^\.\w{1,8}$/.exec(extname(new URL(url).pathname))?.[0] ?? '';
    return `${keyOf(url)}-${randomUUID().slice(0, 8)}${extension}`;
  }

  /** Keeps an entry whose file is complete, in the place of the one before; what is larger than the whole cache is not kept. */
  async put(entry: CacheEntry): Promise<void> {
    await this.#load();
    const key = keyOf(entry.url);
    const old = this.#entries.get(key);
    if (entry.bytes > this.#maxBytes) {
      await this.remove(entry.url);
      return;
    }
    this.#entries.delete(key);
    if (old) this.#bytes -= old.bytes;
    this.#forgetPassing(entry.file);
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
    if (old && old.file !== entry.file) await this.#discard(old);
    await this.#write(key, entry);
    for (const [oldKey, oldest] of this.#entries) {
      if (this.#bytes <= this.#maxBytes || oldKey === key) break;
      await this.remove(oldest.url);
    }
  }

  /** Forgets a URL. */
  async remove(url: string): Promise<void> {
    const key = keyOf(url);
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#touchedMs.delete(key);
    this.#bytes -= entry.bytes;
    await this.#discard(entry);
    await rm(join(this.folder, key + SUFFIX), { force: true });
  }

  /** Deletes what is not kept, whoever holds it. */
  async close(): Promise<void> {
    await Promise.all([...this.#passing.keys()].map((file) => this.#delete(file)));
  }

  async #discard({ file, bytes }: CacheEntry): Promise<void> {
    if (!this.#holders.has(file)) {
      await this.#delete(file);
      return;
    }
    this.#passing.set(file, bytes);
    this.#passingBytes += bytes;
  }

  #forgetPassing(file: string): boolean {
    const bytes = this.#passing.get(file);
    if (bytes === undefined) return false;
    this.#passing.delete(file);
    this.#passingBytes -= bytes;
    return true;
  }

  async #delete(file: string): Promise<void> {
    // What cannot be deleted now is when the cache is opened the next time: it has no entry.
    await rm(join(this.folder, file), { force: true }).catch(() => undefined);
  }

  #use(key: string, entry: CacheEntry): CacheEntry {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    const now = Date.now();
    if (now - (this.#touchedMs.get(key) ?? 0) > TOUCH_EVERY_MS) {
      this.#touchedMs.set(key, now);
      // Only for the order in which files are given up after a restart; a file that is gone is fetched again.
      void utimes(join(this.folder, key + SUFFIX), new Date(), new Date()).catch(() => undefined);
    }
    return entry;
  }

  async #write(key: string, entry: CacheEntry): Promise<void> {
    const path = join(this.folder, key + SUFFIX);
    const partial = `${path}.${randomUUID()}.part`;
    await writeFile(partial, JSON.stringify(entry));
    await rename(partial, path);
  }

  #load(): Promise<void> {
    this.#loaded ??= this.#readFolder();
    return this.#loaded;
  }

  /** Takes over what an earlier process left, and deletes what it left unfinished. */
  async #readFolder(): Promise<void> {
    await makeFolders(this.folder);
    const names = await readdir(this.folder);
    const found: { key: string; entry: CacheEntry; usedMs: number }[] = [];
    for (const name of names.filter((candidate) => candidate.endsWith(SUFFIX))) {
      const path = join(this.folder, name);
      const entry = await readFile(path, 'utf8').then(parseEntry, () => undefined);
      const usedMs = (await stat(path).catch(() => undefined))?.mtimeMs ?? 0;
      if (entry && names.includes(entry.file)) found.push({ key: name.slice(0, -SUFFIX.length), entry, usedMs });
      else await rm(path, { force: true });
    }
    found.sort((a, b) => a.usedMs - b.usedMs);
    for (const { key, entry } of found) {
      this.#entries.set(key, entry);
      this.#bytes += entry.bytes;
    }
    const wanted = new Set(found.map(({ entry }) => entry.file));
    const ours = /^[0-9a-f]{64}(?:-|\.entry\.json\.)/;
    const orphans = names.filter((name) => ours.test(name) && !wanted.has(name));
    await Promise.all(orphans.map((name) => rm(join(this.folder, name), { force: true })));
  }
}

function keyOf(url: string): string {
  return createHash('sha256').update(url).digest('hex');
}

function parseEntry(text: string): CacheEntry | undefined {
  try {
    const entry = JSON.parse(text) as Partial<CacheEntry> | null;
    const sound = typeof entry?.url === 'string' && typeof entry.file === 'string' && !/[/\\]/.test(entry.file);
    return sound && Number.isFinite(entry.bytes) && Number.isFinite(entry.freshUntilMs)
      ? (entry as CacheEntry)
      : undefined;
  } catch {
    return undefined;
  }
}
