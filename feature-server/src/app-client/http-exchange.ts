import * as http from 'node:http';
import * as https from 'node:https';
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

  #attempt(request: ExchangeRequest): Promise<ExchangeResult | 'stale connection'> {
    const { headersTimeoutMs } = this.#limits;
    return new Promise((resolve, reject) => {
      const secure = request.url.protocol === 'https:';
      const outgoing = (secure ? https : http).request(request.url, {
        method: request.method,
        headers: request.headers,
        agent: secure ? this.#https : this.#http,
        lookup: this.guard.lookup,
        ...(request.signal && { signal: request.signal }),
      });
      const timer = setTimeout(() => {
        outgoing.destroy(
          new HookTimeoutError(`webhook sent no answer within ${headersTimeoutMs} ms`, { timeoutMs: headersTimeoutMs }),
        );
      }, headersTimeoutMs);
      outgoing.once('response', (response) => {
        clearTimeout(timer);
        this.#readBody(response).then(resolve, reject);
      });
      outgoing.once('error', (error: NodeJS.ErrnoException) => {
        clearTimeout(timer);
        if (outgoing.reusedSocket && error.code === 'ECONNRESET') return resolve('stale connection');
        reject(asHookError(error, request.signal));
      });
      outgoing.end(request.body);
    });
  }

  #readBody(response: http.IncomingMessage): Promise<ExchangeResult> {
    const { bodyTimeoutMs, maxBodyBytes } = this.#limits;
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      let length = 0;
      const timer = setTimeout(() => {
        response.destroy(
          new HookTimeoutError(`webhook did not finish its answer within ${bodyTimeoutMs} ms`, {
            timeoutMs: bodyTimeoutMs,
          }),
        );
      }, bodyTimeoutMs);
      response.on('data', (chunk: Buffer) => {
        length += chunk.length;
        chunks.push(chunk);
        if (length > maxBodyBytes) {
          response.destroy(
            new InvalidApplicationError(`answer is longer than ${maxBodyBytes} bytes`, { maxBodyBytes }),
          );
        }
      });
      response.once('end', () => {
        clearTimeout(timer);
        resolve({
          status: response.statusCode ?? 0,
          contentType: response.headers['content-type'] ?? '',
          body: Buffer.concat(chunks).toString('utf8'),
        });
      });
      response.once('error', (error: NodeJS.ErrnoException) => {
        clearTimeout(timer);
        reject(asHookError(error));
      });
    });
  }
}

function asHookError(error: NodeJS.ErrnoException, signal?: AbortSignal): Error {
  if (
    error instanceof HookTimeoutError ||
    error instanceof HookForbiddenError ||
    error instanceof InvalidApplicationError
  ) {
    return error;
  }
  if (signal?.aborted) return error;
  // Node reports several refused addresses of one name as an AggregateError with an empty message.
  const text = error.message || error.code || 'connection failed';
  return new HookConnectionError(`webhook could not be reached: ${text}`, { code: error.code }, { cause: error });
}
