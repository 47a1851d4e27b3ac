import { createPrivateKey, type KeyObject, randomUUID } from 'node:crypto';
import { identityHeader } from './identity-header.js';
import { type Attestation, signPassport } from './passport.js';

/** Whose name calls are signed in: where the certificate can be fetched, and the key that belongs to it. */
export interface StirCredential {
  stirCredentialSid: string;
  /** The account whose calls are signed; null: all of the service provider that have none of their own. */
  accountSid: string | null;
  serviceProviderSid: string | null;
  /** HTTPS URL of the certificate. */
  x5u: string;
  key: KeyObject;
  isActive: boolean;
}

/** A call to sign; numbers in canonical form (see `canonicalNumber`). */
export interface CallToSign {
  orig: string;
  dest: string;
  attest: Attestation;
  /** Lets the call be traced back; a random UUID by default. */
  origid?: string;
}

/** Reads a private key (PEM) that can sign with ES256. @throws Error that says why it cannot */
export function readSigningKey(pem: string): KeyObject {
  const key = createPrivateKey(pem);
  if (key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw new Error('is not an EC key on P-256');
  return key;
}

/** The headers that a signed INVITE carries (RFC 8224 §6.1, RFC 8588): Identity in full form, and the Date it was signed at. */
export function signCall(
  call: CallToSign,
  { x5u, key }: Pick<StirCredential, 'x5u' | 'key'>,
  nowMs: number = Date.now(),
): { Identity: string; Date: string } {
  const iat = Math.floor(nowMs / 1000);
  const token = signPassport(
    { alg: 'ES256', ppt: 'shaken', typ: 'passport', x5u },
    {
      attest: call.attest,
      dest: { tn: [call.dest], uri: [] },
      iat,
      orig: { tn: call.orig },
      origid: call.origid ?? randomUUID(),
    },
    key,
  );
  return { Identity: identityHeader(token, { info: x5u, ppt: 'shaken' }), Date: new Date(iat * 1000).toUTCString() };
}
