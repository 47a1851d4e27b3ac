import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import type { AddressGuard } from '../http/address-guard.js';
import { CertificateFetchError } from './errors.js';

/** What a certificate repository answered. */
export interface FetchedCertificate {
  body: Buffer;
  /** How long it may be kept, by its Cache-Control (RFC 9111 §5.2.2); null when it does not say. */
  maxAgeMs: number | null;
}

/** Fetches what a URL names. @throws CertificateFetchError */
export type FetchCertificate = (url: string) => Promise<FetchedCertificate>;

/** What {@link httpsFetch} keeps to. */
export interface HttpsFetchOptions {
  guard: AddressGuard;
  /** Authorities of web servers (PEM), instead of those that Node brings. */
  ca?: string;
  /** From the first byte sent to the last received, redirects included. */
  timeoutMs?: number;
  /** Longer answers are no certificate chains. */
  maxBytes?: number;
  maxRedirects?: number;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const TIMEOUT_MS = 5_000;
const MAX_BYTES = 65_536;
const MAX_REDIRECTS = 2;

function maxAgeMsOf(cacheControl: string | undefined): number | null {
  if (cacheControl === undefined) return null;
  if (/(^|[\s,])(no-store|no-cache)(?=[\s,=]|$)/i.test(cacheControl)) return 0;
  const seconds = /(?:^|[\s,])max-age\s*=\s*"?(\d{1,9})/i.exec(cacheControl)?.[1];
  return seconds === undefined ? null : Number(seconds) * 1000;
}

/** Only HTTPS, and nothing of ours in the URL. @throws CertificateFetchError */
function checked(url: string, base?: string): URL {
  const parsed = URL.canParse(url, base) ? new URL(url, base) : null;
  if (parsed?.protocol !== 'https:')
    throw new CertificateFetchError('the URL of the certificate is not https', { url });
  if (parsed.username || parsed.password) {
    throw new CertificateFetchError('the URL of the certificate names a user', { url });
  }
  return parsed;
}

/** Gives a fetch that asks over HTTPS, keeps to limits of time, size and redirects, and asks no private addresses. */
export function httpsFetch(options: HttpsFetchOptions): FetchCertificate {
  const { guard, ca, timeoutMs = TIMEOUT_MS, maxBytes = MAX_BYTES, maxRedirects = MAX_REDIRECTS } = options;
  const get = (url: URL, signal: AbortSignal): Promise<IncomingMessage> =>
    new Promise((resolve, reject) => {
      guard.checkLiteral(url);
      const headers = { accept: 'application/pem-certificate-chain, application/pkix-cert, */*' };
      // A socket of its own: kept-alive ones would stay open for as long as strangers like.
      const settings = { signal, headers, agent: false, lookup: guard.lookup, ...(ca === undefined ? {} : { ca }) };
      request(url, settings, resolve).on('error', reject).end();
    });
  const bodyOf = async (response: IncomingMessage): Promise<Buffer> => {
    const parts: Buffer[] = [];
    let bytes = 0;
    for await (const part of response as AsyncIterable<Buffer>) {
      bytes += part.length;
      if (bytes > maxBytes) throw new CertificateFetchError(`the certificate is longer than ${maxBytes} bytes`);
      parts.push(part);
    }
    return Buffer.concat(parts);
  };
  const follow = async (first: string, signal: AbortSignal): Promise<FetchedCertificate> => {
    let url = checked(first);
    for (let redirects = 0; ; redirects++) {
      const response = await get(url, signal);
      try {
        const status = response.statusCode ?? 0;
        const { location } = response.headers;
        if (REDIRECTS.has(status) && location !== undefined) {
          if (redirects >= maxRedirects) throw new CertificateFetchError('too many redirects');
          url = checked(location, url.href);
          continue;
        }
        if (status !== 200) throw new CertificateFetchError(`answered with HTTP status ${status}`, { status });
        return { body: await bodyOf(response), maxAgeMs: maxAgeMsOf(response.headers['cache-control']) };
      } finally {
        response.destroy();
      }
    }
  };
  return async (url) => {
    const signal = AbortSignal.timeout(timeoutMs);
    try {
      return await follow(url, signal);
    } catch (cause) {
      if (cause instanceof CertificateFetchError) throw cause;
      const why = signal.aborted ? `no answer in ${timeoutMs} ms` : cause instanceof Error ? cause.message : `${cause}`;
      throw new CertificateFetchError(why, { url }, { cause });
    }
  };
}
