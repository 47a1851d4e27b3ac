import { timingSafeEqual } from 'node:crypto';
import type { Logger } from '../../log/logger.js';
import type { Redis } from '../../redis/connection.js';
import type { SipHeaders, SipMessageView } from '../stack.js';
import { splitUri } from '../uri.js';
import { type DigestCredentials, parseCredentials } from './credentials.js';
import { MAX_NONCE_COUNT, nonceCounts } from './nonce-counts.js';
import { nonces } from './nonces.js';
import { type DigestAlgorithm, digestResponse } from './response.js';
import { sharedSecret } from './shared-secret.js';

/** Somebody who may have sent a request, and the password that would prove it. */
export interface DigestCandidate<T> {
  password: string;
  who: T;
}

/** Says itself whether credentials are right, and whose they are; null when they are not. */
export type DigestJudge<T> = (credentials: DigestCredentials) => Promise<T | null>;

/** Those who may have sent a request, or who can tell. */
export type Candidates<T> = DigestCandidate<T>[] | DigestJudge<T>;

/** Of one realm. */
export interface DigestOptions {
  /** Instead of those of the server. */
  algorithms?: readonly DigestAlgorithm[];
}

/** What the credentials of a request are worth. */
export type DigestResult<T> =
  /** All whose password fits: one, where usernames are unique. */
  | { kind: 'proven'; username: string; who: T[] }
  /** No credentials for this realm, or none that can be checked. */
  | { kind: 'absent' }
  /** The password fits, the nonce is too old, unknown, or was used like this before: `stale=true`. */
  | { kind: 'stale'; username: string; isReplay: boolean }
  /** `isHeard`: the nonce was sent to where the request comes from, so that its sender hears us. */
  | { kind: 'wrong'; username: string; isHeard: boolean };

/** A request as far as digest authentication looks at it. */
export type AuthenticatedRequest = Pick<SipMessageView, 'get'> & {
  method: string;
  uri: string;
  /** Where it comes from; absent: nobody can tell whether the sender hears us. */
  source_address?: string;
};

/** Authenticates requests by digest (RFC 3261 §22, RFC 7616, RFC 8760), for trunks and for users. */
export interface DigestServer {
  /**
   * Judges a request. `candidatesOf` may ask a database; it is asked once, also for names that nobody has. Where somebody else knows the
   * passwords it gives a judge; that one sees no request twice.
   */
  check<T>(
    request: AuthenticatedRequest,
    realm: string,
    candidatesOf: (username: string) => Candidates<T> | Promise<Candidates<T>>,
    options?: DigestOptions,
  ): Promise<DigestResult<T>>;
  /**
   * Whether a request brings a nonce of ours that is still good: `heard` where it was sent to the address that the request comes from, which is nobody's who only
   * writes that address. Looks at no password.
   */
  nonceOf(request: Pick<AuthenticatedRequest, 'get' | 'source_address'>, realm: string): 'heard' | 'other' | null;
  /** The headers of a 401. */
  challenge(realm: string, options?: DigestOptions & { stale?: boolean; source?: string }): SipHeaders;
  /** Resolves when the shared secret has been asked for. */
  readonly ready: Promise<void>;
  close(): void;
}

/** How long a nonce may be used. Larger gives whoever overhears one more time, smaller costs more round trips. */
export const NONCE_LIFE_MS = 300_000;

const quote = (text: string): string => `"${text.replace(/[^\x20-\x7e]/g, '').replace(/(["\\])/g, '\\$1')}"`;

const isSame = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b));

/** Whether what was signed is what is asked for: proxies may change the host of a Request-URI, nobody the user. */
function isForRequest({ uri }: DigestCredentials, request: AuthenticatedRequest): boolean {
  const signed = splitUri(uri);
  const asked = splitUri(request.uri);
  return signed !== null && asked !== null && signed.user === asked.user;
}

/**
 * Makes one. Nonces are made with a secret that all processes share through Redis, so that any of them can check what another asked
 * for; each use of a nonce is counted there, so that no request is taken twice.
 *
 * @param options.algorithms - what is asked for, the preferred one first (RFC 8760 §2.4); every client knows MD5 only
 */
export function digestServer(options: {
  redis: Redis;
  logger: Logger;
  algorithms: readonly [DigestAlgorithm, ...DigestAlgorithm[]];
  nonceLifeMs?: number;
  now?: () => number;
}): DigestServer {
  const { redis, logger, nonceLifeMs = NONCE_LIFE_MS } = options;
  const secret = sharedSecret({ redis, logger });
  const made = nonces({
    secrets: () => secret.secrets(),
    lifeMs: nonceLifeMs,
    ...(options.now ? { now: options.now } : {}),
  });
  const counts = nonceCounts({ redis, logger, lifeMs: nonceLifeMs });
  return {
    async check(request, realm, candidatesOf, { algorithms = options.algorithms } = {}) {
      const credentials = parseCredentials(request.get('Authorization')).find(
        (entry) => entry.realm.toLowerCase() === realm.toLowerCase() && algorithms.includes(entry.algorithm),
      );
      if (!credentials) return { kind: 'absent' };
      const { username, nonce, nc } = credentials;
      // Before the password: what answers no challenge of ours tells nothing of who sent it, and may come under any address.
      if (made.judge(nonce, credentials.realm) !== 'fresh') return { kind: 'stale', username, isReplay: false };
      const { source_address: source } = request;
      const isHeard = source !== undefined && made.isFor(nonce, source);
      const candidates = await candidatesOf(username);
      const use = async (): Promise<DigestResult<never> | null> => {
        const count = Number.parseInt(nc, 16);
        if (count === 0 || count > MAX_NONCE_COUNT) return { kind: 'stale', username, isReplay: false };
        return (await counts.use(nonce, count)) ? null : { kind: 'stale', username, isReplay: true };
      };
      if (typeof candidates === 'function') {
        if (!isForRequest(credentials, request)) return { kind: 'wrong', username, isHeard };
        const used = await use();
        if (used) return used;
        const who = await candidates(credentials);
        return who === null ? { kind: 'wrong', username, isHeard } : { kind: 'proven', username, who: [who] };
      }
      const fits = (password: string): boolean =>
        isSame(digestResponse({ ...credentials, method: request.method, password }), credentials.response);
      // A name that nobody has must take as long as a wrong password.
      if (candidates.length === 0) fits('');
      const proven = candidates.filter(({ password }) => fits(password));
      if (proven.length === 0 || !isForRequest(credentials, request)) return { kind: 'wrong', username, isHeard };
      const used = await use();
      if (used) return used;
      return { kind: 'proven', username, who: proven.map(({ who }) => who) };
    },
    nonceOf(request, realm) {
      const credentials = parseCredentials(request.get('Authorization')).find(
        (entry) => entry.realm.toLowerCase() === realm.toLowerCase(),
      );
      if (!credentials || made.judge(credentials.nonce, credentials.realm) !== 'fresh') return null;
      const { source_address: source } = request;
      return source !== undefined && made.isFor(credentials.nonce, source) ? 'heard' : 'other';
    },
    challenge(realm, { stale = false, source, algorithms = options.algorithms } = {}) {
      const nonce = made.make(realm, source);
      const challenges = algorithms.map(
        (algorithm) =>
          `Digest realm=${quote(realm)}, nonce="${nonce}", algorithm=${algorithm}, qop="auth"${stale ? ', stale=true' : ''}`,
      );
      // RFC 3261 §7.3.1: challenges must not be joined by commas, which drachtio-srf would do; a line end in the value makes two headers.
      return { 'WWW-Authenticate': challenges.join('\r\nWWW-Authenticate: ') };
    },
    ready: secret.ready,
    close() {
      secret.close();
      counts.close();
    },
  };
}
