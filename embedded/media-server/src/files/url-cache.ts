import { rename } from 'node:fs/promises';
import { basename } from 'node:path';
import { UnplayableFileError } from '../errors.js';
import { readPolicy } from './cache-policy.js';
import { type CacheEntry, CacheStore } from './cache-store.js';
import { type Download, type DownloadLimits, download } from './download.js';

/** What a cache counts. */
export interface UrlCacheCounters {
  urlFetches: number;
  urlFetchFailures: number;
  urlCacheHits: number;
}

/** Bounds of a cache. */
export interface UrlCacheLimits extends DownloadLimits {
  /** All files that are kept. */
  maxBytes: number;
  /** Files beside those: what is being fetched, and what plays but is no longer kept. */
  maxPassingBytes: number;
}

const DEFAULT_LIMITS: Omit<UrlCacheLimits, 'guard'> = {
  deadlineMs: 10_000,
  // About 5 minutes of 48 kHz mono.
  maxFileBytes: 32 * 1024 * 1024,
  maxRedirects: 5,
  maxBytes: 512 * 1024 * 1024,
  maxPassingBytes: 512 * 1024 * 1024,
};

/** A request that runs, and how many wait for its file. */
interface Running {
  waiters: number;
  path: Promise<string>;
}

/**
 * Fetches http(s) URLs to files and keeps them as long as their server lets us (RFC 9111): fresh files are used without a request,
 * stale ones are asked for with `If-None-Match` or `If-Modified-Since`, and used when the server cannot be reached unless it forbade that.
 */
export class UrlCache {
  readonly #store: CacheStore;
  readonly #counters: UrlCacheCounters;
  readonly #limits: UrlCacheLimits;
  readonly #running = new Map<string, Running>();

  constructor(
    folder: string,
    counters: UrlCacheCounters,
    limits: Partial<UrlCacheLimits> & Pick<UrlCacheLimits, 'guard'>,
  ) {
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#store = new CacheStore(folder, this.#limits.maxBytes, this.#limits.maxPassingBytes);
    this.#counters = counters;
  }

  /**
   * Path of a file with the URL's content, there until it is {@link release}d as often. Rejects with UnplayableFileError. Concurrent calls
   * share one request.
   */
  fetch(address: string): Promise<string> {
    const url = address.replace(/#.*$/s, '');
    const running = this.#running.get(url) ?? this.#start(url);
    running.waiters++;
    return running.path;
  }

  /** Gives a file back that {@link fetch} has resolved with: who plays it has ended. Resolves when it is deleted, if it is not kept. */
  release(path: string): Promise<void> {
    return this.#store.release(basename(path));
  }

  /** Deletes what is no longer wanted. */
  close(): Promise<void> {
    return this.#store.close();
  }

  #start(url: string): Running {
    const path = this.#lookUp(url)
      .finally(() => this.#running.delete(url))
      .then((file) => {
        // Held once by the look-up; each who waits releases it.
        this.#store.hold(file, running.waiters - 1);
        return this.#store.pathOf(file);
      });
    const running: Running = { waiters: 0, path };
    this.#running.set(url, running);
    return running;
  }

  /** Resolves with a file that is held. */
  async #lookUp(url: string): Promise<string> {
    let known: CacheEntry | undefined;
    try {
      known = await this.#store.find(url);
      if (known && Date.now() < known.freshUntilMs) {
        this.#counters.urlCacheHits++;
        return known.file;
      }
      const file = await this.#ask(url, known);
      if (known && known.file !== file) await this.#store.release(known.file);
      return file;
    } catch (cause) {
      if (known) await this.#store.release(known.file);
      this.#counters.urlFetchFailures++;
      throw new UnplayableFileError(`cannot fetch: ${reason(cause)}`, { url: withoutSecrets(url) }, { cause });
    }
  }

  /** Resolves with a file that is held, or with that of `known`. */
  async #ask(url: string, known: CacheEntry | undefined): Promise<string> {
    this.#counters.urlFetches++;
    const file = this.#store.newFile(url);
    let answer: Download;
    try {
      answer = await this.#fetchTo(file, url, known);
    } catch (error) {
      if (known && !known.mustRevalidate) return known.file;
      throw error;
    }
    const policy = readPolicy(answer.headers, Date.now());
    if (answer.status === 304 && known) {
      this.#counters.urlCacheHits++;
      await this.#store.put({ ...known, ...policy });
      return known.file;
    }
    if (!answer.ok) {
      if (known && answer.status >= 500 && !known.mustRevalidate) return known.file;
      if (known) await this.#store.remove(url);
      throw new UnplayableFileError(`the server answered ${answer.status}`);
    }
    if (!policy.noStore) await this.#store.put({ ...policy, url, file, bytes: answer.bytes });
    else if (known) await this.#store.remove(url);
    return file;
  }

  /** Asks for a URL; where the answer is a file it is there whole then, and held. */
  async #fetchTo(file: string, url: string, known: CacheEntry | undefined): Promise<Download> {
    const path = this.#store.pathOf(file);
    let reserved = 0;
    const reserve = (bytes: number): boolean => {
      const isRoom = this.#store.reserve(bytes);
      if (isRoom) reserved += bytes;
      return isRoom;
    };
    try {
      const answer = await download(url, `${path}.part`, conditionsOf(known), { ...this.#limits, reserve });
      if (!answer.ok) return answer;
      await rename(`${path}.part`, path);
      this.#store.adopt(file, reserved);
      return answer;
    } catch (error) {
      this.#store.giveBack(reserved);
      throw error;
    }
  }
}

function conditionsOf(known: CacheEntry | undefined): Record<string, string> {
  if (known?.etag) return { 'if-none-match': known.etag };
  return known?.lastModified ? { 'if-modified-since': known.lastModified } : {};
}

/** What went wrong, the cause behind fetch's own words included. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message
    ? `${error.message}: ${error.cause.message}`
    : error.message;
}

function withoutSecrets(url: string): string {
  return url.replace(/\/\/[^/@]*@/, '//').replace(/\?.*$/s, '?…');
}
