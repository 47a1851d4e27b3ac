/** Compact forms of RFC 3261 §7.3.3 and of the extensions that have one; keys and values in lower case. */
const COMPACT: Record<string, string> = {
  a: 'accept-contact',
  b: 'referred-by',
  c: 'content-type',
  d: 'request-disposition',
  e: 'content-encoding',
  f: 'from',
  i: 'call-id',
  j: 'reject-contact',
  k: 'supported',
  l: 'content-length',
  m: 'contact',
  n: 'identity-info',
  o: 'event',
  r: 'refer-to',
  s: 'subject',
  t: 'to',
  u: 'allow-events',
  v: 'via',
  x: 'session-expires',
  y: 'identity',
};

const KNOWN = new Map<string, string>();
for (const name of [
  'Via',
  'From',
  'To',
  'Call-ID',
  'CSeq',
  'Contact',
  'Max-Forwards',
  'Content-Type',
  'Content-Length',
  'Route',
  'Record-Route',
  'Allow',
  'Supported',
  'Require',
  'User-Agent',
  'Server',
  'Expires',
  'Subject',
  'Reason',
  'Authorization',
  'Proxy-Authorization',
  'WWW-Authenticate',
  'Proxy-Authenticate',
  'P-Asserted-Identity',
  'Session-Expires',
]) {
  KNOWN.set(name, name.toLowerCase());
  KNOWN.set(name.toLowerCase(), name.toLowerCase());
}
for (const [short, long] of Object.entries(COMPACT)) {
  KNOWN.set(short, long);
  KNOWN.set(short.toUpperCase(), long);
}

/** Whether a name, as it is spelt, is one of the common headers: it needs no further look. */
export function isKnownHeader(name: string): boolean {
  return KNOWN.has(name);
}

/** The key under which a header is found: lower case, compact forms resolved. Called for every header of every message. */
export function headerKey(name: string): string {
  return KNOWN.get(name) ?? name.toLowerCase();
}
