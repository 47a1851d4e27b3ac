/** Takes secrets out of what goes to a timeline, an alert or a log, and keeps it to a size that a row can hold. */

/** Keys whose values are secrets, in headers, bodies and configuration alike. Counts such as `tokens` are not. */
const SECRET_KEY =
  /authorization|passw(or)?d|passphrase|secret|token(?!s)|signature|api[-_]?key|cookie|credential|private[-_]?key|client[-_]?key|access[-_]?key|service[-_]?key/i;
const MASK = '***';
const MAX_DEPTH = 8;
const MAX_ITEMS = 200;
/** Longer texts are cut; a webhook's body of this size is still readable as a whole. */
const MAX_TEXT = 8_192;

const IN_TEXT: readonly [RegExp, string][] = [
  // User and password of a URL.
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@"']+@/gi, `$1${MASK}@`],
  // Secrets in a query string.
  [/([?&][^=&\s]*(?:token|api_?key|passw(?:or)?d|secret|signature)[^=&\s]*=)[^&\s"']*/gi, `$1${MASK}`],
  // Header lines inside a message.
  [/^((?:proxy-)?authorization|jambonz-signature|(?:set-)?cookie)(\s*:\s*).+$/gim, `$1$2${MASK}`],
  // Credentials of HTTP authentication.
  [/\b(Bearer|Basic|Digest)\s+[A-Za-z0-9+/=._~-]{8,}/g, `$1 ${MASK}`],
  // Members of JSON that is carried as text.
  [
    /("[^"]*(?:authorization|passw(?:or)?d|secret|token|signature|api[-_]?key|cookie)"\s*:\s*)"(?:[^"\\]|\\.)*"/gi,
    `$1"${MASK}"`,
  ],
];

/** A text without the secrets that it carries in a recognizable form. */
export function maskText(text: string): string {
  let masked = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}… (${text.length - MAX_TEXT} more)` : text;
  for (const [pattern, replacement] of IN_TEXT) masked = masked.replace(pattern, replacement);
  return masked;
}

function mask(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return maskText(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return typeof value === 'function' ? undefined : value;
  if (value instanceof Date) return value.toISOString();
  if (Buffer.isBuffer(value)) return `(${value.length} bytes)`;
  if (depth >= MAX_DEPTH) return '…';
  if (value instanceof Error)
    return { name: value.name, message: maskText(value.message), code: (value as { code?: unknown }).code };
  if (Array.isArray(value)) {
    const items = value.slice(0, MAX_ITEMS).map((item) => mask(item, depth + 1));
    return value.length > MAX_ITEMS ? [...items, `… (${value.length - MAX_ITEMS} more)`] : items;
  }
  const result: Record<string, unknown> = {};
  for (const [key, member] of Object.entries(value).slice(0, MAX_ITEMS)) {
    const hides = SECRET_KEY.test(key) && member !== null && member !== undefined && typeof member !== 'boolean';
    result[key] = hides ? MASK : mask(member, depth + 1);
  }
  return result;
}

/** A copy of `data` that is plain JSON, without secrets, cut to a depth, a number of items and a length of text. */
export function maskSecrets(data: Record<string, unknown>): Record<string, unknown> {
  return mask(data, 0) as Record<string, unknown>;
}
