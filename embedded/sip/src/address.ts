/** Parameters of a URI or header in order; a parameter without value has ''. Names are lower case. */
export type Params = Map<string, string>;

/** A SIP, SIPS or TEL URI. For `tel:` the number is `user` and `host` is empty. */
export interface SipUri {
  scheme: string;
  user: string;
  password: string;
  host: string;
  /** undefined when the URI has none. */
  port: number | undefined;
  params: Params;
  /** The part after `?`, verbatim. */
  headers: string;
}

/** A name-addr or addr-spec with its header parameters (RFC 3261 §20.10, §25.1). */
export interface NameAddr {
  /** Display name with quotes and escapes removed. */
  display: string;
  /** The URI, verbatim. */
  uri: string;
  params: Params;
  /** The `tag` parameter, undefined without one. */
  tag: string | undefined;
}

const HOST_PORT = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/;

/** Reads a URI; undefined when it is none. Escapes (%41) stay as they are. */
export function parseUri(text: string): SipUri | undefined {
  const colon = text.indexOf(':');
  if (colon <= 0) return undefined;
  const scheme = text.slice(0, colon).toLowerCase();
  if (!/^[a-z][a-z0-9+.-]*$/.test(scheme)) return undefined;
  let rest = text.slice(colon + 1);
  if (rest === '' || /[\s<>]/.test(rest)) return undefined;
  const uri: SipUri = { scheme, user: '', password: '', host: '', port: undefined, params: new Map(), headers: '' };
  if (scheme !== 'sip' && scheme !== 'sips') {
    const semi = rest.indexOf(';');
    uri.user = semi < 0 ? rest : rest.slice(0, semi);
    if (semi >= 0) uri.params = parseParams(rest.slice(semi));
    return uri;
  }
  // The user part may hold ; and ? (RFC 4475 semiuri), so it is cut first.
  const at = rest.lastIndexOf('@', firstOf(rest, '?') ?? rest.length);
  if (at >= 0) {
    const userinfo = rest.slice(0, at);
    const separator = userinfo.indexOf(':');
    uri.user = separator < 0 ? userinfo : userinfo.slice(0, separator);
    uri.password = separator < 0 ? '' : userinfo.slice(separator + 1);
    rest = rest.slice(at + 1);
  }
  const query = rest.indexOf('?');
  if (query >= 0) {
    uri.headers = rest.slice(query + 1);
    rest = rest.slice(0, query);
  }
  const semi = rest.indexOf(';');
  if (semi >= 0) {
    uri.params = parseParams(rest.slice(semi));
    rest = rest.slice(0, semi);
  }
  const match = HOST_PORT.exec(rest);
  if (!match) return undefined;
  uri.host = match[1]!;
  if (match[2] !== undefined) {
    uri.port = Number(match[2]);
    if (uri.port > 65_535) return undefined;
  }
  return uri;
}

/** Index of the first `?` after the last `@`-less part: a `?` before any `@` belongs to the user. */
function firstOf(text: string, mark: string): number | undefined {
  const at = text.indexOf('@');
  const found = text.indexOf(mark, Math.max(at, 0));
  return found < 0 ? undefined : found;
}

/** Writes a URI. */
export function formatUri(uri: SipUri): string {
  if (uri.scheme !== 'sip' && uri.scheme !== 'sips') return `${uri.scheme}:${uri.user}${formatParams(uri.params)}`;
  const userinfo = uri.user === '' ? '' : `${uri.user}${uri.password === '' ? '' : `:${uri.password}`}@`;
  const port = uri.port === undefined ? '' : `:${uri.port}`;
  const headers = uri.headers === '' ? '' : `?${uri.headers}`;
  return `${uri.scheme}:${userinfo}${uri.host}${port}${formatParams(uri.params)}${headers}`;
}

/** Reads one From, To, Contact, Route… value; undefined when it is none. */
export function parseNameAddr(text: string): NameAddr | undefined {
  const value = text.trim();
  let display = '';
  let i = 0;
  if (value[0] === '"') {
    for (i = 1; i < value.length && value[i] !== '"'; i++) {
      if (value[i] === '\\') i++;
      display += value[i] ?? '';
    }
    if (i >= value.length) return undefined;
    i++;
  }
  const open = value.indexOf('<', i);
  let uri: string;
  let rest: string;
  if (open >= 0) {
    const close = value.indexOf('>', open);
    if (close < 0) return undefined;
    if (i === 0) display = value.slice(0, open).trim();
    else if (value.slice(i, open).trim() !== '') return undefined;
    uri = value.slice(open + 1, close).trim();
    rest = value.slice(close + 1);
  } else {
    if (i > 0) return undefined;
    const semi = value.indexOf(';');
    uri = semi < 0 ? value : value.slice(0, semi).trimEnd();
    rest = semi < 0 ? '' : value.slice(semi);
  }
  if (!/^[A-Za-z][A-Za-z0-9+.-]*:[^\s]/.test(uri) && uri !== '*') return undefined;
  const trailing = rest.trimStart();
  if (trailing !== '' && trailing[0] !== ';') return undefined;
  const params = parseParams(trailing);
  return { display, uri, params, tag: params.get('tag') || undefined };
}

/** Writes a name-addr with angle brackets. */
export function formatNameAddr(address: { display?: string; uri: string; params?: Params }): string {
  const display = address.display ? `"${address.display.replace(/["\\]/g, '\\$&')}" ` : '';
  return `${display}<${address.uri}>${address.params ? formatParams(address.params) : ''}`;
}

/** The tag of a From or To value without parsing the rest; undefined without one. Hot path. */
export function tagOf(value: string | undefined): string | undefined {
  if (value === undefined) return undefined;
  const from = Math.max(value.lastIndexOf('>'), value.lastIndexOf('"'), 0);
  // Nearly always the tag is the first parameter, written without spaces.
  const semicolon = value.indexOf(';', from);
  if (semicolon < 0) return undefined;
  if (value.startsWith(';tag=', semicolon)) {
    const start = semicolon + 5;
    const next = value.indexOf(';', start);
    const tag = value.slice(start, next < 0 ? undefined : next);
    if (PLAIN_TAG.test(tag)) return tag;
  }
  const match = /;\s*tag\s*=\s*([^;,\s?>]+)/i.exec(from === 0 ? value : value.slice(from));
  return match?.[1];
}

const PLAIN_TAG = /^[\w.~+-]+$/;

/** Reads `;a=b;c;d="x;y"`. */
export function parseParams(text: string): Params {
  const params: Params = new Map();
  let i = 0;
  while (i < text.length) {
    while (text[i] === ';' || text[i] === ' ' || text[i] === '\t') i++;
    const start = i;
    let quoted = false;
    while (i < text.length && (quoted || text[i] !== ';')) {
      if (text[i] === '\\' && quoted) i++;
      else if (text[i] === '"') quoted = !quoted;
      i++;
    }
    const part = text.slice(start, i);
    const equals = part.indexOf('=');
    const name = (equals < 0 ? part : part.slice(0, equals)).trim().toLowerCase();
    if (name !== '' && !params.has(name)) params.set(name, equals < 0 ? '' : part.slice(equals + 1).trim());
  }
  return params;
}

/** Writes parameters with their leading semicolons. */
export function formatParams(params: Params): string {
  let text = '';
  for (const [name, value] of params) text += value === '' ? `;${name}` : `;${name}=${value}`;
  return text;
}
