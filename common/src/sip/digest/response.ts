import { createHash } from 'node:crypto';

/** Hash algorithms of digest authentication that we ask for (RFC 7616 §3.7; RFC 8760 for SIP). */
export type DigestAlgorithm = 'SHA-256' | 'MD5';

/** Node's name of each algorithm (RFC 7616 §6.1, RFC 8760 §2.2). */
const HASHES: Readonly<Record<string, string>> = { MD5: 'md5', 'SHA-256': 'sha256', 'SHA-512-256': 'sha512-256' };

/** Node's name of the hash of an algorithm as it was written, `-sess` or not; undefined for one that we do not know. */
export const hashName = (algorithm: string): string | undefined =>
  HASHES[algorithm.toUpperCase().replace(/-SESS$/, '')];

/** What a response is made of. */
export interface DigestInput {
  /** As it was written; one that we do not know is taken for MD5. */
  algorithm: string;
  username: string;
  realm: string;
  password: string;
  method: string;
  /** The digest-uri as the client wrote it. */
  uri: string;
  nonce: string;
  /** Eight hexadecimal digits, as written. */
  nc: string;
  cnonce: string;
  /** `none` is the old form, which leaves `nc` out (RFC 2069). @defaultValue auth */
  qop?: 'auth' | 'auth-int' | 'none';
  /** What `auth-int` protects. */
  body?: string;
}

/** The response that proves the password (RFC 7616 §3.4.1), in lower-case hexadecimal digits. */
export function digestResponse(input: DigestInput): string {
  const { algorithm, username, realm, password, method, uri, nonce, nc, cnonce, qop = 'auth', body = '' } = input;
  const name = hashName(algorithm) ?? 'md5';
  const hash = (text: string): string => createHash(name).update(text).digest('hex');
  const secret = hash(`${username}:${realm}:${password}`);
  const a1 = /-sess$/i.test(algorithm) ? hash(`${secret}:${nonce}:${cnonce}`) : secret;
  const a2 = hash(qop === 'auth-int' ? `${method}:${uri}:${hash(body)}` : `${method}:${uri}`);
  return hash(qop === 'none' ? `${a1}:${nonce}:${a2}` : `${a1}:${nonce}:${nc}:${cnonce}:${qop}:${a2}`);
}
