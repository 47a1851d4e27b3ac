import type { SipHeaders, SipMessageView } from './stack.js';

/** Headers that belong to one leg: its transaction, dialog, authentication or negotiation. Never copied to the other. */
const PER_LEG = new Set([
  'via',
  'from',
  'to',
  'call-id',
  'cseq',
  'contact',
  'content-length',
  'content-type',
  'max-forwards',
  'route',
  'record-route',
  'authorization',
  'proxy-authorization',
  'www-authenticate',
  'proxy-authenticate',
  'session-expires',
  'min-se',
  'require',
  'proxy-require',
  'supported',
  'rseq',
  'rack',
  'allow',
  'timestamp',
  'expires',
  'replaces',
  'join',
  'path',
  'service-route',
  'content-encoding',
  'content-disposition',
  'mime-version',
  'unsupported',
]); // prettier-ignore

/** What Ringwire's processes tell each other about a call. The outside neither sees nor sets these. */
const INTERNAL = new Set([
  'x-account-sid',
  'x-application-sid',
  'x-call-sid',
  'x-cid',
  'x-trace-id',
  'x-forwarded-for',
  'x-subspace-forwarded-for',
  'x-originating-carrier',
  'x-voip-carrier-sid',
  'x-requested-carrier-sid',
  'x-authenticated-user',
  'x-call-started',
  'x-stir',
  'x-fraud-guard',
  'x-record-all-calls',
  'x-preferred-from-user',
  'x-preferred-from-host',
  'x-sip-proxy',
  'x-override-to',
  'x-srs-url',
  'x-srs-recording-id',
  'x-retain-call-sid',
  'x-refer-to-leave-untouched',
  'x-ms-teams-fqdn',
  'x-ms-teams-tenant-fqdn',
]); // prettier-ignore
const INTERNAL_PREFIXES = ['x-jambonz-', 'x-ringwire-', 'x-fs-', 'x-rtp-'];

/** Whether the header is between Ringwire's own processes only. */
export function isInternalHeader(name: string): boolean {
  const lower = name.toLowerCase();
  return INTERNAL.has(lower) || INTERNAL_PREFIXES.some((prefix) => lower.startsWith(prefix));
}

/** Folded lines become one line (RFC 3261 §7.3.1); null for values with other control characters, which are dropped. */
export function oneLine(value: string): string | null {
  const unfolded = value.replace(/\r\n[ \t]+/g, ' ');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: exactly these must not reach the other leg.
  return /[\u0000-\u0008\u000a-\u001f\u007f]/.test(unfolded) ? null : unfolded;
}

/** The headers of a message that may go on to the other leg, internal ones removed. */
export function passableHeaders(message: Pick<SipMessageView, 'headers'>): SipHeaders {
  const headers: SipHeaders = {};
  for (const [name, raw] of Object.entries(message.headers)) {
    if (typeof raw !== 'string' || PER_LEG.has(name.toLowerCase()) || isInternalHeader(name)) continue;
    const value = oneLine(raw);
    if (value !== null) headers[name] = value;
  }
  return headers;
}

/** Custom headers (`X-…`, `Reason`) of a BYE, CANCEL or INFO that go on to the other leg. */
export function customHeaders(message: Pick<SipMessageView, 'headers'>): SipHeaders {
  return Object.fromEntries(
    Object.entries(passableHeaders(message)).filter(([name]) =>
      /^(x-|p-|reason$|user-to-user$|info-package$)/i.test(name),
    ),
  );
}

/** `X-Reason` is one printable line that says why; kept short so that it never splits a datagram. */
export function reasonHeader(text: string): SipHeaders {
  return { 'X-Reason': text.replace(/[^\x20-\x7e]+/g, ' ').slice(0, 200) };
}
