/** One Identity header (RFC 8224 §4), its PASSporT not yet looked into. */
export interface IdentityHeader {
  /** The PASSporT: `header.claims.signature`, or `..signature` in compact form. */
  token: string;
  isCompact: boolean;
  /** Where the certificate is. */
  info: string;
  /** ES256 where the header does not say. */
  alg: string;
  ppt?: string;
}

/** What is worth reading: a call has one identity and perhaps a few diversions. */
const MAX_HEADERS = 8;
const MAX_CHARS = 16_384;
const TOKEN = /^[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]+$/;

/** Splits at a separator that stands neither in quotes nor in angle brackets. */
function split(text: string, separator: ',' | ';'): string[] {
  const parts: string[] = [];
  let from = 0;
  let closing = '';
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!;
    if (closing !== '') {
      if (character === closing) closing = '';
    } else if (character === '"') closing = '"';
    else if (character === '<') closing = '>';
    else if (character === separator) {
      parts.push(text.slice(from, i).trim());
      from = i + 1;
    }
  }
  parts.push(text.slice(from).trim());
  return parts;
}

/** A header with its parameters; null when it is not one of RFC 8224 (that of RFC 4474 is not either). */
function parseOne(text: string): IdentityHeader | null {
  const [token = '', ...params] = split(text, ';');
  if (!TOKEN.test(token)) return null;
  const values = new Map<string, string>();
  for (const param of params) {
    const [, name, value] = /^([\w.!%*+~-]+)\s*=\s*(.+)$/s.exec(param) ?? [];
    if (name !== undefined && value !== undefined) values.set(name.toLowerCase(), value);
  }
  const info = /^<([^<>]+)>$/.exec(values.get('info') ?? '')?.[1]?.trim();
  if (!info) return null;
  const ppt = values.get('ppt')?.replace(/^"(.*)"$/, '$1');
  const alg = values.get('alg')?.replace(/^"(.*)"$/, '$1') ?? 'ES256';
  return { token, isCompact: token.startsWith('..'), info, alg, ...(ppt === undefined ? {} : { ppt }) };
}

/**
 * Reads the Identity headers of a message, repeated ones joined by commas. Never throws.
 *
 * @returns the readable ones, at most eight, and how many were not
 */
export function parseIdentityHeaders(value: string): { headers: IdentityHeader[]; unreadable: number } {
  if (value.length > MAX_CHARS) return { headers: [], unreadable: 1 };
  const texts = split(value.replace(/\r\n[ \t]+/g, ' '), ',').filter((text) => text !== '');
  const parsed = texts.slice(0, MAX_HEADERS).map(parseOne);
  const headers = parsed.filter((header) => header !== null);
  return { headers, unreadable: texts.length - headers.length };
}

/** Writes an Identity header for a PASSporT in full form. */
export function identityHeader(token: string, { info, ppt }: { info: string; ppt: string }): string {
  return `${token};info=<${info}>;alg=ES256;ppt="${ppt}"`;
}
