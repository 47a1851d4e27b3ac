import { type KeyObject, X509Certificate } from 'node:crypto';
import { type CertificateExtension, extensionsOf, readDer, readOne } from './der.js';
import { parseTnAuthList, TN_AUTH_LIST_OID, type TnAuthList } from './tn-auth-list.js';

/** A signer's certificate with those that lead from it towards a root. */
export interface CertificateChain {
  leaf: X509Certificate;
  intermediates: X509Certificate[];
  publicKey: KeyObject;
  /** Null: the certificate does not say whose numbers it is for. */
  tnAuthList: TnAuthList | null;
}

/** The outcome of {@link parseCertificateChain}. */
export type ParsedChain = { ok: true; chain: CertificateChain } | { ok: false; reason: string };

/** Certificates from leaf to root; the SHAKEN ones are three. */
const MAX_CHAIN = 6;
const PEM = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

const BASIC_CONSTRAINTS = '2.5.29.19';
const KEY_USAGE = '2.5.29.15';
/** Extensions that are checked here or may be ignored; any other critical one makes a certificate useless (RFC 5280 §4.2). */
const UNDERSTOOD = new Set([
  TN_AUTH_LIST_OID,
  BASIC_CONSTRAINTS,
  KEY_USAGE,
  '2.5.29.14', // subject key identifier
  '2.5.29.35', // authority key identifier
  '2.5.29.31', // CRL distribution points
  '2.5.29.32', // certificate policies
  '2.5.29.37', // extended key usage
]);

/** The certificates of a PEM file. @throws when one of them cannot be read */
export function certificatesOfPem(pem: string): X509Certificate[] {
  return (pem.match(PEM) ?? []).map((text) => new X509Certificate(text));
}

/** Reads what a certificate repository answered: PEM, the signer's first, or one certificate in DER. Never throws. */
export function parseCertificateChain(body: Buffer): ParsedChain {
  try {
    const isDer = body[0] === 0x30;
    const certificates = isDer ? [new X509Certificate(body)] : certificatesOfPem(body.toString('latin1'));
    const [leaf, ...intermediates] = certificates.slice(0, MAX_CHAIN);
    if (!leaf) return { ok: false, reason: 'there is no certificate' };
    const extensions = extensionsOf(leaf.raw);
    const unknown = extensions.find(({ oid, isCritical }) => isCritical && !UNDERSTOOD.has(oid));
    if (unknown) return { ok: false, reason: `the certificate has the unknown critical extension ${unknown.oid}` };
    const { publicKey } = leaf;
    if (publicKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
      return { ok: false, reason: 'the key of the certificate is not on P-256' };
    }
    if (!maySign(extensions)) return { ok: false, reason: 'the certificate is not for signatures' };
    const authorized = extensions.find(({ oid }) => oid === TN_AUTH_LIST_OID);
    const tnAuthList = authorized ? parseTnAuthList(authorized.value) : null;
    return { ok: true, chain: { leaf, intermediates, publicKey, tnAuthList } };
  } catch (error) {
    // OpenSSL and the DER reader throw on what is no certificate.
    return { ok: false, reason: `the certificate cannot be read: ${error instanceof Error ? error.message : error}` };
  }
}

/** keyUsage digitalSignature, where the extension is present (RFC 5280 §4.2.1.3). */
function maySign(extensions: readonly CertificateExtension[]): boolean {
  const usage = extensions.find(({ oid }) => oid === KEY_USAGE);
  return !usage || ((readOne(usage.value).contents[1] ?? 0) & 0x80) !== 0;
}

/** How many more authorities may stand between this one and the leaf; Infinity without a limit. */
function pathLengthOf(extensions: readonly CertificateExtension[]): number {
  const basic = extensions.find(({ oid }) => oid === BASIC_CONSTRAINTS);
  const length = basic && readDer(readOne(basic.value).contents).find(({ tag }) => tag === 0x02);
  return length && length.contents.length > 0 && length.contents.length <= 4
    ? length.contents.readUIntBE(0, length.contents.length)
    : Number.POSITIVE_INFINITY;
}

const isCurrent = ({ validFrom, validTo }: X509Certificate, nowMs: number): boolean =>
  Date.parse(validFrom) <= nowMs && nowMs <= Date.parse(validTo);

function mayIssue(certificate: X509Certificate, below: number): boolean {
  const extensions = extensionsOf(certificate.raw);
  return (
    certificate.ca &&
    below <= pathLengthOf(extensions) &&
    extensions.every(({ oid, isCritical }) => !isCritical || UNDERSTOOD.has(oid))
  );
}

const isIssuer = (issuer: X509Certificate, subject: X509Certificate): boolean =>
  subject.checkIssued(issuer) && subject.verify(issuer.publicKey);

/**
 * Follows a chain to one of the operator's roots (RFC 5280 §6): names, signatures, dates, basic constraints with path lengths,
 * and no critical extension that is not understood. Revocation is not looked up. Never throws.
 *
 * @returns null when the chain holds, else why it does not
 */
export function chainProblem(
  { leaf, intermediates }: CertificateChain,
  roots: readonly X509Certificate[],
  nowMs: number,
): string | null {
  try {
    if (!isCurrent(leaf, nowMs)) return `the certificate is valid from ${leaf.validFrom} to ${leaf.validTo}`;
    if (roots.some((root) => root.fingerprint256 === leaf.fingerprint256)) return null;
    let current = leaf;
    const left = new Set(intermediates);
    for (let below = 0; below < MAX_CHAIN; below++) {
      const root = roots.find((candidate) => isIssuer(candidate, current));
      if (root) {
        if (!isCurrent(root, nowMs)) return 'the root of the certificate has expired';
        return mayIssue(root, below) ? null : 'the root of the certificate may not issue it';
      }
      const next = [...left].find((candidate) => isIssuer(candidate, current));
      if (!next) return 'the certificate leads to no trusted root';
      if (!isCurrent(next, nowMs)) return 'an intermediate certificate is not valid now';
      if (!mayIssue(next, below)) return 'an intermediate certificate may not issue others';
      left.delete(next);
      current = next;
    }
    return 'the chain of certificates is too long';
  } catch (error) {
    return `the chain of certificates cannot be read: ${error instanceof Error ? error.message : error}`;
  }
}
