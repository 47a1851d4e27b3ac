import { type HookInput, parseHook, parseDocument as parseVerbs } from '@ringwire/common';
import { parseEnvVars } from '@ringwire/common/calls/env-vars.js';
import { describeErrors, validate } from '@ringwire/verb-specs';

import { badField, booleanField, type Fields, optionalTextField, rejectUnknown, textField } from '../http/input.js';

export type { HookInput } from '@ringwire/common';
export { parseHook } from '@ringwire/common';

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
  'env_vars',
  ...IGNORED,
];

/** What a request says of an application; absent fields were not given. */
export interface ApplicationInput {
  accountSid?: string;
  columns: Record<string, string | boolean | null>;
  hooks: Partial<Record<HookField, HookInput | null>>;
}

/** What is wrong with a document of verbs; null: nothing. */
export function verbFaults(verbs: unknown): string | null {
  const result = validate(verbs);
  return result.ok ? null : describeErrors(result.errors);
}

/** Checks verbs, as an array or as JSON text; null for none. @throws HttpError 400 that says which verb is wrong */
export const parseDocument = (field: string, value: unknown): string | null => parseVerbs(field, value, verbFaults);

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
  if (fields.env_vars !== undefined) input.columns.env_vars = parseEnvVars(fields, 'env_vars');
  for (const column of BOOLEAN_COLUMNS) {
    if (fields[column] !== undefined) input.columns[column] = booleanField(fields, column);
  }
  return input;
}
