-- Text messages: how carriers are reached (SMPP in jambonz's columns, HTTP in a table of ours), and what became of messages.
SET @columns = (
  SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'voip_carriers' AND column_name = 'smpp_system_id'
);
SET @change = IF(@columns > 0, 'DO 0', 'ALTER TABLE voip_carriers
  ADD COLUMN smpp_system_id VARCHAR(255),
  ADD COLUMN smpp_password VARCHAR(512),
  ADD COLUMN smpp_enquire_link_interval INT NOT NULL DEFAULT 0,
  ADD COLUMN smpp_inbound_system_id VARCHAR(255),
  ADD COLUMN smpp_inbound_password VARCHAR(512)');
PREPARE change_carriers FROM @change;
EXECUTE change_carriers;
DEALLOCATE PREPARE change_carriers;

-- max_per_second and window_size are ours: messages a second (null: as many as go), and messages without answer at a time.
CREATE TABLE IF NOT EXISTS smpp_gateways (
  smpp_gateway_sid CHAR(36) NOT NULL PRIMARY KEY,
  ipv4 VARCHAR(128) NOT NULL,
  port INT NOT NULL DEFAULT 2775,
  netmask INT NOT NULL DEFAULT 32,
  is_primary TINYINT(1) NOT NULL DEFAULT 1,
  inbound TINYINT(1) NOT NULL DEFAULT 0,
  outbound TINYINT(1) NOT NULL DEFAULT 1,
  use_tls TINYINT(1) NOT NULL DEFAULT 0,
  voip_carrier_sid CHAR(36) NOT NULL,
  max_per_second INT,
  window_size INT NOT NULL DEFAULT 10,
  FOREIGN KEY (voip_carrier_sid) REFERENCES voip_carriers (voip_carrier_sid)
);

-- One for each carrier. inbound_token is part of the URL that the vendor posts to.
CREATE TABLE IF NOT EXISTS http_message_gateways (
  http_message_gateway_sid CHAR(36) NOT NULL PRIMARY KEY,
  voip_carrier_sid CHAR(36) NOT NULL,
  vendor VARCHAR(32) NOT NULL,
  base_url VARCHAR(1024),
  username VARCHAR(255),
  password VARCHAR(1024),
  inbound_token VARCHAR(255) NOT NULL,
  is_active TINYINT(1) NOT NULL DEFAULT 1,
  UNIQUE KEY http_message_gateway_carrier (voip_carrier_sid),
  FOREIGN KEY (voip_carrier_sid) REFERENCES voip_carriers (voip_carrier_sid)
);

-- What the records consumer writes. No foreign keys: history outlives what it tells of. Sids are unique within an account.
CREATE TABLE IF NOT EXISTS messages (
  account_sid CHAR(36) NOT NULL,
  message_sid VARCHAR(64) NOT NULL,
  service_provider_sid CHAR(36),
  application_sid CHAR(36),
  voip_carrier_sid CHAR(36),
  carrier VARCHAR(255),
  direction ENUM('inbound','outbound') NOT NULL,
  message_from VARCHAR(64) NOT NULL,
  message_to VARCHAR(64) NOT NULL,
  text TEXT NOT NULL,
  media JSON NOT NULL,
  encoding ENUM('gsm7','ucs2'),
  segments INT NOT NULL,
  carrier_message_ids JSON NOT NULL,
  status ENUM('queued','received','sent','delivered','failed') NOT NULL,
  reason VARCHAR(32),
  detail VARCHAR(255),
  status_hook VARCHAR(1024),
  created_at DATETIME(3) NOT NULL,
  sent_at DATETIME(3),
  finished_at DATETIME(3),
  PRIMARY KEY (account_sid, message_sid),
  KEY message_created (account_sid, created_at)
);

-- Parts of messages by the carrier's id, where delivery receipts meet them; without message: a receipt that came first.
CREATE TABLE IF NOT EXISTS message_parts (
  voip_carrier_sid CHAR(36) NOT NULL,
  carrier_message_id VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  account_sid CHAR(36),
  message_sid VARCHAR(64),
  state ENUM('sent','delivered','failed') NOT NULL,
  detail VARCHAR(255),
  updated_at DATETIME(3) NOT NULL,
  PRIMARY KEY (voip_carrier_sid, carrier_message_id),
  KEY message_part_message (account_sid, message_sid),
  KEY message_part_stray (message_sid, updated_at)
);
