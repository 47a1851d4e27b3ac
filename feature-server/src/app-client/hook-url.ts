import { maskText } from '@ringwire/common';
import { HookForbiddenError } from '../errors.js';
import type { Hook } from './application.js';

/** What may be tried again, in jambonz's letters: connection trouble, response timeout, HTTP statuses. */
export interface RetryPolicy {
  /** How often the request is repeated after the first attempt. */
  retries: number;
  connection: boolean;
  timeout: boolean;
  /** Whether an HTTP status is worth another try. */
  status(code: number): boolean;
  /** Wait before retry `n` (0 for the first), in ms. */
  delayMs(n: number): number;
}

/** Quick and few: a caller is waiting, and only reasons that say "not now" are repeated. */
export const DEFAULT_RETRY_POLICY: RetryPolicy = {
  retries: 2,
  connection: true,
  timeout: false,
  status: (code) => code === 502 || code === 503 || code === 504,
  delayMs: (n) => [100, 400][n] ?? 400,
};

/** jambonz's delays where the URL's fragment asks for retries. */
const FRAGMENT_DELAYS_MS = [500, 1000, 2000, 4000, 6000];

/** A hook's URL, ready to be requested. */
export interface HookTarget {
  /** Absolute, without fragment. */
  url: URL;
  retry: RetryPolicy;
}

/**
 * Resolves a hook's URL against the application's base and reads the retry policy out of its fragment
 * (`#rc=3&rp=ct,5xx`), which is never sent.
 *
 * @throws HookForbiddenError when the result is no http or https URL.
 */
export function resolveHookUrl(url: string, base: string): HookTarget {
  let absolute: URL;
  try {
    absolute = new URL(url, base || undefined);
  } catch (cause) {
    throw new HookForbiddenError(`"${maskText(url)}" is not a URL`, { url: maskText(url) }, { cause });
  }
  if (absolute.protocol !== 'http:' && absolute.protocol !== 'https:') {
    throw new HookForbiddenError(`hooks are made over http or https, not ${absolute.protocol}`, { url: maskText(url) });
  }
  const retry = readRetryPolicy(absolute.hash);
  absolute.hash = '';
  return { url: absolute, retry };
}

/** A hook's URL as alerts name it: resolved, for many applications of an account may have the same relative ones; as it stands where that is no URL. */
export function shownHookUrl(url: string, base: string): string {
  const absolute = URL.canParse(url, base || undefined) ? new URL(url, base || undefined) : undefined;
  if (absolute) absolute.hash = '';
  return absolute?.href ?? url;
}

/** Whether a hook's server is reached over a WebSocket, as far as the hook itself tells. */
export function isSocketHook({ url, method }: Pick<Hook, 'url' | 'method'>): boolean {
  return method === 'WS' || /^wss?:\/\//i.test(url);
}

/** Whether a URL names its server over HTTP. */
export const isHttpUrl = (url: string): boolean => /^https?:\/\//i.test(url);

/** The same place over HTTP: where audio of a WebSocket application is, and its relative hooks. */
export const toHttpUrl = (url: string): string => url.replace(/^ws(?=s?:\/\/)/i, 'http');

/** The same place over a WebSocket. */
export const toSocketUrl = (url: string): string => url.replace(/^http(?=s?:\/\/)/i, 'ws');

/** jambonz: five attempts more before an application is given up. */
const SOCKET_RETRY_POLICY: RetryPolicy = {
  retries: 5,
  connection: true,
  timeout: false,
  status: () => false,
  delayMs: socketDelayMs,
};

/** Wait before attempt `n` (0 for the first) to connect again, in ms: doubling from half a second to two, then two more each. */
export function socketDelayMs(n: number): number {
  return [500, 1000][n] ?? (n - 1) * 2000;
}

/**
 * Where a WebSocket application is, with the retry policy of its first connection and how often it may be reconnected.
 *
 * @throws HookForbiddenError when the result is no ws or wss URL.
 */
export function resolveSocketUrl(url: string, base: string): HookTarget {
  const socketUrl = toSocketUrl(url);
  if (!URL.canParse(socketUrl, toSocketUrl(base) || undefined)) {
    throw new HookForbiddenError(`"${maskText(url)}" is not a URL`, { url: maskText(url) });
  }
  const absolute = new URL(socketUrl, toSocketUrl(base) || undefined);
  if (absolute.protocol !== 'ws:' && absolute.protocol !== 'wss:') {
    throw new HookForbiddenError(`sockets are opened over ws or wss, not ${absolute.protocol}`, { url: maskText(url) });
  }
  const read = readRetryPolicy(absolute.hash, SOCKET_RETRY_POLICY);
  absolute.hash = '';
  return { url: absolute, retry: { ...read, delayMs: socketDelayMs } };
}

function readRetryPolicy(fragment: string, unasked: RetryPolicy = DEFAULT_RETRY_POLICY): RetryPolicy {
  const params = new URLSearchParams(fragment.replace(/^#/, ''));
  if (!params.has('rc') && !params.has('rp')) return unasked;
  const count = Number(params.get('rc') ?? (unasked === SOCKET_RETRY_POLICY ? unasked.retries : 0));
  const reasons = new Set((params.get('rp') ?? 'ct').split(',').map((reason) => reason.trim().toLowerCase()));
  const all = reasons.has('all');
  return {
    retries: Number.isInteger(count) ? Math.min(5, Math.max(0, count)) : 0,
    connection: all || reasons.has('ct'),
    timeout: all || reasons.has('rt'),
    status: (code) =>
      ((all || reasons.has('4xx')) && code >= 400 && code < 500) ||
      ((all || reasons.has('5xx')) && code >= 500 && code < 600),
    delayMs: (n) => FRAGMENT_DELAYS_MS[n] ?? 6000,
  };
}
