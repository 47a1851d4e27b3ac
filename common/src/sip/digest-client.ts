import { randomBytes } from 'node:crypto';
import { digestResponse, hashName } from './digest/response.js';
import type { SipHeaders, SipResponse } from './stack.js';

/** Who we are to a server that challenges us. */
export interface DigestCredentials {
  username: string;
  password: string;
}

/** One challenge of a `WWW-Authenticate` or `Proxy-Authenticate` header (RFC 7616 §3.3). */
export interface DigestChallenge {
  realm: string;
  nonce: string;
  /** As it was written; `MD5` when the challenge names none. */
  algorithm: string;
  opaque?: string;
  /** Empty: the old form without qop (RFC 2069). */
  qop: readonly string[];
  /** The credentials are right, only the nonce is too old. */
  isStale: boolean;
}

/** Longer headers come from nobody who wants an answer. */
const MAX_HEADER = 4_096;

/** The digest challenges of a header in which several may be joined by commas. Other schemes are left out. Never throws. */
export function parseChallenges(header: string): DigestChallenge[] {
  if (header.length > MAX_HEADER) return [];
  const found: Map<string, string>[] = [];
  const parameter = /(?:^|[,\s])\s*(?:([\w-]+)\s+)?([\w-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g;
  let current: Map<string, string> | undefined;
  for (const [, scheme, name, quoted, token] of header.matchAll(parameter)) {
    if (scheme !== undefined) {
      current = scheme.toLowerCase() === 'digest' ? new Map() : undefined;
      if (current) found.push(current);
    }
    current?.set(name!.toLowerCase(), quoted === undefined ? (token ?? '') : quoted.replace(/\\(.)/g, '$1'));
  }
  return found.flatMap((fields): DigestChallenge[] => {
    const realm = fields.get('realm');
    const nonce = fields.get('nonce');
    if (realm === undefined || nonce === undefined) return [];
    const opaque = fields.get('opaque');
    const qop = (fields.get('qop') ?? '').toLowerCase().split(/[,\s]+/);
    return [
      {
        realm,
        nonce,
        algorithm: fields.get('algorithm') ?? 'MD5',
        ...(opaque === undefined ? {} : { opaque }),
        qop: qop.filter((word) => word !== ''),
        isStale: fields.get('stale')?.toLowerCase() === 'true',
      },
    ];
  });
}

/** Whether we can answer: a known algorithm, and protection that we know. */
const isAnswerable = ({ algorithm, qop }: DigestChallenge): boolean =>
  hashName(algorithm) !== undefined && (qop.length === 0 || qop.includes('auth') || qop.includes('auth-int'));

/** What an answer is made for. */
export interface DigestRequest {
  method: string;
  /** The Request-URI. */
  uri: string;
  body?: string;
}

const quote = (text: string): string => `"${text.replace(/(["\\])/g, '\\$1')}"`;

/**
 * The value of `Authorization` that answers a challenge (RFC 7616 §3.4; RFC 8760 for SHA-256 in SIP).
 *
 * @param count - how often this nonce has been used, this time included
 * @param cnonce - our own random text
 */
export function digestAnswer(
  challenge: DigestChallenge,
  credentials: DigestCredentials,
  request: DigestRequest,
  { count, cnonce }: { count: number; cnonce: string },
): string {
  const { realm, nonce, algorithm, opaque } = challenge;
  const qop = (['auth', 'auth-int'] as const).find((word) => challenge.qop.includes(word));
  const nc = count.toString(16).padStart(8, '0');
  const { username, password } = credentials;
  const proof = { username, password, realm, nonce, algorithm, nc, cnonce, qop: qop ?? 'none' } as const;
  const response = digestResponse({ ...proof, ...request });
  return [
    `Digest username=${quote(username)}`,
    `realm=${quote(realm)}`,
    `nonce=${quote(nonce)}`,
    `uri=${quote(request.uri)}`,
    `response="${response}"`,
    `algorithm=${algorithm}`,
    ...(opaque === undefined ? [] : [`opaque=${quote(opaque)}`]),
    ...(qop === undefined ? [] : [`qop=${qop}`, `nc=${nc}`, `cnonce="${cnonce}"`]),
  ].join(', ');
}

type Door = 'www' | 'proxy';
const ANSWER_HEADERS: Record<Door, string> = { www: 'Authorization', proxy: 'Proxy-Authorization' };
const CHALLENGE_HEADERS: Record<Door, string> = { www: 'WWW-Authenticate', proxy: 'Proxy-Authenticate' };

/**
 * Our side of digest authentication towards one peer: keeps its last challenges, so that later requests of the dialog carry an
 * answer from the start. One door for the peer itself (401) and one for a proxy before it (407).
 */
export class DigestClient {
  readonly #doors = new Map<Door, { challenge: DigestChallenge; count: number }>();

  constructor(private readonly credentials: DigestCredentials) {}

  /**
   * Learns from a 401 or 407 of one request.
   *
   * @param seen - what this request has been asked so far; pass the same set again for its repetitions
   * @returns whether it makes sense to send the request again: not when our answer was just rejected
   */
  learn(response: SipResponse, seen: Set<string>): boolean {
    if (response.status !== 401 && response.status !== 407) return false;
    const door: Door = response.status === 401 ? 'www' : 'proxy';
    // RFC 8760 §2.4: the topmost that we can answer.
    const challenge = parseChallenges(response.get(CHALLENGE_HEADERS[door]) ?? '').find(isAnswerable);
    if (!challenge) return false;
    const asked = challenge.isStale ? `${door} stale` : door;
    if (seen.has(asked)) return false;
    seen.add(door);
    seen.add(asked);
    this.#doors.set(door, { challenge, count: 0 });
    return true;
  }

  /** The headers that a request carries; none before the first challenge. */
  headersFor(request: DigestRequest): SipHeaders {
    const headers: SipHeaders = {};
    for (const [door, entry] of this.#doors) {
      entry.count++;
      const cnonce = randomBytes(8).toString('hex');
      const options = { count: entry.count, cnonce };
      headers[ANSWER_HEADERS[door]] = digestAnswer(entry.challenge, this.credentials, request, options);
    }
    return headers;
  }
}
