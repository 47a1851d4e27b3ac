-- Provisioning tables in jambonz's columns. Every statement may be repeated.
CREATE TABLE IF NOT EXISTS webhooks (
  webhook_sid CHAR(36) NOT NULL PRIMARY KEY,
  url VARCHAR(1024) NOT NULL,
  method ENUM('GET','POST') NOT NULL DEFAULT 'POST',
  username VARCHAR(255),
  password VARCHAR(1024)
);

CREATE TABLE IF NOT EXISTS service_providers (
  service_provider_sid CHAR(36) NOT NULL PRIMARY KEY,
  name VARCHAR(64) NOT NULL,
  description VARCHAR(255),
  root_domain VARCHAR(128),
  registration_hook_sid CHAR(36),
  ms_teams_fqdn VARCHAR(255),
  UNIQUE KEY service_provider_name (name),
  UNIQUE KEY service_provider_root_domain (root_domain),
  FOREIGN KEY (registration_hook_sid) REFERENCES webhooks (webhook_sid)
);

CREATE TABLE IF NOT EXISTS accounts (
  account_sid CHAR(36) NOT NULL PRIMARY KEY,
  name VARCHAR(64) NOT NULL,
  sip_realm VARCHAR(132),
  service_provider_sid CHAR(36) NOT NULL,
  registration_hook_sid CHAR(36),
  queue_event_hook_sid CHAR(36),
  device_calling_application_sid CHAR(36),
  is_active TINYINT(1) NOT NULL DEFAULT 1,
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  plan_type ENUM('trial','free','paid') NOT NULL DEFAULT 'trial',
  stripe_customer_id VARCHAR(56),
  webhook_secret VARCHAR(255) NOT NULL,
  disable_cdrs TINYINT(1) NOT NULL DEFAULT 0,
  trial_end_date DATETIME,
  deactivated_reason VARCHAR(255),
  device_to_call_ratio INT NOT NULL DEFAULT 5,
  subspace_client_id VARCHAR(255),
  subspace_client_secret VARCHAR(255),
  subspace_sip_teleport_id VARCHAR(255),
  subspace_sip_teleport_destinations VARCHAR(255),
  siprec_hook_sid CHAR(36),
  record_all_calls TINYINT(1) NOT NULL DEFAULT 0,
  record_format VARCHAR(16) NOT NULL DEFAULT 'mp3',
  bucket_credential VARCHAR(8192),
  enable_debug_log TINYINT(1) NOT NULL DEFAULT 0,
  UNIQUE KEY account_sip_realm (sip_realm),
  KEY account_service_provider (service_provider_sid),
  FOREIGN KEY (service_provider_sid) REFERENCES service_providers (service_provider_sid),
  FOREIGN KEY (registration_hook_sid) REFERENCES webhooks (webhook_sid),
  FOREIGN KEY (queue_event_hook_sid) REFERENCES webhooks (webhook_sid)
);

CREATE TABLE IF NOT EXISTS api_keys (
  api_key_sid CHAR(36) NOT NULL PRIMARY KEY,
  token CHAR(36) NOT NULL,
  account_sid CHAR(36),
  service_provider_sid CHAR(36),
  expires_at TIMESTAMP NULL DEFAULT NULL,
  last_used TIMESTAMP NULL DEFAULT NULL,
  created_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
  UNIQUE KEY api_key_token (token),
  FOREIGN KEY (account_sid) REFERENCES accounts (account_sid),
  FOREIGN KEY (service_provider_sid) REFERENCES service_providers (service_provider_sid)
);

CREATE TABLE IF NOT EXISTS applications (
  application_sid CHAR(36) NOT NULL PRIMARY KEY,
  name VARCHAR(64) NOT NULL,
  service_provider_sid CHAR(36),
  account_sid CHAR(36),
  call_hook_sid CHAR(36),
  call_status_hook_sid CHAR(36),
  messaging_hook_sid CHAR(36),
  app_json TEXT,
  speech_synthesis_vendor VARCHAR(64) NOT NULL DEFAULT 'google',
  speech_synthesis_language VARCHAR(12) NOT NULL DEFAULT 'en-US',
  speech_synthesis_voice VARCHAR(256) DEFAULT 'en-US-Standard-C',
  speech_synthesis_label VARCHAR(64),
  speech_recognizer_vendor VARCHAR(64) NOT NULL DEFAULT 'google',
  speech_recognizer_language VARCHAR(64) NOT NULL DEFAULT 'en-US',
  speech_recognizer_label VARCHAR(64),
  use_for_fallback_speech TINYINT(1) DEFAULT 0,
  fallback_speech_synthesis_vendor VARCHAR(64),
  fallback_speech_synthesis_language VARCHAR(12),
  fallback_speech_synthesis_voice VARCHAR(256),
  fallback_speech_synthesis_label VARCHAR(64),
  fallback_speech_recognizer_vendor VARCHAR(64),
  fallback_speech_recognizer_language VARCHAR(64),
  fallback_speech_recognizer_label VARCHAR(64),
  env_vars TEXT,
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  record_all_calls TINYINT(1) NOT NULL DEFAULT 0,
  UNIQUE KEY application_account_name (account_sid, name),
  FOREIGN KEY (service_provider_sid) REFERENCES service_providers (service_provider_sid),
  FOREIGN KEY (account_sid) REFERENCES accounts (account_sid),
  FOREIGN KEY (call_hook_sid) REFERENCES webhooks (webhook_sid),
  FOREIGN KEY (call_status_hook_sid) REFERENCES webhooks (webhook_sid),
  FOREIGN KEY (messaging_hook_sid) REFERENCES webhooks (webhook_sid)
);

CREATE TABLE IF NOT EXISTS voip_carriers (
  voip_carrier_sid CHAR(36) NOT NULL PRIMARY KEY,
  name VARCHAR(64) NOT NULL,
  description VARCHAR(255),
  account_sid CHAR(36),
  service_provider_sid CHAR(36),
  application_sid CHAR(36),
  e164_leading_plus TINYINT(1) NOT NULL DEFAULT 0,
  requires_register TINYINT(1) NOT NULL DEFAULT 0,
  register_username VARCHAR(64),
  register_sip_realm VARCHAR(64),
  register_password VARCHAR(512),
  tech_prefix VARCHAR(16),
  inbound_auth_username VARCHAR(64),
  inbound_auth_password VARCHAR(512),
  diversion VARCHAR(32),
  is_active TINYINT(1) NOT NULL DEFAULT 1,
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  register_from_user VARCHAR(128),
  register_from_domain VARCHAR(255),
  register_public_ip_in_contact TINYINT(1) NOT NULL DEFAULT 0,
  register_status VARCHAR(4096),
  dtmf_type ENUM('rfc2833','tones','info') NOT NULL DEFAULT 'rfc2833',
  outbound_sip_proxy VARCHAR(255),
  trunk_type ENUM('static_ip','auth','reg') NOT NULL DEFAULT 'static_ip',
  FOREIGN KEY (account_sid) REFERENCES accounts (account_sid),
  FOREIGN KEY (service_provider_sid) REFERENCES service_providers (service_provider_sid),
  FOREIGN KEY (application_sid) REFERENCES applications (application_sid)
);

CREATE TABLE IF NOT EXISTS sip_gateways (
  sip_gateway_sid CHAR(36) NOT NULL PRIMARY KEY,
  ipv4 VARCHAR(128) NOT NULL,
  netmask INT NOT NULL DEFAULT 32,
  port INT,
  inbound TINYINT(1) NOT NULL,
  outbound TINYINT(1) NOT NULL,
  voip_carrier_sid CHAR(36) NOT NULL,
  is_active TINYINT(1) NOT NULL DEFAULT 1,
  send_options_ping TINYINT(1) NOT NULL DEFAULT 0,
  use_sips_scheme TINYINT(1) NOT NULL DEFAULT 0,
  pad_crypto TINYINT(1) NOT NULL DEFAULT 0,
  protocol ENUM('udp','tcp','tls','tls/srtp') DEFAULT 'udp',
  remove_ice TINYINT(1) NOT NULL DEFAULT 0,
  dtls_off TINYINT(1) NOT NULL DEFAULT 0,
  FOREIGN KEY (voip_carrier_sid) REFERENCES voip_carriers (voip_carrier_sid)
);

CREATE TABLE IF NOT EXISTS phone_numbers (
  phone_number_sid CHAR(36) NOT NULL PRIMARY KEY,
  number VARCHAR(132) NOT NULL,
  voip_carrier_sid CHAR(36),
  account_sid CHAR(36),
  application_sid CHAR(36),
  service_provider_sid CHAR(36),
  UNIQUE KEY phone_number_carrier (number, voip_carrier_sid),
  FOREIGN KEY (voip_carrier_sid) REFERENCES voip_carriers (voip_carrier_sid),
  FOREIGN KEY (account_sid) REFERENCES accounts (account_sid),
  FOREIGN KEY (application_sid) REFERENCES applications (application_sid),
  FOREIGN KEY (service_provider_sid) REFERENCES service_providers (service_provider_sid)
);
