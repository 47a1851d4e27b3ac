-- STIR/SHAKEN: what is done about callers' identities, and whose certificate signs calls out.
SET @columns = (
  SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'accounts' AND column_name = 'stir_policy'
);
SET @change = IF(@columns > 0, 'DO 0', 'ALTER TABLE accounts ADD COLUMN stir_policy ENUM(''off'',''tag'',''enforce'')');
PREPARE change_accounts FROM @change;
EXECUTE change_accounts;
DEALLOCATE PREPARE change_accounts;

SET @columns = (
  SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'voip_carriers' AND column_name = 'stir_policy'
);
SET @change = IF(@columns > 0, 'DO 0', 'ALTER TABLE voip_carriers ADD COLUMN stir_policy ENUM(''off'',''tag'',''enforce'')');
PREPARE change_carriers FROM @change;
EXECUTE change_carriers;
DEALLOCATE PREPARE change_carriers;

-- Of an account, or of a service provider for its accounts that have none. private_key is PEM, encrypted as all secrets are.
CREATE TABLE IF NOT EXISTS stir_credentials (
  stir_credential_sid CHAR(36) NOT NULL PRIMARY KEY,
  account_sid CHAR(36) UNIQUE,
  service_provider_sid CHAR(36) UNIQUE,
  x5u VARCHAR(512) NOT NULL,
  private_key VARCHAR(2048) NOT NULL,
  is_active TINYINT(1) NOT NULL DEFAULT 1,
  created_at DATETIME NOT NULL DEFAULT CURRENT_TIMESTAMP,
  FOREIGN KEY (account_sid) REFERENCES accounts (account_sid) ON DELETE CASCADE,
  FOREIGN KEY (service_provider_sid) REFERENCES service_providers (service_provider_sid) ON DELETE CASCADE
);
