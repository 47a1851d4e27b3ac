import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { UnplayableFileError } from '../errors.js';

/** A server that has not sent the whole file by then is given up. */
const DEADLINE_MS = 10_000;
/** Largest file fetched: about 5 minutes of 48 kHz mono. */
const MAX_BYTES = 32 * 1024 * 1024;
/** A file is served from the cache this long without asking again; as FreeSWITCH's mod_httapi. */
const FRESH_MS = 60_000;
/** Files kept on disk. */
const MAX_FILES = 200;

/** What a cache counts. */
export interface UrlCacheCounters {
  urlFetches: number;
  urlFetchFailures: number;
  urlCacheHits: number;
}

/** Fetches http(s) URLs to files, within a deadline and a size, and keeps them for a short while. */
export class UrlCache {
  readonly #folder: string;
  readonly #counters: UrlCacheCounters;
  readonly #running = new Map<string, Promise<string>>();

  constructor(folder: string, counters: UrlCacheCounters) {
    this.#folder = folder;
    this.#counters = counters;
  }

  /** Path of a file with the URL's content. Rejects with UnplayableFileError. Concurrent calls share one fetch. */
  async fetch(url: string): Promise<string> {
    const path = join(this.#folder, `${createHash('sha256').update(url).digest('hex')}.audio`);
    const running = this.#running.get(path);
    if (running) return running;
    const fetching = this.#lookUp(url, path).finally(() => this.#running.delete(path));
    this.#running.set(path, fetching);
    return fetching;
  }

  async #lookUp(url: string, path: string): Promise<string> {
    const known = await stat(path).catch(() => undefined);
    if (known && Date.now() - known.mtimeMs < FRESH_MS) {
      this.#counters.urlCacheHits++;
      await utimes(path, new Date(), known.mtime).catch(() => undefined);
      return path;
    }
    this.#counters.urlFetches++;
    try {
      await this.#download(url, path);
      await this.#prune();
      return path;
    } catch (cause) {
      this.#counters.urlFetchFailures++;
      throw new UnplayableFileError(
        `cannot fetch: ${cause instanceof Error ? cause.message : cause}`,
        { url },
        { cause },
      );
    }
  }

  async #download(url: string, path: string): Promise<void> {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    const response = await fetch(url, { signal, redirect: 'follow' });
    if (!response.ok || !response.body) {
      await response.body?.cancel();
      throw new UnplayableFileError(`the server answered ${response.status}`);
    }
    await mkdir(this.#folder, { recursive: true });
    const partial = `${path}.${randomUUID()}`;
    try {
      await pipeline(Readable.fromWeb(response.body), limitSize(), createWriteStream(partial), { signal });
      await rename(partial, path);
    } catch (error) {
      await rm(partial, { force: true });
      throw error;
    }
  }

  async #prune(): Promise<void> {
    const names = await readdir(this.#folder);
    if (names.length <= MAX_FILES) return;
    const files = await Promise.all(
      names.map(async (name) => ({ name, facts: await stat(join(this.#folder, name)).catch(() => undefined) })),
    );
    files.sort((a, b) => (a.facts?.atimeMs ?? 0) - (b.facts?.atimeMs ?? 0));
    for (const { name } of files.slice(0, names.length - MAX_FILES))
      await rm(join(this.#folder, name), { force: true });
  }
}

function limitSize(): Transform {
  let bytes = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > MAX_BYTES) done(new UnplayableFileError('the file is too large'));
      else done(null, chunk);
    },
  });
}
