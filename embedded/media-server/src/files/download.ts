import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import http, { type IncomingMessage } from 'node:http';
import https from 'node:https';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { AddressGuard } from '@ringwire/common/http/address-guard.js';
import { UnplayableFileError } from '../errors.js';

/** What a download may cost. */
export interface DownloadLimits {
  /** For all of it, redirects included. */
  deadlineMs: number;
  maxFileBytes: number;
  maxRedirects: number;
  /** Where it, and what it redirects to, may be. */
  guard: AddressGuard;
}

/** What came of a request; nothing was written unless `ok`. */
export interface Download {
  status: number;
  ok: boolean;
  headers: Headers;
  bytes: number;
}

const REDIRECTS = new Set([301, 302, 303, 307, 308]);

/**
 * Fetches a URL to a file, within the limits. Resolves with the answer, whatever its status; a file is left only by a whole 200. Rejects with
 * UnplayableFileError, or the error of the network. `reserve` is asked for room before bytes are written; false ends it.
 */
export async function download(
  url: string,
  path: string,
  conditions: Record<string, string>,
  limits: DownloadLimits & { reserve?: (bytes: number) => boolean },
): Promise<Download> {
  const signal = AbortSignal.timeout(limits.deadlineMs);
  const response = await request(url, conditions, limits, signal);
  const status = response.statusCode ?? 0;
  const headers = headersOf(response);
  if (status !== 200) {
    response.destroy();
    return { status, ok: false, headers, bytes: 0 };
  }
  const counter = new SizeLimit(limits.maxFileBytes, limits.reserve ?? (() => true));
  try {
    await pipeline(response, counter, createWriteStream(path), { signal });
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
  return { status, ok: true, headers, bytes: counter.bytes };
}

async function request(
  url: string,
  conditions: Record<string, string>,
  limits: DownloadLimits,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  let target = new URL(url);
  const authorization = basicAuthorization(target);
  const { origin } = target;
  for (let redirects = 0; ; redirects++) {
    const headers = { ...conditions, ...(authorization && target.origin === origin ? { authorization } : {}) };
    const response = await ask(target, headers, limits.guard, signal);
    const { location } = response.headers;
    if (!REDIRECTS.has(response.statusCode ?? 0) || location === undefined) return response;
    response.destroy();
    if (redirects >= limits.maxRedirects) throw new UnplayableFileError('too many redirects');
    target = new URL(location, target);
    if (!/^https?:$/.test(target.protocol)) throw new UnplayableFileError(`redirected to ${target.protocol}`);
    basicAuthorization(target);
  }
}

/** One request, without redirects; the address that is connected to is one that the guard allows. */
function ask(
  target: URL,
  headers: Record<string, string>,
  guard: AddressGuard,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  guard.checkLiteral(target);
  const start = target.protocol === 'https:' ? https.request : http.request;
  return new Promise((resolve, reject) => {
    start(target, {
      headers: { accept: '*/*', 'user-agent': 'ringwire-media-server', ...headers },
      agent: false,
      lookup: guard.lookup as never,
      signal,
    })
      .on('response', resolve)
      .on('error', reject)
      .end();
  });
}

function headersOf(response: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(response.headers)) {
    if (value !== undefined) headers.set(name, String(value));
  }
  return headers;
}

/** Takes `user:password@` out of a URL and makes the header of it. */
function basicAuthorization(url: URL): string | undefined {
  if (url.username === '' && url.password === '') return undefined;
  const credentials = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
  url.username = '';
  url.password = '';
  return `Basic ${Buffer.from(credentials).toString('base64')}`;
}

class SizeLimit extends Transform {
  bytes = 0;

  constructor(
    readonly maxBytes: number,
    readonly reserve: (bytes: number) => boolean,
  ) {
    super();
  }

  override _transform(chunk: Buffer, _encoding: string, done: (error?: Error | null, data?: Buffer) => void): void {
    this.bytes += chunk.length;
    if (this.bytes > this.maxBytes) done(new UnplayableFileError('the file is too large'));
    else if (!this.reserve(chunk.length)) done(new UnplayableFileError('too much is fetched and played at once'));
    else done(null, chunk);
  }
}
