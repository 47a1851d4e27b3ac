import { badField, type Fields, optionalTextField, textField } from './fields.js';

/** A hook as the API takes and gives it. */
export interface HookInput {
  url: string;
  method: 'GET' | 'POST';
  username: string | null;
  password: string | null;
}

/**
 * Checks a hook. What is asked over a WebSocket (`ws`, `wss`, or method `WS` with any URL) is kept with that scheme and a method that says
 * nothing. Credentials may stand in it or in its `basicAuth`, as in hooks of verbs.
 *
 * @param over what the hook may be asked over
 * @throws HttpError 400 that names the field and its part
 */
export function parseHook(field: string, value: unknown, over: 'any' | 'http' = 'any'): HookInput | null {
  if (value === null) return null;
  if (typeof value !== 'object' || Array.isArray(value)) throw badField(field, 'must be an object with url and method');
  const fields = value as Fields;
  const basicAuth = (fields.basicAuth ?? {}) as Fields;
  if (typeof basicAuth !== 'object' || Array.isArray(basicAuth))
    throw badField(`${field}.basicAuth`, 'must be an object with username and password');
  const credentials: Fields = {
    username: fields.username ?? basicAuth.username,
    password: fields.password ?? basicAuth.password,
  };
  const prefixed = (name: string, read: () => string | null) => {
    try {
      return read();
    } catch {
      throw badField(`${field}.${name}`, 'must be a text that fits');
    }
  };
  const url = prefixed('url', () => textField(fields, 'url', 1024)) ?? '';
  const takesSockets = over === 'any';
  const schemes = takesSockets ? /^(https?|wss?):$/ : /^https?:$/;
  if (!URL.canParse(url) || !schemes.test(new URL(url).protocol)) {
    throw badField(`${field}.url`, `must be an ${takesSockets ? 'http, https, ws or wss' : 'http or https'} URL`);
  }
  const method = fields.method ?? 'POST';
  const isSocket = takesSockets && method === 'WS';
  if (method !== 'GET' && method !== 'POST' && !isSocket) {
    throw badField(`${field}.method`, `must be ${takesSockets ? 'GET, POST or WS' : 'GET or POST'}`);
  }
  return {
    url: isSocket ? url.replace(/^http/i, 'ws') : url,
    method: method === 'GET' ? 'GET' : 'POST',
    username: prefixed('username', () => optionalTextField(credentials, 'username', 255)),
    password: prefixed('password', () => optionalTextField(credentials, 'password', 255)),
  };
}

/** Checks verbs, as an array or as JSON text; null for none. @throws HttpError 400 that says which verb is wrong */
export function parseDocument(
  field: string,
  value: unknown,
  faultsOf: (verbs: unknown) => string | null,
): string | null {
  if (value === null || value === '') return null;
  let verbs: unknown = value;
  if (typeof value === 'string') {
    try {
      verbs = JSON.parse(value);
    } catch (err) {
      throw badField(field, `is not valid JSON: ${err instanceof Error ? err.message : String(err)}`);
    }
  }
  const faults = faultsOf(verbs);
  if (faults !== null) throw badField(field, faults);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (Buffer.byteLength(text) > 65_535) throw badField(field, 'must have at most 65535 bytes');
  return text;
}
