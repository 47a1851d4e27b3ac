import { createHash } from 'node:crypto';

/** Hash algorithms of digest authentication that we ask for (RFC 7616 §3.7; RFC 8760 for SIP). */
export type DigestAlgorithm = 'SHA-256' | 'MD5';

const HASHES: Record<DigestAlgorithm, string> = { 'SHA-256': 'sha256', MD5: 'md5' };

/** What a response is made of, qop `auth`. */
export interface DigestInput {
  algorithm: DigestAlgorithm;
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
}

/** The response that proves the password (RFC 7616 §3.4.1, qop `auth`), in lower-case hexadecimal digits. */
export function digestResponse(input: DigestInput): string {
  const { algorithm, username, realm, password, method, uri, nonce, nc, cnonce } = input;
  const hash = (text: string): string => createHash(HASHES[algorithm]).update(text).digest('hex');
  const a1 = hash(`${username}:${realm}:${password}`);
  const a2 = hash(`${method}:${uri}`);
  return hash(`${a1}:${nonce}:${nc}:${cnonce}:auth:${a2}`);
}
