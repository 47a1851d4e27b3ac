import { isIP } from 'node:net';
import { type ConnectionOptions, createSecureContext, type SecureContextOptions, type TlsOptions } from 'node:tls';
import { checkIdentity } from './tls-identity.js';
import type { Endpoint } from './transport.js';

/** A certificate with its key, both PEM; `cert` may go on with the certificates of its issuers. */
export interface Certificate {
  cert: string | Buffer;
  key: string | Buffer;
}

/** TLS on all `tls` and `wss` listeners of a layer, and on the connections that they open (RFC 3261 §26.2). */
export interface TlsSettings extends Certificate {
  /** Authorities (PEM) that peers' certificates must come from. @defaultValue those that Node.js knows */
  ca?: string | Buffer;
  /** Diffie-Hellman parameters (PEM) for TLS 1.2. @defaultValue well-known ones that fit the key */
  dhparam?: string | Buffer;
  /** Ciphers of TLS 1.2 in OpenSSL's notation. @defaultValue those of Node.js */
  ciphers?: string;
  /** @defaultValue TLSv1.2 */
  minVersion?: 'TLSv1.2' | 'TLSv1.3';
  /** Other certificates by the name (SNI) that the peer asks for. */
  names?: ReadonlyMap<string, Certificate>;
  /** Whether a peer that connects must show a certificate from `ca`. @defaultValue false */
  requireClientCertificate?: boolean;
  /** Whether a server that we connect to must prove its name. @defaultValue true */
  verifyServers?: boolean;
  /** Whether `*.example.com` in a certificate proves names below it, which RFC 5922 §7.2 forbids. @defaultValue false */
  allowWildcards?: boolean;
}

/** A peer that connects must have shaken hands by then. */
const HANDSHAKE_WITHIN_MS = 10_000;

/** Options of a listening TLS socket. @throws what OpenSSL says about an unusable certificate or key */
export function serverTlsOptions(settings: TlsSettings): TlsOptions {
  const common = contextOptions(settings);
  const contexts = new Map(
    [...(settings.names ?? [])].map(([name, { cert, key }]) => [
      name.toLowerCase(),
      createSecureContext({ ...common, cert, key }),
    ]),
  );
  const required = settings.requireClientCertificate ?? false;
  return {
    ...common,
    handshakeTimeout: HANDSHAKE_WITHIN_MS,
    requestCert: required,
    rejectUnauthorized: required,
    // Without a context of that name the certificate of all others is shown.
    SNICallback: (name, done) => done(null, contexts.get(name.toLowerCase())),
  };
}

/** Options of a connection to a TLS server; our certificate is shown when it is asked for. */
export function clientTlsOptions(settings: TlsSettings, to: Endpoint): ConnectionOptions {
  const { dhparam: _, ...common } = contextOptions(settings);
  const name = to.serverName ?? to.host;
  return {
    ...common,
    // Both 'servername' and the check of the certificate leave addresses out of SNI (RFC 6066 §3).
    ...(isIP(name) === 0 ? { servername: name } : {}),
    rejectUnauthorized: settings.verifyServers ?? true,
    checkServerIdentity: (_host, certificate) => checkIdentity(name, certificate, settings.allowWildcards ?? false),
  };
}

function contextOptions(settings: TlsSettings): SecureContextOptions {
  const { cert, key, ca, dhparam, ciphers, minVersion = 'TLSv1.2' } = settings;
  return {
    cert,
    key,
    minVersion,
    dhparam: dhparam ?? 'auto',
    ...(ca === undefined ? {} : { ca }),
    ...(ciphers === undefined ? {} : { ciphers }),
  };
}
