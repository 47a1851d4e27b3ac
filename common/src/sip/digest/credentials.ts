import type { DigestAlgorithm } from './response.js';

/** What an Authorization header says (RFC 7616 §3.4), of the kind that we ask for: qop `auth`, a known algorithm. */
export interface DigestCredentials {
  username: string;
  realm: string;
  nonce: string;
  uri: string;
  /** Lower case. */
  response: string;
  algorithm: DigestAlgorithm;
  cnonce: string;
  /** How often the client has used the nonce, this time included: eight hexadecimal digits, as written. */
  nc: string;
}

/** Longer headers are no credentials of a telephone. */
const MAX_HEADER = 4_096;
/** For a header in which each white space is one blank: repeated ones would be tried from each of them. */
const PARAMETER = /(?:^|[, ]) ?(?:([\w-]+) )?([\w-]+) ?= ?(?:"((?:[^"\\]|\\.)*)"|([^ ,"]+))/g;

function read(fields: ReadonlyMap<string, string>): DigestCredentials | undefined {
  const algorithm = (fields.get('algorithm') ?? 'MD5').toUpperCase();
  if (algorithm !== 'MD5' && algorithm !== 'SHA-256') return undefined;
  const [username, realm, nonce, uri] = ['username', 'realm', 'nonce', 'uri'].map((name) => fields.get(name));
  const [response, cnonce, nc] = ['response', 'cnonce', 'nc'].map((name) => fields.get(name));
  if (username === undefined || realm === undefined || !nonce || !uri || !cnonce) return undefined;
  if (!response || !/^(?:[0-9a-f]{32}|[0-9a-f]{64})$/i.test(response)) return undefined;
  if (fields.get('qop')?.toLowerCase() !== 'auth' || nc === undefined || !/^[0-9a-f]{8}$/i.test(nc)) return undefined;
  return { username, realm, nonce, uri, response: response.toLowerCase(), algorithm, cnonce, nc };
}

/**
 * The digest credentials of an Authorization header, in which several may be joined by commas. Other schemes and what cannot be
 * checked (no qop: nothing to count; unknown algorithms) are left out: to them the answer is a challenge. Never throws.
 */
export function parseCredentials(header: string | undefined): DigestCredentials[] {
  if (header === undefined || header.length > MAX_HEADER) return [];
  const found: Map<string, string>[] = [];
  let current: Map<string, string> | undefined;
  for (const [, scheme, name, quoted, token] of header.replace(/\s+/g, ' ').matchAll(PARAMETER)) {
    if (scheme !== undefined) {
      current = scheme.toLowerCase() === 'digest' ? new Map() : undefined;
      if (current) found.push(current);
    }
    current?.set((name ?? '').toLowerCase(), quoted === undefined ? (token ?? '') : quoted.replace(/\\(.)/g, '$1'));
  }
  return found.flatMap((fields) => read(fields) ?? []);
}
