import type { Secret } from '../config/secret.js';
import { decryptSecret, encryptSecret } from '../secrets/encryption.js';
import type { DigestCredentials } from './digest-client.js';

/**
 * The value of `SIP_HEADERS.credentials`: encrypted, since SIP messages are traced and logged.
 *
 * @param secret - `ENCRYPTION_SECRET`, which feature servers and edges share
 */
export function sealCredentials({ username, password }: DigestCredentials, secret: Secret | string): string {
  return encryptSecret(JSON.stringify([username, password]), secret);
}

/** What {@link sealCredentials} was given; null for what it did not make, or made with another secret. */
export function openCredentials(value: string, secret: Secret | string): DigestCredentials | null {
  try {
    const opened: unknown = JSON.parse(decryptSecret(value, secret));
    if (!Array.isArray(opened)) return null;
    const [username, password] = opened as unknown[];
    return typeof username === 'string' && typeof password === 'string' ? { username, password } : null;
  } catch {
    return null;
  }
}
