-- Least-cost routing in jambonz's columns, and rate decks of our own.
CREATE TABLE IF NOT EXISTS lcr (
  lcr_sid CHAR(36) NOT NULL PRIMARY KEY,
  name VARCHAR(64),
  is_active TINYINT(1) NOT NULL DEFAULT 1,
  default_carrier_set_entry_sid CHAR(36),
  service_provider_sid CHAR(36),
  account_sid CHAR(36),
  KEY lcr_account (account_sid),
  KEY lcr_service_provider (service_provider_sid),
  FOREIGN KEY (service_provider_sid) REFERENCES service_providers (service_provider_sid),
  FOREIGN KEY (account_sid) REFERENCES accounts (account_sid)
);

-- strategy is ours: how the carriers of equal priority are ordered.
CREATE TABLE IF NOT EXISTS lcr_routes (
  lcr_route_sid CHAR(36) NOT NULL PRIMARY KEY,
  lcr_sid CHAR(36) NOT NULL,
  regex VARCHAR(64) NOT NULL,
  description VARCHAR(1024),
  priority INT NOT NULL,
  strategy ENUM('workload','least_cost') NOT NULL DEFAULT 'workload',
  FOREIGN KEY (lcr_sid) REFERENCES lcr (lcr_sid) ON DELETE CASCADE
);

-- Without a foreign key from lcr.default_carrier_set_entry_sid back here: the two would keep each other from being removed.
CREATE TABLE IF NOT EXISTS lcr_carrier_set_entry (
  lcr_carrier_set_entry_sid CHAR(36) NOT NULL PRIMARY KEY,
  workload INT NOT NULL DEFAULT 1,
  lcr_route_sid CHAR(36) NOT NULL,
  voip_carrier_sid CHAR(36) NOT NULL,
  priority INT NOT NULL DEFAULT 0,
  FOREIGN KEY (lcr_route_sid) REFERENCES lcr_routes (lcr_route_sid) ON DELETE CASCADE,
  FOREIGN KEY (voip_carrier_sid) REFERENCES voip_carriers (voip_carrier_sid)
);

-- What one carrier takes, as an account knows it (account_sid), or as a service provider does for all its accounts.
CREATE TABLE IF NOT EXISTS rate_decks (
  rate_deck_sid CHAR(36) NOT NULL PRIMARY KEY,
  name VARCHAR(64) NOT NULL,
  account_sid CHAR(36),
  service_provider_sid CHAR(36) NOT NULL,
  voip_carrier_sid CHAR(36) NOT NULL,
  -- The account, or the service provider where there is none: one deck for each owner and carrier.
  owner_sid CHAR(36) NOT NULL,
  currency CHAR(3) NOT NULL DEFAULT 'USD',
  active_version BIGINT UNSIGNED,
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  UNIQUE KEY rate_deck_owner_carrier (owner_sid, voip_carrier_sid),
  FOREIGN KEY (account_sid) REFERENCES accounts (account_sid),
  FOREIGN KEY (service_provider_sid) REFERENCES service_providers (service_provider_sid),
  FOREIGN KEY (voip_carrier_sid) REFERENCES voip_carriers (voip_carrier_sid)
);

-- One import. Nothing reads its rows before rate_decks.active_version names it.
CREATE TABLE IF NOT EXISTS rate_deck_versions (
  version BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  rate_deck_sid CHAR(36) NOT NULL,
  status ENUM('loading','complete') NOT NULL DEFAULT 'loading',
  source VARCHAR(255) NOT NULL,
  entry_count INT UNSIGNED NOT NULL DEFAULT 0,
  skipped_count INT UNSIGNED NOT NULL DEFAULT 0,
  image_bytes INT UNSIGNED NOT NULL DEFAULT 0,
  started_at DATETIME(3) NOT NULL,
  -- Renewed while it loads: what has not been for long was left behind by a process that died.
  touched_at DATETIME(3) NOT NULL,
  completed_at DATETIME(3),
  FOREIGN KEY (rate_deck_sid) REFERENCES rate_decks (rate_deck_sid) ON DELETE CASCADE
);

-- Prices in millionths of the deck's currency; dates in seconds since the epoch, 0 and 4294967295 for none.
CREATE TABLE IF NOT EXISTS rate_deck_entries (
  version BIGINT UNSIGNED NOT NULL,
  prefix VARCHAR(15) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  effective_from_sec INT UNSIGNED NOT NULL,
  effective_until_sec INT UNSIGNED NOT NULL,
  rate_micros INT UNSIGNED NOT NULL,
  PRIMARY KEY (version, prefix, effective_from_sec)
);

-- The same packed for lookups (common/src/routing/rate-trie.ts), in parts: what edges load. Can be made again from the entries.
CREATE TABLE IF NOT EXISTS rate_deck_images (
  version BIGINT UNSIGNED NOT NULL,
  part INT UNSIGNED NOT NULL,
  data MEDIUMBLOB NOT NULL,
  PRIMARY KEY (version, part)
);
