import { isIP } from 'node:net';
import { HttpError } from '@ringwire/common';
import { parseBucketCredential } from '@ringwire/common/recordings/bucket-credential.js';
import { type HookInput, PASSWORD_MASK, parseHook } from '../applications/application-input.js';
import type { Principal } from '../auth/principal.js';
import { badField, booleanField, type Fields, optionalTextField, rejectUnknown, textField } from '../http/input.js';

/** Hooks of an account: name of the field and of the column that refers to the webhook. */
export const ACCOUNT_HOOKS = {
  registration_hook: 'registration_hook_sid',
  queue_event_hook: 'queue_event_hook_sid',
} as const;

/** What only the service provider and the operator may say of an account. */
const NOT_ITS_OWN = ['sip_realm', 'is_active'];
const OWN = [
  ...['name', 'device_calling_application_sid', 'stir_policy', ...Object.keys(ACCOUNT_HOOKS)],
  ...['record_all_calls', 'record_format', 'bucket_credential'],
];
const RECORD_FORMATS = ['mp3', 'wav'];
/** What the column takes once it is encrypted. */
const MAX_CREDENTIAL = 5_900;
const STIR_POLICIES = ['off', 'tag', 'enforce'];
/** RFC 1035 §2.3.1, with digits first as RFC 1123 §2.1 has it. */
const HOST_NAME = /^(?=.{1,132}$)[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]{0,61}[a-z\d])?)*$/i;

/** What a request says of an account; absent fields were not given. */
export interface AccountInput {
  columns: Record<string, string | boolean | null>;
  /** By the column that refers to them. */
  hooks: Record<string, HookInput | null | undefined>;
}

function realmField(fields: Fields): string | null {
  const realm = optionalTextField(fields, 'sip_realm', 132)?.toLowerCase() ?? null;
  if (realm !== null && (!HOST_NAME.test(realm) || isIP(realm) !== 0))
    throw badField('sip_realm', 'must be a host name, such as acme.example.com');
  return realm;
}

/** As JSON; null where the account is to have none (null, or jambonz' vendor `none`). */
function bucketField(value: unknown): string | null {
  if (value === null || (typeof value === 'object' && 'vendor' in value && value.vendor === 'none')) return null;
  const masked = Object.entries(value as object).find(([, inner]) => inner === PASSWORD_MASK);
  // A stored secret must not go where its owner did not send it.
  if (masked) throw badField(`bucket_credential.${masked[0]}`, 'must be given again when the bucket changes');
  const parsed = parseBucketCredential(value);
  if (!parsed.ok)
    throw badField(
      parsed.field === 'bucket_credential' ? parsed.field : `bucket_credential.${parsed.field}`,
      parsed.reason,
    );
  const text = JSON.stringify(value);
  if (Buffer.byteLength(text) > MAX_CREDENTIAL) throw badField('bucket_credential', `may have ${MAX_CREDENTIAL} bytes`);
  return text;
}

/**
 * Checks what a request says of an account. Fields as they stand are let pass, so that clients may send back what they have read.
 *
 * @param current - the account as the API shows it
 * @throws HttpError 400 that names the field, 403 where it is not the account's to change
 */
export function parseAccountInput(
  fields: Fields,
  current: Readonly<Record<string, unknown>>,
  principal: Principal,
): AccountInput {
  rejectUnknown(fields, [...OWN, ...NOT_ITS_OWN, ...Object.keys(current)]);
  const changed = Object.fromEntries(
    Object.entries(fields).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(current[name])),
  );
  for (const name of Object.keys(changed)) {
    if (NOT_ITS_OWN.includes(name) && principal.scope === 'account')
      throw new HttpError(403, `${name}: only the service provider or the operator may change it`, { field: name });
    if (![...OWN, ...NOT_ITS_OWN].includes(name)) throw badField(name, 'cannot be changed here');
  }
  const { columns, hooks }: AccountInput = { columns: {}, hooks: {} };
  if (changed.name !== undefined) columns.name = textField(changed, 'name', 64);
  if (changed.sip_realm !== undefined) columns.sip_realm = realmField(changed);
  if (changed.is_active !== undefined) columns.is_active = booleanField(changed, 'is_active');
  if (changed.device_calling_application_sid !== undefined)
    columns.device_calling_application_sid = optionalTextField(changed, 'device_calling_application_sid', 36);
  if (changed.stir_policy !== undefined) {
    const policy = optionalTextField(changed, 'stir_policy', 16);
    if (policy !== null && !STIR_POLICIES.includes(policy))
      throw badField('stir_policy', `must be null or one of ${STIR_POLICIES.join(', ')}`);
    columns.stir_policy = policy;
  }
  if (changed.record_all_calls !== undefined) columns.record_all_calls = booleanField(changed, 'record_all_calls');
  if (changed.record_format !== undefined) {
    const format = textField(changed, 'record_format', 16);
    if (!RECORD_FORMATS.includes(format))
      throw badField('record_format', `must be one of ${RECORD_FORMATS.join(', ')}`);
    columns.record_format = format;
  }
  if (changed.bucket_credential !== undefined) columns.bucket_credential = bucketField(changed.bucket_credential);
  for (const [field, column] of Object.entries(ACCOUNT_HOOKS))
    if (changed[field] !== undefined) hooks[column] = parseHook(field, changed[field], 'http');
  return { columns, hooks };
}
