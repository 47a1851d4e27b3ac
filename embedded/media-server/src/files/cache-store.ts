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
/** A file that is no longer wanted stays this long: someone may be about to open it. */
const GRACE_MS = 30_000;
/** The time of use is written to disk at most this often. */
const TOUCH_EVERY_MS = 60_000;

/** The files of a URL cache on disk, with what is known of each; the least recently used go when they become too many bytes. Survives a restart. */
export class CacheStore {
  readonly folder: string;
  readonly #maxBytes: number;
  /** By key, the least recently used first. */
  readonly #entries = new Map<string, CacheEntry>();
  readonly #touchedMs = new Map<string, number>();
  readonly #dying = new Map<string, NodeJS.Timeout>();
  #bytes = 0;
  #loaded: Promise<void> | undefined;

  constructor(folder: string, maxBytes: number) {
    this.folder = folder;
    this.#maxBytes = maxBytes;
  }

  /** Bytes of all files that are kept. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What is known of a URL. */
  async find(url: string): Promise<CacheEntry | undefined> {
    await this.#load();
    const key = keyOf(url);
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    const there = await stat(this.pathOf(entry)).catch(() => undefined);
    if (there?.size === entry.bytes) return this.#use(key, entry);
    await this.remove(url);
    return undefined;
  }

  /** Where an entry's content is. */
  pathOf(entry: CacheEntry): string {
    return join(this.folder, entry.file);
  }

  /** A new name for a URL's content; its extension tells the format of what has no header. */
  newFile(url: string): string {
    const extension = /^\.\w{1,8}$/.exec(extname(new URL(url).pathname))?.[0] ?? '';
    return `${keyOf(url)}-${randomUUID().slice(0, 8)}${extension}`;
  }

  /** Keeps an entry whose file is complete, in the place of the one before. */
  async put(entry: CacheEntry): Promise<void> {
    await this.#load();
    const key = keyOf(entry.url);
    const old = this.#entries.get(key);
    if (old && old.file !== entry.file) this.discard(old.file);
    if (old) this.#bytes -= old.bytes;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
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
    this.discard(entry.file);
    await rm(join(this.folder, key + SUFFIX), { force: true });
  }

  /** Deletes a file when nobody can be about to open it. */
  discard(file: string): void {
    const timer = setTimeout(() => {
      this.#dying.delete(file);
      void rm(join(this.folder, file), { force: true });
    }, GRACE_MS);
    this.#dying.set(file, timer.unref());
  }

  /** Deletes now what is no longer wanted. */
  async close(): Promise<void> {
    const files = [...this.#dying.keys()];
    for (const timer of this.#dying.values()) clearTimeout(timer);
    this.#dying.clear();
    await Promise.all(files.map((file) => rm(join(this.folder, file), { force: true })));
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
