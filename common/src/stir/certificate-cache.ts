import { type CertificateChain, parseCertificateChain } from './certificate.js';
import type { FetchCertificate } from './fetch-certificate.js';

/**
 * A certificate, or why there is none: `unavailable`, it was not fetched (or not in time); `unusable`, it was, and is none that
 * can sign.
 */
export type CertificateResult =
  | { ok: true; chain: CertificateChain }
  | { ok: false; kind: 'unavailable' | 'unusable'; reason: string };

/** How a {@link CertificateCache} works. */
export interface CertificateCacheOptions {
  fetch: FetchCertificate;
  /** Ms since the epoch. @defaultValue Date.now */
  now?: () => number;
  /** Certificates kept; the one that was not used for longest goes first. */
  maxEntries?: number;
  /** Fetches at the same time. */
  maxFetches?: number;
  /** Fetches at the same time for the calls of one sender: one whose repositories are slow leaves room for the others. */
  maxFetchesForOne?: number;
}

/** Names nobody a reason to keep a certificate for longer than it may be wrong. */
const MAX_AGE_MS = 24 * 3_600_000;
/** Kept when the repository does not say. */
const DEFAULT_AGE_MS = 3_600_000;
/** What failed is not asked again for so long: each try may keep a call waiting. */
const FAILURE_AGE_MS = 30_000;
const MAX_ENTRIES = 1_000;
const MAX_FETCHES = 32;
const MAX_FETCHES_FOR_ONE = 8;
/** Longer URLs are not worth remembering. */
const MAX_URL_CHARS = 512;

interface Entry {
  result: CertificateResult | null;
  pending: Promise<CertificateResult>;
  expiresAt: number;
}

const unavailable = (reason: string): CertificateResult => ({ ok: false, kind: 'unavailable', reason });

/** Certificates of signers by URL: fetched once, kept for as long as their repository allows, never more than so many. */
export class CertificateCache {
  readonly #entries = new Map<string, Entry>();
  readonly #now: () => number;
  #fetching = 0;
  /** Fetches under way, by who sent the call; those that have none are not in it. */
  readonly #fetchingFor = new Map<string, number>();

  constructor(private readonly options: CertificateCacheOptions) {
    this.#now = options.now ?? Date.now;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * The certificate of a URL. A fetch that takes longer than `waitMs` goes on without the caller, whose answer is `unavailable`;
   * the next call finds what it brought. Never rejects.
   *
   * @param sender - whose call it is for
   */
  async get(url: string, waitMs: number, sender = ''): Promise<CertificateResult> {
    const entry = this.#find(url, sender);
    if (!('pending' in entry)) return entry;
    return entry.result ?? inTime(entry.pending, waitMs);
  }

  #find(url: string, sender: string): Entry | CertificateResult {
    if (url.length > MAX_URL_CHARS) return unavailable('the URL of the certificate is too long');
    const known = this.#entries.get(url);
    if (known) this.#entries.delete(url);
    if (known && (known.result === null || this.#now() < known.expiresAt)) {
      this.#entries.set(url, known);
      return known;
    }
    if (this.#fetching >= (this.options.maxFetches ?? MAX_FETCHES)) {
      return unavailable('too many certificates are being fetched');
    }
    if ((this.#fetchingFor.get(sender) ?? 0) >= (this.options.maxFetchesForOne ?? MAX_FETCHES_FOR_ONE)) {
      return unavailable('too many certificates are being fetched for this carrier');
    }
    return this.#start(url, sender);
  }

  #start(url: string, sender: string): Entry {
    this.#fetching++;
    this.#fetchingFor.set(sender, (this.#fetchingFor.get(sender) ?? 0) + 1);
    const entry: Entry = { result: null, pending: Promise.resolve(unavailable('')), expiresAt: 0 };
    entry.pending = this.#load(url, entry).finally(() => {
      this.#fetching--;
      const left = (this.#fetchingFor.get(sender) ?? 1) - 1;
      if (left === 0) this.#fetchingFor.delete(sender);
      else this.#fetchingFor.set(sender, left);
      // What may not be kept has served those who waited for it.
      if (entry.expiresAt <= this.#now() && this.#entries.get(url) === entry) this.#entries.delete(url);
    });
    this.#entries.set(url, entry);
    const oldest = this.#entries.keys().next().value;
    if (this.#entries.size > (this.options.maxEntries ?? MAX_ENTRIES) && oldest !== undefined) {
      this.#entries.delete(oldest);
    }
    return entry;
  }

  async #load(url: string, entry: Entry): Promise<CertificateResult> {
    const settle = (result: CertificateResult, ageMs: number): CertificateResult => {
      entry.result = result;
      entry.expiresAt = this.#now() + ageMs;
      return result;
    };
    try {
      const { body, maxAgeMs } = await this.options.fetch(url);
      const parsed = parseCertificateChain(body);
      if (!parsed.ok) return settle({ ok: false, kind: 'unusable', reason: parsed.reason }, FAILURE_AGE_MS);
      return settle(parsed, Math.min(MAX_AGE_MS, maxAgeMs ?? DEFAULT_AGE_MS));
    } catch (error) {
      const why = error instanceof Error ? error.message : `${error}`;
      return settle(unavailable(`the certificate could not be fetched: ${why}`), FAILURE_AGE_MS);
    }
  }
}

function inTime(pending: Promise<CertificateResult>, waitMs: number): Promise<CertificateResult> {
  return new Promise((resolve) => {
    const late = (): void => resolve(unavailable(`the certificate was not there within ${waitMs} ms`));
    const timer = setTimeout(late, waitMs);
    void pending.then((result) => {
      clearTimeout(timer);
      resolve(result);
    });
  });
}
