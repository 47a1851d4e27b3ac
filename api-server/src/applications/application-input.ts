import { describeErrors, validate } from '@ringwire/verb-specs';
import { badField, booleanField, type Fields, optionalTextField, rejectUnknown, textField } from '../http/input.js';

/** A hook as the API takes and gives it. */
export interface HookInput {
  url: string;
  method: 'GET' | 'POST';
  username: string | null;
  password: string | null;
}

/** What a password that is set looks like in an answer; sent back, it means: leave it as it is. */
export const PASSWORD_MASK = '******';

/** Hooks of an application: name of the field and of the column that refers to the webhook. */
export const HOOK_COLUMNS = {
  call_hook: 'call_hook_sid',
  call_status_hook: 'call_status_hook_sid',
  messaging_hook: 'messaging_hook_sid',
  fallback_call_hook: 'fallback_call_hook_sid',
} as const;

/** A field that holds a hook. */
export type HookField = keyof typeof HOOK_COLUMNS;
export const HOOK_FIELDS = Object.keys(HOOK_COLUMNS) as HookField[];

/** Text columns with their lengths; `required` ones may not be emptied. */
const TEXT_COLUMNS: Record<string, { max: number; required?: true }> = {
  speech_synthesis_vendor: { max: 64, required: true },
  speech_synthesis_language: { max: 12, required: true },
  speech_synthesis_voice: { max: 256 },
  speech_synthesis_label: { max: 64 },
  speech_recognizer_vendor: { max: 64, required: true },
  speech_recognizer_language: { max: 64, required: true },
  speech_recognizer_label: { max: 64 },
  fallback_speech_synthesis_vendor: { max: 64 },
  fallback_speech_synthesis_language: { max: 12 },
  fallback_speech_synthesis_voice: { max: 256 },
  fallback_speech_synthesis_label: { max: 64 },
  fallback_speech_recognizer_vendor: { max: 64 },
  fallback_speech_recognizer_language: { max: 64 },
  fallback_speech_recognizer_label: { max: 64 },
};
const BOOLEAN_COLUMNS = ['use_for_fallback_speech', 'record_all_calls'];
/** Columns that hold verbs as JSON text. */
const DOCUMENTS = ['app_json', 'fallback_app_json'];
/** Sent back by clients that write what they read. */
const IGNORED = ['application_sid', 'created_at', 'service_provider_sid'];
const KNOWN = [
  'name',
  'account_sid',
  ...HOOK_FIELDS,
  ...DOCUMENTS,
  ...Object.keys(TEXT_COLUMNS),
  ...BOOLEAN_COLUMNS,
  ...IGNORED,
];

/** What a request says of an application; absent fields were not given. */
export interface ApplicationInput {
  accountSid?: string;
  columns: Record<string, string | boolean | null>;
  hooks: Partial<Record<HookField, HookInput | null>>;
}

/**
 * Checks a hook. What is asked over a WebSocket (`ws`, `wss`, or method `WS` with any URL) is kept with that scheme and a method that says
 * nothing.
 *
 * @param over what the hook may be asked over
 * @throws HttpError 400 that names the field and its part
 */
export function parseHook(field: string, value: unknown, over: 'any' | 'http' = 'any'): HookInput | null {
  if (value === null) return null;
  if (typeof value !== 'object' || Array.isArray(value)) throw badField(field, 'must be an object with url and method');
  const fields = value as Fields;
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
    username: prefixed('username', () => optionalTextField(fields, 'username', 255)),
    password: prefixed('password', () => optionalTextField(fields, 'password', 255)),
  };
}

/** Checks verbs, as an array or as JSON text; null for none. @throws HttpError 400 that says which verb is wrong */
export function parseDocument(field: string, value: unknown): string | null {
  if (value === null || value === '') return null;
  let verbs: unknown = value;
  if (typeof value === 'string') {
    try {
      verbs = JSON.parse(value);
    } catch (err) {
      throw badField(field, `is not valid JSON: ${err instanceof Error ? err.message : String(err)}`);
    }
  }
  const result = validate(verbs);
  if (!result.ok) throw badField(field, describeErrors(result.errors));
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (Buffer.byteLength(text) > 65_535) throw badField(field, 'must have at most 65535 bytes');
  return text;
}

/** Checks what a request says of an application. @throws HttpError 400 that names the field */
export function parseApplicationInput(fields: Fields, { isNew }: { isNew: boolean }): ApplicationInput {
  rejectUnknown(fields, KNOWN);
  const input: ApplicationInput = { columns: {}, hooks: {} };
  if (isNew || fields.name !== undefined) input.columns.name = textField(fields, 'name', 64);
  if (fields.account_sid !== undefined && fields.account_sid !== null)
    input.accountSid = textField(fields, 'account_sid', 36);
  for (const field of HOOK_FIELDS) {
    if (fields[field] !== undefined) input.hooks[field] = parseHook(field, fields[field]);
  }
  if (input.hooks.call_hook === null || (isNew && input.hooks.call_hook === undefined)) {
    throw badField('call_hook', 'is required: an object with url and method');
  }
  for (const field of DOCUMENTS) {
    if (fields[field] !== undefined) input.columns[field] = parseDocument(field, fields[field]);
  }
  for (const [column, { max, required }] of Object.entries(TEXT_COLUMNS)) {
    if (fields[column] === undefined) continue;
    input.columns[column] = required ? textField(fields, column, max) : optionalTextField(fields, column, max);
  }
  for (const column of BOOLEAN_COLUMNS) {
    if (fields[column] !== undefined) input.columns[column] = booleanField(fields, column);
  }
  return input;
}
