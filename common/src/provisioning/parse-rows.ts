import type { FraudPolicyRow } from '../fraud/policy.js';
import { readDestinations } from '../fraud/read-destinations.js';
import { MESSAGE_VENDOR_NAMES } from '../messages/vendors/registry.js';
import { isEncrypted } from '../secrets/encryption.js';
import { ADDRESS_BITS, type IpAddress, parseIp } from '../sip/ip-address.js';
import { readSigningKey, type StirCredential } from '../stir/signer.js';
import type {
  Account,
  Application,
  CallLimitRow,
  Client,
  DeviceLimitRow,
  HttpMessageGateway,
  InboundRules,
  Lcr,
  LcrCarrierSetEntry,
  LcrRoute,
  LimitScope,
  OutboundRules,
  PhoneNumber,
  RateDeck,
  ServiceProvider,
  SipGateway,
  SmppGateway,
  SmppLogin,
  SpeechChoice,
  StirPolicy,
  TeamsTenant,
  VoipCarrier,
  Webhook,
} from './rows.js';
import type { SkippedRow } from './snapshot.js';

/** Largest value of an `INT` column. */
const MAX_INT = 2 ** 31 - 1;

/** A row as MySQL gives it. */
export type RawRow = Readonly<Record<string, unknown>>;

/** Thrown by a reader and caught by {@link parseTable}: it never leaves this file. */
class BadColumn extends Error {
  constructor(
    readonly column: string,
    reason: string,
  ) {
    super(reason);
  }
}

const optionalText = (row: RawRow, column: string): string | null => {
  const value = row[column];
  if (value === null || value === undefined) return null;
  if (typeof value !== 'string') throw new BadColumn(column, `is a ${typeof value}, not a text`);
  return value;
};
const text = (row: RawRow, column: string): string => {
  const value = optionalText(row, column);
  if (value === null || value === '') throw new BadColumn(column, 'is empty');
  return value;
};
const bool = (row: RawRow, column: string): boolean => {
  const value = row[column];
  if (value === null || value === undefined) return false;
  if (typeof value !== 'boolean' && value !== 0 && value !== 1) throw new BadColumn(column, 'is not a boolean');
  return Boolean(value);
};
const whole = (row: RawRow, column: string, min: number, max: number): number => {
  const value = row[column];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw new BadColumn(column, `is not a whole number from ${min} to ${max}`);
  }
  return value;
};
const word = <const W extends string>(row: RawRow, column: string, words: readonly W[]): W => {
  const value = words.find((candidate) => candidate === row[column]);
  if (value === undefined) throw new BadColumn(column, `is not one of ${words.join(', ')}`);
  return value;
};
const json = (row: RawRow, column: string): string | null => {
  const value = optionalText(row, column);
  if (value === null || value === '') return null;
  try {
    JSON.parse(value);
  } catch (err) {
    throw new BadColumn(column, err instanceof Error ? err.message : 'is not JSON');
  }
  return value;
};

/** Turns a stored secret into its plain text, or throws. */
export type Decrypt = (stored: string) => string;

/** Values that were imported in clear text stay as they are. */
const secret = (row: RawRow, column: string, decrypt: Decrypt): string | null => {
  const value = optionalText(row, column);
  if (value === null || !isEncrypted(value)) return value;
  try {
    return decrypt(value);
  } catch (err) {
    throw new BadColumn(column, err instanceof Error ? err.message : 'cannot be decrypted');
  }
};

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

const stirPolicy = (row: RawRow): StirPolicy | null =>
  row.stir_policy === null || row.stir_policy === undefined
    ? null
    : word(row, 'stir_policy', ['off', 'tag', 'enforce']);

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

const synthesizer = (row: RawRow, prefix = ''): SpeechChoice => ({
  vendor: text(row, `${prefix}speech_synthesis_vendor`),
  language: optionalText(row, `${prefix}speech_synthesis_language`) ?? 'en-US',
  voice: optionalText(row, `${prefix}speech_synthesis_voice`),
  label: optionalText(row, `${prefix}speech_synthesis_label`),
});
const recognizer = (row: RawRow, prefix = ''): SpeechChoice => ({
  vendor: text(row, `${prefix}speech_recognizer_vendor`),
  language: optionalText(row, `${prefix}speech_recognizer_language`) ?? 'en-US',
  voice: null,
  label: optionalText(row, `${prefix}speech_recognizer_label`),
});

/** Reads a row of its table; throws on a column that cannot be used. */
export const parseApplication = (row: RawRow, hooks: Hooks): Application => {
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
    envVars: optionalText(row, 'env_vars'),
    recordAllCalls: bool(row, 'record_all_calls'),
  };
};

/** The entries of a comma-separated list. */
const list = (row: RawRow, column: string, entry: RegExp, expected: string): string[] => {
  const entries = (optionalText(row, column) ?? '').split(',').map((part) => part.trim());
  const used = entries.filter((part) => part !== '');
  const bad = used.find((part) => !entry.test(part));
  if (bad !== undefined) throw new BadColumn(column, `"${bad.slice(0, 32)}" is not ${expected}`);
  return used;
};

const digits = (row: RawRow, column: string): string | null => {
  const value = optionalText(row, column) || null;
  if (value !== null && !/^\d+$/.test(value)) throw new BadColumn(column, 'is not a number');
  return value;
};

const outboundRules = (row: RawRow): OutboundRules => {
  const failover = list(row, 'failover_statuses', /^[3-6](\d\d|xx)$/i, 'a status such as 404 or 5xx');
  return {
    callerIdPolicy: word(row, 'caller_id_policy', ['pass', 'own_numbers']),
    callerId: optionalText(row, 'outbound_caller_id') || null,
    identityHeader: word(row, 'identity_header', ['pai', 'ppi', 'rpid', 'none']),
    fromRegisterUsername: bool(row, 'from_register_username'),
    countryCode: digits(row, 'national_country_code'),
    nationalPrefix: digits(row, 'national_prefix') ?? '',
    internationalPrefix: digits(row, 'international_prefix') ?? '',
    responseMs: row.response_timeout_ms === null ? null : whole(row, 'response_timeout_ms', 100, 120_000),
    failoverStatuses: failover.length === 0 ? null : failover.map((status) => status.toLowerCase()),
    codecs: list(row, 'outbound_codecs', /^[\w.-]+(\/\d+)*$/, 'a codec name'),
  };
};

/** Other headers tell nobody apart: those of every call, and ours, which are removed. */
const MATCH_HEADER = /^(?:X-|P-)[A-Za-z0-9-]{1,60}$/i;

const inboundRules = (row: RawRow): InboundRules => {
  const header = optionalText(row, 'inbound_match_header') || null;
  if (header !== null && !MATCH_HEADER.test(header)) {
    throw new BadColumn('inbound_match_header', 'is not the name of an X- or P- header');
  }
  const digits = (column: string): string => {
    const value = optionalText(row, column) ?? '';
    if (!/^\d*$/.test(value)) throw new BadColumn(column, 'is not digits');
    return value;
  };
  const length = row.inbound_national_length ?? null;
  return {
    header,
    headerValue: optionalText(row, 'inbound_match_value') || null,
    trunkGroup: optionalText(row, 'inbound_trunk_group') || null,
    trunkContext: optionalText(row, 'inbound_trunk_context') || null,
    countryCode: digits('inbound_country_code') || null,
    nationalPrefix: digits('inbound_national_prefix'),
    internationalPrefix: digits('inbound_international_prefix'),
    nationalLength: length === null ? null : whole(row, 'inbound_national_length', 3, 15),
  };
};

/**
 * The prefix length of a gateway. 32 is what the column holds when nobody said anything: an IPv6 address that is more than a /32
 * is a single host then, not its provider's whole network.
 */
const prefixLength = (row: RawRow, ip: IpAddress | null): number => {
  const bits = whole(row, 'netmask', 1, ADDRESS_BITS[ip?.family ?? 4]);
  const isHost = ip?.family === 6 && BigInt.asUintN(96, ip.value) !== 0n;
  return bits === 32 && isHost ? 128 : bits;
};

/** What carriers' columns say goes into SIP headers and SMPP PDUs, where a line end would begin a header of its own. */
const refuseControls = (row: RawRow): void => {
  for (const [column, value] of Object.entries(row)) {
    if (typeof value !== 'string' || column === 'description') continue;
    if (/\p{Cc}/u.test(value)) throw new BadColumn(column, 'has line ends or other control characters');
  }
};

/** Reads a row of its table; throws on a column that cannot be used. */
export const parseVoipCarrier = (row: RawRow, decrypt: Decrypt): VoipCarrier => {
  refuseControls(row);
  return carrierOf(row, decrypt);
};

const carrierOf = (row: RawRow, decrypt: Decrypt): VoipCarrier => ({
  voipCarrierSid: text(row, 'voip_carrier_sid'),
  name: text(row, 'name'),
  accountSid: optionalText(row, 'account_sid'),
  serviceProviderSid: optionalText(row, 'service_provider_sid'),
  applicationSid: optionalText(row, 'application_sid'),
  isActive: bool(row, 'is_active'),
  e164LeadingPlus: bool(row, 'e164_leading_plus'),
  techPrefix: optionalText(row, 'tech_prefix'),
  diversion: optionalText(row, 'diversion'),
  trunkType: word(row, 'trunk_type', ['static_ip', 'auth', 'reg']),
  dtmfType: word(row, 'dtmf_type', ['rfc2833', 'tones', 'info']),
  inboundAuthUsername: optionalText(row, 'inbound_auth_username'),
  inboundAuthPassword: secret(row, 'inbound_auth_password', decrypt),
  requiresRegister: bool(row, 'requires_register'),
  registerUsername: optionalText(row, 'register_username'),
  registerPassword: secret(row, 'register_password', decrypt),
  registerSipRealm: optionalText(row, 'register_sip_realm'),
  registerFromUser: optionalText(row, 'register_from_user'),
  registerFromDomain: optionalText(row, 'register_from_domain'),
  registerPublicIpInContact: bool(row, 'register_public_ip_in_contact'),
  outboundSipProxy: optionalText(row, 'outbound_sip_proxy'),
  outboundRules: outboundRules(row),
  inboundRules: inboundRules(row),
  stirPolicy: stirPolicy(row),
  smpp: smppLogin(row, decrypt),
  smppInbound: smppInboundLogin(row, decrypt),
});

/** 0 and null say nothing: jambonz's default. */
const smppLogin = (row: RawRow, decrypt: Decrypt): SmppLogin | null => {
  const systemId = optionalText(row, 'smpp_system_id');
  if (!systemId) return null;
  return { systemId, password: secret(row, 'smpp_password', decrypt), enquireLinkMs: enquireLinkMs(row) };
};

const enquireLinkMs = (row: RawRow): number | null => {
  const seconds = whole(row, 'smpp_enquire_link_interval', 0, 86_400);
  return seconds === 0 ? null : seconds * 1000;
};

/** Without a password nobody binds. */
const smppInboundLogin = (row: RawRow, decrypt: Decrypt): VoipCarrier['smppInbound'] => {
  const systemId = optionalText(row, 'smpp_inbound_system_id');
  const password = secret(row, 'smpp_inbound_password', decrypt);
  return systemId && password ? { systemId, password, enquireLinkMs: enquireLinkMs(row) } : null;
};

/** Reads a row of its table; throws on a column that cannot be used. */
export const parseSmppGateway = (row: RawRow): SmppGateway => ({
  smppGatewaySid: text(row, 'smpp_gateway_sid'),
  voipCarrierSid: text(row, 'voip_carrier_sid'),
  address: text(row, 'ipv4').replace(/^\[(.*)\]$/, '$1'),
  netmask: whole(row, 'netmask', 1, 128),
  port: whole(row, 'port', 1, 65_535),
  outbound: bool(row, 'outbound'),
  inbound: bool(row, 'inbound'),
  isPrimary: bool(row, 'is_primary'),
  useTls: bool(row, 'use_tls'),
  maxPerSecond: row.max_per_second === null ? null : whole(row, 'max_per_second', 1, 100_000),
  windowSize: whole(row, 'window_size', 1, 1_000),
});

/** Reads a row of its table; throws on a column that cannot be used. */
export const parseHttpMessageGateway = (row: RawRow, decrypt: Decrypt): HttpMessageGateway => {
  const baseUrl = optionalText(row, 'base_url') || null;
  if (baseUrl !== null && !/^https?:\/\/[^\s/]/i.test(baseUrl))
    throw new BadColumn('base_url', 'is not an http or https URL');
  const inboundToken = secret(row, 'inbound_token', decrypt);
  if (!inboundToken) throw new BadColumn('inbound_token', 'is empty');
  return {
    httpMessageGatewaySid: text(row, 'http_message_gateway_sid'),
    voipCarrierSid: text(row, 'voip_carrier_sid'),
    vendor: word(row, 'vendor', MESSAGE_VENDOR_NAMES),
    baseUrl: baseUrl?.replace(/\/+$/, '') ?? null,
    username: optionalText(row, 'username'),
    password: secret(row, 'password', decrypt),
    inboundToken,
    isActive: bool(row, 'is_active'),
  };
};

/** Reads a row of its table; throws on a column that cannot be used. */
export const parseSipGateway = (row: RawRow): SipGateway => {
  const address = text(row, 'ipv4').replace(/^\[(.*)\]$/, '$1');
  const inbound = bool(row, 'inbound');
  const ip = parseIp(address);
  if (inbound && ip === null) throw new BadColumn('ipv4', 'is not an IP address, which an inbound gateway needs');
  return {
    sipGatewaySid: text(row, 'sip_gateway_sid'),
    voipCarrierSid: text(row, 'voip_carrier_sid'),
    address,
    netmask: prefixLength(row, ip),
    port: row.port === null ? null : whole(row, 'port', 0, 65535) || null,
    inbound,
    outbound: bool(row, 'outbound'),
    isActive: bool(row, 'is_active'),
    protocol: row.protocol === null ? 'udp' : word(row, 'protocol', ['udp', 'tcp', 'tls', 'tls/srtp']),
    sendOptionsPing: bool(row, 'send_options_ping'),
    useSipsScheme: bool(row, 'use_sips_scheme'),
    priority: whole(row, 'priority', -1_000_000, 1_000_000),
    weight: whole(row, 'weight', 0, 1_000_000),
    padCrypto: bool(row, 'pad_crypto'),
    removeIce: bool(row, 'remove_ice'),
    dtlsOff: bool(row, 'dtls_off'),
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

const wholeOrNull = (row: RawRow, column: string, min: number, max: number): number | null =>
  row[column] === null || row[column] === undefined ? null : whole(row, column, min, max);

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

/** Parses the rows of a table; one that cannot be used is left out and reported in `skipped`, with the column. */
export function parseTable<T>(
  table: string,
  sidColumn: string,
  rows: readonly RawRow[],
  parse: (row: RawRow) => T,
  skipped: SkippedRow[],
): T[] {
  return rows.flatMap((row) => {
    try {
      return [parse(row)];
    } catch (err) {
      if (!(err instanceof BadColumn)) throw err;
      skipped.push({ table, sid: String(row[sidColumn]), column: err.column, reason: err.message });
      return [];
    }
  });
}
