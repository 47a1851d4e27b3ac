import * as http from 'node:http';
import * as https from 'node:https';
import type { Readable } from 'node:stream';
import axios from 'axios';
import { HookConnectionError, HookForbiddenError, HookTimeoutError, InvalidApplicationError } from '../errors.js';
import type { AddressGuard } from './address-guard.js';

/** Limits of one exchange; each protects the call from a server that is slow or endless in its own way. */
export interface ExchangeLimits {
  /** From the request to the response headers, ms (jambonz: 10 000). */
  headersTimeoutMs: number;
  /** From the response headers to the end of the body, ms. */
  bodyTimeoutMs: number;
  /** A longer body is refused. */
  maxBodyBytes: number;
}

/** Defaults of {@link ExchangeLimits}: a verb list of a megabyte is no verb list. */
export const DEFAULT_LIMITS: ExchangeLimits = {
  headersTimeoutMs: 10_000,
  bodyTimeoutMs: 10_000,
  maxBodyBytes: 1024 * 1024,
};

/** One request to a customer's server. */
export interface ExchangeRequest {
  url: URL;
  method: 'GET' | 'POST';
  headers: Record<string, string>;
  body?: string;
  signal?: AbortSignal;
}

/** What came back; any HTTP status is a result, not an error. */
export interface ExchangeResult {
  status: number;
  contentType: string;
  body: string;
}

/**
 * The HTTP client of one process: keeps connections to customers' servers open between hooks, follows no redirects,
 * and gives up in defined time and space.
 */
export class HttpClient {
  readonly #http: http.Agent;
  readonly #https: https.Agent;
  readonly #limits: ExchangeLimits;

  constructor(
    private readonly guard: AddressGuard,
    limits: Partial<ExchangeLimits> = {},
  ) {
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
    // 15 s idle: longer than a caller thinks between two gathers of one menu, shorter than servers commonly keep.
    const agentOptions = { keepAlive: true, maxFreeSockets: 64, timeout: 15_000 };
    this.#http = new http.Agent(agentOptions);
    this.#https = new https.Agent(agentOptions);
  }

  /**
   * Makes one request. A kept-alive connection that turns out to be closed is replaced once, silently.
   *
   * @throws HookConnectionError, HookTimeoutError, HookForbiddenError, InvalidApplicationError (body too long)
   */
  async exchange(request: ExchangeRequest): Promise<ExchangeResult> {
    this.guard.checkLiteral(request.url);
    const first = await this.#attempt(request);
    if (first !== 'stale connection') return first;
    const second = await this.#attempt(request);
    if (second !== 'stale connection') return second;
    throw new HookConnectionError('webhook connection was reset', { code: 'ECONNRESET' });
  }

  /** Closes idle connections; running exchanges end by themselves. */
  close(): void {
    this.#http.destroy();
    this.#https.destroy();
  }

  async #attempt(request: ExchangeRequest): Promise<ExchangeResult | 'stale connection'> {
    const { headersTimeoutMs } = this.#limits;
    const late = new AbortController();
    const timer = setTimeout(() => {
      late.abort(
        new HookTimeoutError(`webhook sent no answer within ${headersTimeoutMs} ms`, { timeoutMs: headersTimeoutMs }),
      );
    }, headersTimeoutMs);
    try {
      const response = await axios.request<Readable>({
        url: request.url.href,
        method: request.method,
        headers: request.headers,
        ...(request.body !== undefined && { data: request.body }),
        // The body goes out byte for byte as it was signed.
        transformRequest: (data: unknown) => data,
        responseType: 'stream',
        validateStatus: null,
        maxRedirects: 0,
        proxy: false,
        httpAgent: this.#http,
        httpsAgent: this.#https,
        lookup: this.guard.lookup as never,
        signal: request.signal ? AbortSignal.any([late.signal, request.signal]) : late.signal,
      });
      clearTimeout(timer);
      return {
        status: response.status,
        contentType: String(response.headers['content-type'] ?? ''),
        body: await this.#readBody(response.data, request.signal),
      };
    } catch (error) {
      if (isStale(error)) return 'stale connection';
      throw late.signal.aborted ? late.signal.reason : asHookError(error, request.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  async #readBody(stream: Readable, signal: AbortSignal | undefined): Promise<string> {
    const { bodyTimeoutMs, maxBodyBytes } = this.#limits;
    const timer = setTimeout(() => {
      stream.destroy(
        new HookTimeoutError(`webhook did not finish its answer within ${bodyTimeoutMs} ms`, {
          timeoutMs: bodyTimeoutMs,
        }),
      );
    }, bodyTimeoutMs);
    const onAbort = (): void => void stream.destroy(new Error('the request was given up'));
    signal?.addEventListener('abort', onAbort, { once: true });
    const chunks: Buffer[] = [];
    let length = 0;
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        length += chunk.length;
        if (length > maxBodyBytes) {
          throw new InvalidApplicationError(`answer is longer than ${maxBodyBytes} bytes`, { maxBodyBytes });
        }
        chunks.push(chunk);
      }
      return Buffer.concat(chunks).toString('utf8');
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }
}

/** A kept-alive connection that the other side had closed before our request reached it. */
function isStale(error: unknown): boolean {
  if (!axios.isAxiosError(error) || error.code !== 'ECONNRESET') return false;
  const request: unknown = error.request;
  return typeof request === 'object' && request !== null && 'reusedSocket' in request && request.reusedSocket === true;
}

function asHookError(error: unknown, signal?: AbortSignal): unknown {
  const cause = axios.isAxiosError(error) && error.cause instanceof Error ? error.cause : error;
  if (
    cause instanceof HookTimeoutError ||
    cause instanceof HookForbiddenError ||
    cause instanceof InvalidApplicationError
  ) {
    return cause;
  }
  if (signal?.aborted) return error;
  const { message, code } = error as NodeJS.ErrnoException;
  // Node reports several refused addresses of one name as an AggregateError with an empty message.
  const text = message || code || 'connection failed';
  return new HookConnectionError(`webhook could not be reached: ${text}`, { code }, { cause });
}
