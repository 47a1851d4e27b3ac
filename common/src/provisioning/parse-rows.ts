import type { FraudPolicyRow } from '../fraud/policy.js';
import { readDestinations } from '../fraud/read-destinations.js';
import { readSigningKey, type StirCredential } from '../stir/signer.js';
import {
  BadColumn,
  bool,
  type Decrypt,
  json,
  MAX_INT,
  optionalText,
  type RawRow,
  secret,
  stirPolicy,
  text,
  whole,
  wholeOrNull,
  word,
} from './columns.js';
import type {
  Account,
  Application,
  CallLimitRow,
  Client,
  DeviceLimitRow,
  Lcr,
  LcrCarrierSetEntry,
  LcrRoute,
  LimitScope,
  PhoneNumber,
  RateDeck,
  ServiceProvider,
  SpeechChoice,
  TeamsTenant,
  Webhook,
} from './rows.js';

/** Hooks by sid, for the tables that refer to them. */
export type Hooks = ReadonlyMap<string, Webhook>;

const hook = (row: RawRow, column: string, hooks: Hooks): Webhook | null => {
  const sid = optionalText(row, column);
  if (sid === null) return null;
  const found = hooks.get(sid);
  if (found === undefined) throw new BadColumn(column, `refers to webhook ${sid}, which is missing or skipped`);
  return found;
};

/** Reads a row of its table; throws on a column that cannot be used. */
export const parseWebhook = (row: RawRow, decrypt: Decrypt): Webhook => {
  const url = text(row, 'url');
  // A hook may be a path below a base URL, but never another scheme.
  if (/^[a-z][a-z0-9+.-]*:/i.test(url) && !/^(https?|wss?):\/\//i.test(url)) {
    throw new BadColumn('url', 'is not an http, https, ws or wss URL');
  }
  return {
    webhookSid: text(row, 'webhook_sid'),
    url,
    method: word(row, 'method', ['GET', 'POST']),
    username: optionalText(row, 'username'),
    password: secret(row, 'password', decrypt),
  };
};

/** Reads a row of its table; throws on a column that cannot be used. */
export const parseServiceProvider = (row: RawRow, hooks: Hooks): ServiceProvider => ({
  serviceProviderSid: text(row, 'service_provider_sid'),
  name: text(row, 'name'),
  rootDomain: optionalText(row, 'root_domain'),
  registrationHook: hook(row, 'registration_hook_sid', hooks),
});

/** What cannot be decrypted is told when it is needed (a recording, a call's environment), and takes nothing else away. */
const secretOrUnreadable = (row: RawRow, column: string, decrypt: Decrypt): string | null => {
  try {
    return secret(row, column, decrypt) || null;
  } catch {
    return 'unreadable';
  }
};

/** Reads a row of its table; throws on a column that cannot be used. */
export const parseAccount = (row: RawRow, hooks: Hooks, decrypt: Decrypt): Account => ({
  accountSid: text(row, 'account_sid'),
  serviceProviderSid: text(row, 'service_provider_sid'),
  name: text(row, 'name'),
  sipRealm: optionalText(row, 'sip_realm')?.toLowerCase() ?? null,
  isActive: bool(row, 'is_active'),
  webhookSecret: secret(row, 'webhook_secret', decrypt),
  registrationHook: hook(row, 'registration_hook_sid', hooks),
  queueEventHook: hook(row, 'queue_event_hook_sid', hooks),
  deviceCallingApplicationSid: optionalText(row, 'device_calling_application_sid'),
  disableCdrs: bool(row, 'disable_cdrs'),
  enableDebugLog: bool(row, 'enable_debug_log'),
  recordAllCalls: bool(row, 'record_all_calls'),
  recordFormat: optionalText(row, 'record_format') === 'mp3' ? 'mp3' : 'wav',
  bucketCredential: secretOrUnreadable(row, 'bucket_credential', decrypt),
  stirPolicy: stirPolicy(row),
  deviceToCallRatio: whole(row, 'device_to_call_ratio', 0, MAX_INT),
});

/** Reads a row of its table; throws on a column that cannot be used. */
export const parseClient = (row: RawRow, decrypt: Decrypt): Client => ({
  clientSid: text(row, 'client_sid'),
  accountSid: text(row, 'account_sid'),
  username: text(row, 'username'),
  password: secret(row, 'password', decrypt) ?? '',
  isActive: bool(row, 'is_active'),
  allowDirectAppCalling: bool(row, 'allow_direct_app_calling'),
  allowDirectQueueCalling: bool(row, 'allow_direct_queue_calling'),
  allowDirectUserCalling: bool(row, 'allow_direct_user_calling'),
  callLimit: row.call_limit === null || row.call_limit === undefined ? null : whole(row, 'call_limit', 0, MAX_INT),
});

/** The table's default: a voice of Google's, which nobody chose who names another vendor. */
const GOOGLES_VOICE = 'en-US-Standard-C';

const synthesizer = (row: RawRow, prefix = ''): SpeechChoice => {
  const vendor = text(row, `${prefix}speech_synthesis_vendor`);
  const voice = optionalText(row, `${prefix}speech_synthesis_voice`);
  return {
    vendor,
    language: optionalText(row, `${prefix}speech_synthesis_language`) ?? 'en-US',
    voice: voice === GOOGLES_VOICE && vendor !== 'google' ? null : voice,
    label: optionalText(row, `${prefix}speech_synthesis_label`),
  };
};
const recognizer = (row: RawRow, prefix = ''): SpeechChoice => ({
  vendor: text(row, `${prefix}speech_recognizer_vendor`),
  language: optionalText(row, `${prefix}speech_recognizer_language`) ?? 'en-US',
  voice: null,
  label: optionalText(row, `${prefix}speech_recognizer_label`),
});

/** Reads a row of its table; throws on a column that cannot be used. */
export const parseApplication = (row: RawRow, hooks: Hooks, decrypt: Decrypt): Application => {
  const hasFallback = bool(row, 'use_for_fallback_speech');
  const has = (column: string) => hasFallback && Boolean(row[column]);
  return {
    applicationSid: text(row, 'application_sid'),
    name: text(row, 'name'),
    accountSid: optionalText(row, 'account_sid'),
    serviceProviderSid: optionalText(row, 'service_provider_sid'),
    callHook: hook(row, 'call_hook_sid', hooks),
    callStatusHook: hook(row, 'call_status_hook_sid', hooks),
    messagingHook: hook(row, 'messaging_hook_sid', hooks),
    appJson: json(row, 'app_json'),
    fallbackCallHook: hook(row, 'fallback_call_hook_sid', hooks),
    // A faulty fallback must not take an application away that works: it is reported when it is needed.
    fallbackAppJson: optionalText(row, 'fallback_app_json') || null,
    synthesizer: synthesizer(row),
    recognizer: recognizer(row),
    fallbackSynthesizer: has('fallback_speech_synthesis_vendor') ? synthesizer(row, 'fallback_') : null,
    fallbackRecognizer: has('fallback_speech_recognizer_vendor') ? recognizer(row, 'fallback_') : null,
    envVars: secretOrUnreadable(row, 'env_vars', decrypt),
    recordAllCalls: bool(row, 'record_all_calls'),
  };
};

/** Reads a row of its table; throws on a column that cannot be used. */
export const parsePhoneNumber = (row: RawRow): PhoneNumber => ({
  phoneNumberSid: text(row, 'phone_number_sid'),
  number: text(row, 'number'),
  voipCarrierSid: optionalText(row, 'voip_carrier_sid'),
  accountSid: optionalText(row, 'account_sid'),
  applicationSid: optionalText(row, 'application_sid'),
  serviceProviderSid: optionalText(row, 'service_provider_sid'),
});

/** Reads a row of its table; throws on a column that cannot be used. */
export const parseLcr = (row: RawRow): Lcr => ({
  lcrSid: text(row, 'lcr_sid'),
  name: optionalText(row, 'name'),
  isActive: bool(row, 'is_active'),
  accountSid: optionalText(row, 'account_sid'),
  serviceProviderSid: optionalText(row, 'service_provider_sid'),
  defaultCarrierSetEntrySid: optionalText(row, 'default_carrier_set_entry_sid'),
});

/** Reads a row of its table; throws on a column that cannot be used. */
export const parseLcrRoute = (row: RawRow): LcrRoute => ({
  lcrRouteSid: text(row, 'lcr_route_sid'),
  lcrSid: text(row, 'lcr_sid'),
  regex: text(row, 'regex'),
  description: optionalText(row, 'description'),
  priority: whole(row, 'priority', -MAX_INT, MAX_INT),
  strategy: word(row, 'strategy', ['workload', 'least_cost']),
});

/** Reads a row of its table; throws on a column that cannot be used. */
export const parseLcrCarrierSetEntry = (row: RawRow): LcrCarrierSetEntry => ({
  lcrCarrierSetEntrySid: text(row, 'lcr_carrier_set_entry_sid'),
  lcrRouteSid: text(row, 'lcr_route_sid'),
  voipCarrierSid: text(row, 'voip_carrier_sid'),
  workload: whole(row, 'workload', 0, 1_000_000),
  priority: whole(row, 'priority', -MAX_INT, MAX_INT),
});

/** Reads a row of its table; throws on a column that cannot be used. */
export const parseRateDeck = (row: RawRow): RateDeck => ({
  rateDeckSid: text(row, 'rate_deck_sid'),
  name: text(row, 'name'),
  accountSid: optionalText(row, 'account_sid'),
  serviceProviderSid: text(row, 'service_provider_sid'),
  voipCarrierSid: text(row, 'voip_carrier_sid'),
  currency: text(row, 'currency'),
  activeVersion: row.active_version === null ? null : whole(row, 'active_version', 1, Number.MAX_SAFE_INTEGER),
});

/** Reads a row of its table; throws on a column that cannot be used. */
export const parseTeamsTenant = (row: RawRow): TeamsTenant => {
  const tenantFqdn = text(row, 'tenant_fqdn').toLowerCase();
  if (!/^[a-z0-9-]+(\.[a-z0-9-]+)+$/.test(tenantFqdn)) throw new BadColumn('tenant_fqdn', 'is not a domain name');
  return {
    msTeamsTenantSid: text(row, 'ms_teams_tenant_sid'),
    serviceProviderSid: text(row, 'service_provider_sid'),
    accountSid: text(row, 'account_sid'),
    applicationSid: optionalText(row, 'application_sid'),
    tenantFqdn,
  };
};

/** Reads a row of one of the limits' tables; throws on a column that cannot be used. */
export const parseCallLimit = (row: RawRow, scope: LimitScope): CallLimitRow => ({
  scope,
  sid: text(row, `${scope}_sid`),
  quantity: whole(row, 'quantity', 0, 2 ** 31),
});

/** Reads a row of its table; throws on a column that cannot be used. */
export const parseFraudPolicy = (row: RawRow): FraudPolicyRow => {
  const list = readDestinations(JSON.parse(json(row, 'destinations') ?? '[]'));
  if (!list.ok) throw new BadColumn('destinations', `${list.at} ${list.expected}`);
  return {
    ownerSid: text(row, 'owner_sid'),
    setBy: word(row, 'set_by', ['operator', 'service_provider', 'account']),
    defaultAction: word(row, 'default_action', ['allow', 'deny']),
    highRiskAction: word(row, 'high_risk_action', ['allow', 'deny']),
    destinations: list.rules,
    limits: {
      callsPerMinute: wholeOrNull(row, 'calls_per_minute', 0, MAX_INT),
      callsPerHour: wholeOrNull(row, 'calls_per_hour', 0, MAX_INT),
      messagesPerMinute: wholeOrNull(row, 'messages_per_minute', 0, MAX_INT),
      messagesPerHour: wholeOrNull(row, 'messages_per_hour', 0, MAX_INT),
      expensivePrefixesPerHour: wholeOrNull(row, 'expensive_prefixes_per_hour', 0, MAX_INT),
      expensiveRateMicros: wholeOrNull(row, 'expensive_rate_micros', 0, 2 ** 32 - 1),
      blockMinutes: whole(row, 'block_minutes', 1, 525_600),
    },
  };
};
/** Reads a row of `account_limits` with category `device`; throws on a column that cannot be used. */
export const parseDeviceLimit = (row: RawRow): DeviceLimitRow => ({
  accountSid: text(row, 'account_sid'),
  quantity: whole(row, 'quantity', 0, MAX_INT),
});

/** Reads a row of its table; throws on a column that cannot be used. */
export const parseStirCredential = (row: RawRow, decrypt: Decrypt): StirCredential => {
  const x5u = text(row, 'x5u');
  if (!/^https:\/\/[^\s<>"]+$/.test(x5u)) throw new BadColumn('x5u', 'is not an https URL');
  const accountSid = optionalText(row, 'account_sid');
  const serviceProviderSid = optionalText(row, 'service_provider_sid');
  if ((accountSid === null) === (serviceProviderSid === null)) {
    throw new BadColumn('account_sid', 'and service_provider_sid: one of them must be set');
  }
  const stirCredentialSid = text(row, 'stir_credential_sid');
  const key = signingKey(secret(row, 'private_key', decrypt));
  return { stirCredentialSid, accountSid, serviceProviderSid, x5u, key, isActive: bool(row, 'is_active') };
};

const signingKey = (pem: string | null): StirCredential['key'] => {
  try {
    return readSigningKey(pem ?? '');
  } catch (err) {
    throw new BadColumn('private_key', err instanceof Error ? err.message : 'cannot be read');
  }
};
