import type { ColumnRules } from '../rows/columns-input.js';

const text = (max: number) => ({ kind: 'text', max }) as const;
const secret = { kind: 'secret', max: 255 } as const;
const flag = { kind: 'boolean' } as const;

/** Columns of `voip_carriers` that are written over the REST API; what they mean is told in docs/carriers.md and docs/interfaces.md. */
export const CARRIER_COLUMNS: ColumnRules = {
  name: { kind: 'text', max: 64, required: true },
  description: text(255),
  is_active: flag,
  e164_leading_plus: flag,
  tech_prefix: text(16),
  diversion: text(32),
  trunk_type: { kind: 'word', words: ['static_ip', 'auth', 'reg'] },
  dtmf_type: { kind: 'word', words: ['rfc2833', 'tones', 'info'] },
  inbound_auth_username: text(64),
  inbound_auth_password: secret,
  requires_register: flag,
  register_username: text(64),
  register_password: secret,
  register_sip_realm: text(64),
  register_from_user: text(128),
  register_from_domain: text(255),
  register_public_ip_in_contact: flag,
  outbound_sip_proxy: text(255),
  caller_id_policy: { kind: 'word', words: ['pass', 'own_numbers'] },
  outbound_caller_id: text(32),
  identity_header: { kind: 'word', words: ['pai', 'ppi', 'rpid', 'none'] },
  from_register_username: flag,
  national_country_code: text(4),
  national_prefix: text(8),
  international_prefix: text(8),
  failover_statuses: text(255),
  outbound_codecs: text(255),
  response_timeout_ms: { kind: 'integer', min: 100, max: 120_000, nullable: true },
  inbound_match_header: text(64),
  inbound_match_value: text(255),
  inbound_trunk_group: text(128),
  inbound_trunk_context: text(255),
  inbound_country_code: text(4),
  inbound_national_prefix: text(8),
  inbound_international_prefix: text(8),
  inbound_national_length: { kind: 'integer', min: 3, max: 15, nullable: true },
  stir_policy: { kind: 'word', words: ['off', 'tag', 'enforce'], nullable: true },
  // C strings of SMPP's binds (SMPP 3.4 §4.1.1).
  smpp_system_id: text(15),
  smpp_password: { kind: 'secret', max: 8 },
  smpp_enquire_link_interval: { kind: 'integer', min: 0, max: 86_400 },
  smpp_inbound_system_id: text(15),
  smpp_inbound_password: { kind: 'secret', max: 8 },
};

/** Columns that are read only: clients that write what they have read send them back. */
export const CARRIER_READ_ONLY = ['voip_carrier_sid', 'created_at', 'register_status'];

/** Columns of `sip_gateways` that are written over the REST API. */
export const GATEWAY_COLUMNS: ColumnRules = {
  ipv4: { kind: 'text', max: 128, required: true },
  port: { kind: 'integer', min: 0, max: 65_535, nullable: true },
  netmask: { kind: 'integer', min: 1, max: 128 },
  inbound: flag,
  outbound: flag,
  is_active: flag,
  protocol: { kind: 'word', words: ['udp', 'tcp', 'tls', 'tls/srtp'] },
  pad_crypto: flag,
  remove_ice: flag,
  dtls_off: flag,
  send_options_ping: flag,
  use_sips_scheme: flag,
  priority: { kind: 'integer', min: -1_000_000, max: 1_000_000 },
  weight: { kind: 'integer', min: 0, max: 1_000_000 },
};
