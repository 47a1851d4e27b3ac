import type { SipMessageView } from './stack.js';

/** The parts of a SIP or tel URI that routing looks at. */
export interface UriParts {
  scheme: 'sip' | 'sips' | 'tel';
  /** Null when the URI has none (`sip:example.com`); user parameters (`;npdi`) and a password are cut off. */
  user: string | null;
  /** Lower case, without brackets; empty for tel URIs. */
  host: string;
  port: number | null;
}

const SIP_URI = /^(sips?):(?:([^@>\s]*)@)?(\[[0-9a-f:.]+\]|[^:;?>@\s]+)(?::(\d{1,5}))?(?:[;?].*)?$/i;
const TEL_URI = /^tel:([^;>\s]+)/i;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)$/;

/** Takes a URI apart. Null when it is neither a SIP nor a tel URI (RFC 3261 §19.1, RFC 3966). Never throws. */
export function splitUri(uri: string): UriParts | null {
  if (uri.length > 1024) return null;
  const sip = SIP_URI.exec(uri);
  if (sip) {
    const user = (sip[2] ?? '').split(/[;:]/, 1)[0] ?? '';
    return {
      scheme: sip[1]!.toLowerCase() as 'sip' | 'sips',
      user: user === '' ? null : user,
      host: sip[3]!.toLowerCase().replace(/^\[|\]$/g, ''),
      port: sip[4] === undefined ? null : Number(sip[4]),
    };
  }
  const tel = TEL_URI.exec(uri);
  return tel ? { scheme: 'tel', user: tel[1]!.replace(/[-.()]/g, ''), host: '', port: null } : null;
}

/** Whether the text is a dotted IPv4 address. */
export function isIpv4(text: string): boolean {
  return IPV4.test(text);
}

/** Number as phone numbers are stored: without a leading plus; `anonymous` when there is none. */
export function calledNumber(user: string | null): string {
  const number = (user ?? '').replace(/^\+/, '');
  return number === '' ? 'anonymous' : number;
}

/** A dialled number without the separators that people write (RFC 3966 §5.1.1); what is no number with separators stays as it is. */
export function withoutSeparators(user: string): string {
  const digits = user.replace(/[-.()]/g, '');
  return /^\+?\d+$/.test(digits) ? digits : user;
}

/** A user part with its escapes (`%32`) read as the octets that they stand for (RFC 3261 §19.1.2, §25.1). Null when a `%` begins none. */
export function unescaped(user: string): string | null {
  if (!user.includes('%')) return user;
  if (/%(?![0-9a-f]{2})/i.test(user)) return null;
  return user.replace(/%([0-9a-f]{2})/gi, (_, octet: string) => String.fromCharCode(Number.parseInt(octet, 16)));
}

/** Who a message says it is from or to. */
export interface Party {
  /** Without quotes; null when there is none. */
  displayName: string | null;
  /** Null when the URI has no user part. */
  user: string | null;
  tag: string | null;
  uri: string;
}

/** Reads From or To. Null when the header is missing or cannot be read: the caller answers 400. */
export function partyOf(message: SipMessageView, header: 'from' | 'to'): Party | null {
  try {
    const parsed = message.getParsedHeader(header);
    const parts = splitUri(parsed.uri);
    if (!parts) return null;
    const name = parsed.name
      ?.trim()
      .replace(/^"(.*)"$/s, '$1')
      .replace(/\\(.)/g, '$1');
    return { displayName: name ? name : null, user: parts.user, tag: parsed.params.tag ?? null, uri: parsed.uri };
  } catch {
    // drachtio-srf throws on a header that is absent or that its pattern does not match.
    return null;
  }
}

/** A name-addr with the display name quoted (RFC 3261 §25.1); control characters are dropped. */
export function nameAddr(displayName: string | null, uri: string): string {
  if (!displayName) return `<${uri}>`;
  const quoted = Array.from(displayName)
    .filter((character) => character >= ' ' && character !== '\u007f')
    .join('')
    .replace(/(["\\])/g, '\\$1');
  return `"${quoted}" <${uri}>`;
}
