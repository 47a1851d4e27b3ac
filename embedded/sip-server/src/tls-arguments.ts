import { readFileSync } from 'node:fs';
import type { Certificate, TlsSettings } from '@ringwire/sip';
import type { TlsTrust } from './control/outbound-connections.js';
import { ArgumentError } from './errors.js';

/** The TLS flags as given; files are PEM. */
export interface TlsArguments {
  'cert-file'?: string | undefined;
  'key-file'?: string | undefined;
  'chain-file'?: string | undefined;
  'dh-param'?: string | undefined;
  'min-tls-version'?: string | undefined;
  'tls-cipherlist'?: string | undefined;
  'tls-ca-file'?: string | undefined;
  'tls-name'?: string[] | undefined;
  'tls-require-client-cert'?: boolean | undefined;
  'tls-no-verify'?: boolean | undefined;
  'tls-allow-wildcards'?: boolean | undefined;
}

/** Reads the files; undefined without certificate. @throws ArgumentError that names the flag */
export function readTlsArguments(values: TlsArguments): TlsSettings | undefined {
  const minVersion = readVersion(values['min-tls-version'] ?? '1.2');
  const { 'cert-file': certFile, 'key-file': keyFile } = values;
  if (certFile === undefined && keyFile === undefined) return undefined;
  if (certFile === undefined || keyFile === undefined) {
    throw new ArgumentError('--cert-file and --key-file are needed together');
  }
  const cert = readPem('--cert-file', certFile);
  const chain = values['chain-file'] === undefined ? '' : `\n${readPem('--chain-file', values['chain-file'])}`;
  const { 'tls-ca-file': caFile, 'dh-param': dhFile, 'tls-cipherlist': ciphers } = values;
  return {
    cert: cert + chain,
    key: readPem('--key-file', keyFile),
    minVersion,
    ...(caFile === undefined ? {} : { ca: readPem('--tls-ca-file', caFile) }),
    ...(dhFile === undefined ? {} : { dhparam: readPem('--dh-param', dhFile) }),
    ...(ciphers === undefined ? {} : { ciphers }),
    names: new Map((values['tls-name'] ?? []).map(readName)),
    requireClientCertificate: values['tls-require-client-cert'] ?? false,
    verifyServers: !(values['tls-no-verify'] ?? false),
    allowWildcards: values['tls-allow-wildcards'] ?? false,
  };
}

/** Whom we trust when we connect to request-handlers and applications. @throws ArgumentError that names the flag */
export function readTrust(values: TlsArguments): TlsTrust {
  const { 'tls-ca-file': caFile, 'tls-no-verify': trusting = false } = values;
  return { verifyServers: !trusting, ...(caFile === undefined ? {} : { ca: readPem('--tls-ca-file', caFile) }) };
}

/** `sip.example.com=cert.pem,key.pem`. */
function readName(text: string): [string, Certificate] {
  const match = /^([^=,]+)=([^,]+),([^,]+)$/.exec(text);
  if (!match) throw new ArgumentError(`--tls-name: NAME=CERTFILE,KEYFILE expected: ${text}`);
  const [, name = '', cert = '', key = ''] = match;
  return [name, { cert: readPem('--tls-name', cert), key: readPem('--tls-name', key) }];
}

function readVersion(text: string): 'TLSv1.2' | 'TLSv1.3' {
  if (text === '1.2') return 'TLSv1.2';
  if (text === '1.3') return 'TLSv1.3';
  // RFC 8996: older ones must not be used, even where they are allowed.
  if (text === '1.0' || text === '1.1' || text === '1') return 'TLSv1.2';
  throw new ArgumentError('--min-tls-version: 1.2 or 1.3 expected');
}

function readPem(option: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (err) {
    throw new ArgumentError(`${option}: ${err instanceof Error ? err.message : String(err)}`, {}, { cause: err });
  }
}
