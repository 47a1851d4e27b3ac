import { MESSAGE_VENDOR_NAMES } from '../messages/vendors/registry.js';
import { ADDRESS_BITS, type IpAddress, parseIp } from '../sip/ip-address.js';
import {
  BadColumn,
  bool,
  type Decrypt,
  digits,
  list,
  optionalText,
  type RawRow,
  secret,
  stirPolicy,
  text,
  whole,
  word,
} from './columns.js';
import type {
  HttpMessageGateway,
  InboundRules,
  OutboundRules,
  SipGateway,
  SmppGateway,
  SmppLogin,
  VoipCarrier,
} from './rows.js';

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
