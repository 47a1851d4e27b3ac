import { createCipheriv, randomBytes } from 'node:crypto';

/** What a crypto suite of SDES is made of. */
export interface SrtpSuite {
  /** Name in `a=crypto` (RFC 4568 §6.2, RFC 6188 §6, RFC 7714 §14). */
  readonly name: string;
  readonly keyBytes: 16 | 32;
  readonly saltBytes: 12 | 14;
  /** Bytes of the tag of an RTP packet. */
  readonly tagBytes: number;
  /** Bytes of the tag of an RTCP packet, which a short RTP tag leaves long. */
  readonly rtcpTagBytes: number;
  readonly isAead: boolean;
}

/** The suites that we know, in the order in which we offer them. */
export const SRTP_SUITES: readonly SrtpSuite[] = [
  { name: 'AEAD_AES_128_GCM', keyBytes: 16, saltBytes: 12, tagBytes: 16, rtcpTagBytes: 16, isAead: true },
  { name: 'AES_CM_128_HMAC_SHA1_80', keyBytes: 16, saltBytes: 14, tagBytes: 10, rtcpTagBytes: 10, isAead: false },
  { name: 'AES_CM_128_HMAC_SHA1_32', keyBytes: 16, saltBytes: 14, tagBytes: 4, rtcpTagBytes: 10, isAead: false },
  { name: 'AES_256_CM_HMAC_SHA1_80', keyBytes: 32, saltBytes: 14, tagBytes: 10, rtcpTagBytes: 10, isAead: false },
  { name: 'AES_256_CM_HMAC_SHA1_32', keyBytes: 32, saltBytes: 14, tagBytes: 4, rtcpTagBytes: 10, isAead: false },
];

/** A suite by its name, in any case. */
export function srtpSuite(name: string): SrtpSuite | undefined {
  return SRTP_SUITES.find((suite) => suite.name.toLowerCase() === name.toLowerCase());
}

/** Key material of one direction, as plain data that passes between threads. */
export interface SrtpKey {
  suite: string;
  /** Master key and master salt, one after the other, in base64. */
  keySalt: string;
  /** Master key identifier that each packet ends with, and its length in bytes, when there is one. */
  mki?: { value: number; bytes: number };
}

/** Fresh key material for what we send. */
export function createSrtpKey(suite: SrtpSuite): SrtpKey {
  return { suite: suite.name, keySalt: randomBytes(suite.keyBytes + suite.saltBytes).toString('base64') };
}

/** Labels of RFC 3711 §4.3.2; those of SRTCP are three more. */
const LABELS = { encryption: 0, authentication: 1, salt: 2 } as const;
const RTCP_LABELS = 3;
const AUTHENTICATION_BYTES = 20;
const LABEL_AT = 7;

/** Keys of one direction of SRTP or SRTCP. */
export interface SessionKeys {
  encryption: Buffer;
  authentication: Buffer;
  salt: Buffer;
}

/** Derives session keys (RFC 3711 §4.3, key derivation rate 0; RFC 6188 with longer keys; RFC 7714 §11 with a shorter salt). */
export function deriveKeys(key: Buffer, salt: Buffer, isRtcp: boolean): SessionKeys {
  const first = isRtcp ? RTCP_LABELS : 0;
  return {
    encryption: derive(key, salt, first + LABELS.encryption, key.length),
    authentication: derive(key, salt, first + LABELS.authentication, AUTHENTICATION_BYTES),
    salt: derive(key, salt, first + LABELS.salt, salt.length),
  };
}

function derive(key: Buffer, salt: Buffer, label: number, bytes: number): Buffer {
  const counter = Buffer.alloc(16);
  salt.copy(counter);
  counter[LABEL_AT]! ^= label;
  return createCipheriv(key.length === 32 ? 'aes-256-ctr' : 'aes-128-ctr', key, counter).update(Buffer.alloc(bytes));
}
