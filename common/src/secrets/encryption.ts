import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { reveal, type Secret } from '../config/secret.js';
import { RingwireError } from '../errors.js';

/** A value at rest cannot be decrypted: it was changed, or was encrypted with another `ENCRYPTION_SECRET`. */
export class DecryptionError extends RingwireError {
  readonly code = 'secrets/decryption';
}

const ALGORITHM = 'aes-256-gcm';
const IV_BYTES = 12;
const TAG_BYTES = 16;

const keys = new Map<string, Buffer>();

/** Derives the key (HKDF-SHA256) once per secret: it is on the path of every decrypted row. */
function keyOf(secret: Secret | string): Buffer {
  const material = reveal(secret);
  let key = keys.get(material);
  if (key === undefined) {
    key = Buffer.from(hkdfSync('sha256', material, '', 'ringwire credentials v1', 32));
    keys.set(material, key);
  }
  return key;
}

/** Whether a stored value has the form that {@link encryptSecret} writes. */
export const isEncrypted = (stored: string): boolean =>
  /^v1:[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]+:[A-Za-z0-9+/=]*$/.test(stored);

/** Encrypts a value for the database: `v1:<iv>:<tag>:<ciphertext>` in base64, AES-256-GCM with a fresh IV. */
export function encryptSecret(plain: string, secret: Secret | string): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(ALGORITHM, keyOf(secret), iv);
  const ciphertext = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()]);
  return `v1:${iv.toString('base64')}:${cipher.getAuthTag().toString('base64')}:${ciphertext.toString('base64')}`;
}

/** Decrypts what {@link encryptSecret} wrote. @throws {@link DecryptionError} */
export function decryptSecret(stored: string, secret: Secret | string): string {
  const [version, iv, tag, ciphertext] = stored
    .split(':')
    .map((part, i) => (i === 0 ? part : Buffer.from(part, 'base64')));
  if (
    version !== 'v1' ||
    !Buffer.isBuffer(iv) ||
    !Buffer.isBuffer(tag) ||
    !Buffer.isBuffer(ciphertext) ||
    tag.length !== TAG_BYTES
  ) {
    throw new DecryptionError('stored value is not v1:<iv>:<tag>:<ciphertext>');
  }
  try {
    const decipher = createDecipheriv(ALGORITHM, keyOf(secret), iv, { authTagLength: TAG_BYTES });
    decipher.setAuthTag(tag);
    return Buffer.concat([decipher.update(ciphertext), decipher.final()]).toString('utf8');
  } catch (err) {
    throw new DecryptionError('stored value was changed or belongs to another ENCRYPTION_SECRET', {}, { cause: err });
  }
}
