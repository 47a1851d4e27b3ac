import { createSign } from 'node:crypto';
import { BotError } from '../errors.js';

/** What of a service account's key is used. */
export interface ServiceAccount {
  clientEmail: string;
  privateKey: string;
  privateKeyId?: string;
}

/** How long a token is good for; Google's longest. */
const LIFETIME_SEC = 3600;

/**
 * Reads the credentials of a verb: the JSON key of a service account, as object or text.
 * @throws BotError that names what is missing
 */
export function readServiceAccount(credentials: unknown): ServiceAccount {
  let key: unknown = credentials;
  if (typeof key === 'string') {
    try {
      key = JSON.parse(key);
    } catch {
      throw new BotError('credentials are not JSON', {});
    }
  }
  const { client_email, private_key, private_key_id } = (key ?? {}) as Record<string, unknown>;
  if (typeof client_email !== 'string') throw new BotError('credentials lack client_email', {});
  if (typeof private_key !== 'string') throw new BotError('credentials lack private_key', {});
  return {
    clientEmail: client_email,
    privateKey: private_key,
    ...(typeof private_key_id === 'string' && { privateKeyId: private_key_id }),
  };
}

/**
 * A token that a service account signs itself (Google AIP-4111, RFC 7519): no further server has to be asked for one.
 * @param audience `https://dialogflow.googleapis.com/`
 * @throws BotError where the key cannot sign
 */
export function signToken(account: ServiceAccount, audience: string, nowMs: number): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const issuedAt = Math.floor(nowMs / 1000);
  const { clientEmail, privateKeyId } = account;
  const header = part({ alg: 'RS256', typ: 'JWT', ...(privateKeyId !== undefined && { kid: privateKeyId }) });
  const claims = { iss: clientEmail, sub: clientEmail, aud: audience, iat: issuedAt, exp: issuedAt + LIFETIME_SEC };
  const signed = `${header}.${part(claims)}`;
  try {
    return `${signed}.${createSign('RSA-SHA256').update(signed).sign(account.privateKey, 'base64url')}`;
  } catch (cause) {
    throw new BotError('private_key of the credentials cannot sign', {}, { cause });
  }
}
