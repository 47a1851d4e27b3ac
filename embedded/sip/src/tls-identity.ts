import { isIP } from 'node:net';
import { checkServerIdentity, type PeerCertificate } from 'node:tls';
import { SipTransportError } from './errors.js';

/**
 * Whether a server's certificate proves that it may answer for a SIP domain (RFC 5922 §7.1, §7.2): a subject alternative name
 * `URI:sip:<domain>` or `DNS:<domain>`, compared whole; the common name where there is no alternative name of either kind.
 *
 * @param name the domain that was asked for, or an address, which an IP alternative name proves
 * @param allowWildcards lets `*.` stand for one label, as certificates of some carriers need
 * @returns the error that refuses it
 */
export function checkIdentity(name: string, certificate: PeerCertificate, allowWildcards: boolean): Error | undefined {
  if (isIP(name) !== 0) return checkServerIdentity(name, certificate);
  const identities = identitiesOf(certificate);
  const wanted = name.toLowerCase().replace(/\.$/, '');
  if (identities.includes(wanted)) return undefined;
  if (allowWildcards && identities.includes(wanted.replace(/^[^.]+/, '*'))) return undefined;
  return new SipTransportError(`the certificate is of ${identities.join(', ') || 'nobody'}, not of ${name}`);
}

function identitiesOf(certificate: PeerCertificate): string[] {
  const found: string[] = [];
  for (const part of splitNames(certificate.subjectaltname ?? '')) {
    const colon = part.indexOf(':');
    const [kind, value] = [part.slice(0, colon), part.slice(colon + 1).toLowerCase()];
    if (kind === 'DNS') found.push(value);
    // A URI with a user part names a person, not a domain; other schemes name other services.
    const domain = kind === 'URI' ? /^sip:([^@;?:/]+)$/.exec(value)?.[1] : undefined;
    if (domain !== undefined) found.push(domain);
  }
  const { CN: common } = certificate.subject ?? {};
  if (found.length === 0 && typeof common === 'string') found.push(common.toLowerCase());
  return found;
}

/** Node.js separates names by commas and puts those that hold commas themselves into quotes: nothing that names a domain. */
function splitNames(text: string): string[] {
  return text.split(', ').filter((part) => !part.includes('"'));
}
