import { createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { SignedRequest } from './vendor.js';

/** Telnyx signs each attempt when it makes it; what is older may be a copy. */
const MAX_AGE_MS = 5 * 60_000;
/** An Ed25519 key as X.509 has it, before its 32 octets (RFC 8410 §4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** An account's public key as Telnyx' portal shows it (32 octets in base64); undefined when it is none. */
export function telnyxKey(text: string): KeyObject | undefined {
  const octets = Buffer.from(text, 'base64');
  if (octets.length !== 32 || !/^[A-Za-z0-9+/]{43}=?$/.test(text)) return undefined;
  return createPublicKey({ key: Buffer.concat([SPKI_PREFIX, octets]), format: 'der', type: 'spki' });
}

/**
 * Whether `telnyx-signature-ed25519` is that of this request: over `telnyx-timestamp` (unix seconds), a bar and the body
 * (developers.telnyx.com/docs/development/api-fundamentals/webhooks).
 */
export function isSignedByTelnyx({ header, rawBody }: SignedRequest, publicKey: string, nowMs: number): boolean {
  const key = telnyxKey(publicKey);
  const timestamp = header('telnyx-timestamp');
  const signature = Buffer.from(header('telnyx-signature-ed25519'), 'base64');
  if (key === undefined || !/^\d{1,12}$/.test(timestamp) || signature.length !== 64) return false;
  if (Math.abs(nowMs - Number(timestamp) * 1_000) > MAX_AGE_MS) return false;
  return verify(null, Buffer.concat([Buffer.from(`${timestamp}|`), rawBody]), key, signature);
}
