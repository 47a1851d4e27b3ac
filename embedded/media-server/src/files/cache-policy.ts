/** How long an answer may be used without asking again, and how to ask (RFC 9111). */
export interface CachePolicy {
  /** It must not be kept for another playing. */
  noStore: boolean;
  /** Until then it is used without asking, epoch milliseconds. */
  freshUntilMs: number;
  /** When it is stale it must not be used even if the server cannot be asked. */
  mustRevalidate: boolean;
  etag?: string;
  lastModified?: string;
}

/** Of an answer that says nothing of it: as FreeSWITCH's mod_httapi. */
const DEFAULT_FRESH_MS = 60_000;
/** Longest that is believed: a year. */
const MAX_FRESH_MS = 31_536_000_000;

/** Reads `Cache-Control`, `Expires`, `Age`, `Vary`, `ETag` and `Last-Modified` of an answer that came at `nowMs`. We are a private cache. */
export function readPolicy(headers: Headers, nowMs: number): CachePolicy {
  const directives = parseDirectives(headers.get('cache-control') ?? headers.get('pragma') ?? '');
  // We send the same headers with every request, so an answer varies only where it says that it varies by more.
  const noCache = directives.has('no-cache') || headers.get('vary')?.trim() === '*';
  const etag = headers.get('etag');
  const lastModified = headers.get('last-modified');
  return {
    noStore: directives.has('no-store'),
    freshUntilMs: noCache ? nowMs : nowMs + freshness(directives, headers, nowMs),
    mustRevalidate: noCache || directives.has('must-revalidate'),
    ...(etag ? { etag } : {}),
    ...(lastModified ? { lastModified } : {}),
  };
}

function freshness(directives: ReadonlyMap<string, string>, headers: Headers, nowMs: number): number {
  const ageMs = (Number(headers.get('age')) || 0) * 1000;
  const maxAge = directives.get('max-age');
  if (maxAge !== undefined) return bounded((/^\d+$/.test(maxAge) ? Number(maxAge) * 1000 : 0) - ageMs);
  const expires = headers.get('expires');
  if (expires === null) return DEFAULT_FRESH_MS;
  const date = Date.parse(headers.get('date') ?? '');
  // What is no date, such as 0, is in the past (RFC 9111 §5.3).
  return bounded((Date.parse(expires) || 0) - (Number.isNaN(date) ? nowMs : date) - ageMs);
}

function parseDirectives(text: string): ReadonlyMap<string, string> {
  const directives = new Map<string, string>();
  for (const [, name = '', quoted, plain] of text.matchAll(/([\w-]+)(?:\s*=\s*(?:"([^"]*)"|([^\s,]*)))?/g)) {
    directives.set(name.toLowerCase(), quoted ?? plain ?? '');
  }
  return directives;
}

function bounded(ms: number): number {
  return Math.max(0, Math.min(MAX_FRESH_MS, ms));
}
