import { rename } from 'node:fs/promises';
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
  /** All files together. */
  maxBytes: number;
}

const DEFAULT_LIMITS: UrlCacheLimits = {
  deadlineMs: 10_000,
  // About 5 minutes of 48 kHz mono.
  maxFileBytes: 32 * 1024 * 1024,
  maxRedirects: 5,
  maxBytes: 512 * 1024 * 1024,
};

/**
 * Fetches http(s) URLs to files and keeps them as long as their server lets us (RFC 9111): fresh files are used without a request,
 * stale ones are asked for with `If-None-Match` or `If-Modified-Since`, and used when the server cannot be reached unless it forbade that.
 */
export class UrlCache {
  readonly #store: CacheStore;
  readonly #counters: UrlCacheCounters;
  readonly #limits: UrlCacheLimits;
  readonly #running = new Map<string, Promise<string>>();

  constructor(folder: string, counters: UrlCacheCounters, limits: Partial<UrlCacheLimits> = {}) {
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    this.#store = new CacheStore(folder, this.#limits.maxBytes);
    this.#counters = counters;
  }

  /** Path of a file with the URL's content. Rejects with UnplayableFileError. Concurrent calls share one request. */
  fetch(address: string): Promise<string> {
    const url = address.replace(/#.*$/s, '');
    const running = this.#running.get(url);
    if (running) return running;
    const fetching = this.#lookUp(url).finally(() => this.#running.delete(url));
    this.#running.set(url, fetching);
    return fetching;
  }

  /** Deletes what is no longer wanted. */
  close(): Promise<void> {
    return this.#store.close();
  }

  async #lookUp(url: string): Promise<string> {
    try {
      const known = await this.#store.find(url);
      if (known && Date.now() < known.freshUntilMs) {
        this.#counters.urlCacheHits++;
        return this.#store.pathOf(known);
      }
      return await this.#ask(url, known);
    } catch (cause) {
      this.#counters.urlFetchFailures++;
      throw new UnplayableFileError(`cannot fetch: ${reason(cause)}`, { url: withoutSecrets(url) }, { cause });
    }
  }

  async #ask(url: string, known: CacheEntry | undefined): Promise<string> {
    this.#counters.urlFetches++;
    const file = this.#store.newFile(url);
    const path = `${this.#store.folder}/${file}`;
    let answer: Download;
    try {
      answer = await download(url, `${path}.part`, conditionsOf(known), this.#limits);
    } catch (error) {
      if (known && !known.mustRevalidate) return this.#store.pathOf(known);
      throw error;
    }
    const policy = readPolicy(answer.headers, Date.now());
    if (answer.status === 304 && known) {
      this.#counters.urlCacheHits++;
      await this.#store.put({ ...known, ...policy });
      return this.#store.pathOf(known);
    }
    if (!answer.ok) {
      if (known && answer.status >= 500 && !known.mustRevalidate) return this.#store.pathOf(known);
      if (known) await this.#store.remove(url);
      throw new UnplayableFileError(`the server answered ${answer.status}`);
    }
    await rename(`${path}.part`, path);
    if (policy.noStore) {
      if (known) await this.#store.remove(url);
      this.#store.discard(file);
    } else {
      await this.#store.put({ ...policy, url, file, bytes: answer.bytes });
    }
    return path;
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
