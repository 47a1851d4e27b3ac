import { readFileSync } from 'node:fs';
import { ConfigError, type ConfigOf, flag, integer, optionalText } from '@ringwire/common';
import { AddressGuard } from '@ringwire/common/http/address-guard.js';
import { certificatesOfPem } from '@ringwire/common/stir/certificate.js';
import { CertificateCache } from '@ringwire/common/stir/certificate-cache.js';
import { httpsFetch } from '@ringwire/common/stir/fetch-certificate.js';
import { StirVerifier } from '@ringwire/common/stir/verifier.js';

/** How callers' identities are verified. */
export const stirVars = {
  STIR_ROOTS_FILE: optionalText({
    doc: "PEM file of the roots that callers' certificates must lead to; unset: no caller is valid",
  }),
  STIR_WAIT_MS: integer({
    default: 500,
    min: 0,
    max: 10_000,
    doc: "how long a call may wait for its caller's certificate",
  }),
  STIR_ALLOW_PRIVATE: flag({
    default: false,
    doc: 'whether certificates may be fetched from private and loopback addresses',
  }),
  STIR_HTTPS_CA_FILE: optionalText({
    doc: 'PEM file of the authorities of certificate repositories; unset: those of the web',
  }),
};

/** How callers' identities are verified. */
export type StirConfig = ConfigOf<typeof stirVars>;

/** The text of a file that a variable names. @throws ConfigError */
function readFileOf(variable: 'STIR_ROOTS_FILE' | 'STIR_HTTPS_CA_FILE', path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    throw new ConfigError([{ variable, value: JSON.stringify(path), expected: 'a file that can be read' }]);
  }
}

/** The certificates of the roots file. @throws ConfigError */
function rootsOf({ STIR_ROOTS_FILE: path }: StirConfig): ReturnType<typeof certificatesOfPem> {
  if (path === undefined) return [];
  const pem = readFileOf('STIR_ROOTS_FILE', path);
  const wrong = (expected: string): ConfigError =>
    new ConfigError([{ variable: 'STIR_ROOTS_FILE', value: JSON.stringify(path), expected }]);
  try {
    const roots = certificatesOfPem(pem);
    if (roots.length > 0) return roots;
  } catch (err) {
    throw wrong(`a file of PEM certificates (${err instanceof Error ? err.message : err})`);
  }
  throw wrong('a file with at least one PEM certificate');
}

/** Builds the verifier of a process. @throws ConfigError when a file cannot be used */
export function stirVerifier(config: StirConfig): StirVerifier {
  const caFile = config.STIR_HTTPS_CA_FILE;
  const fetch = httpsFetch({
    guard: new AddressGuard({ allowPrivate: config.STIR_ALLOW_PRIVATE }),
    ...(caFile === undefined ? {} : { ca: readFileOf('STIR_HTTPS_CA_FILE', caFile) }),
  });
  return new StirVerifier({
    certificates: new CertificateCache({ fetch }),
    roots: rootsOf(config),
    waitMs: config.STIR_WAIT_MS,
  });
}
