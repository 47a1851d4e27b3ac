-- How calls leave over a carrier: caller id, number formats, failover, codecs; and in which order its gateways are tried.
SET @columns = (
  SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'voip_carriers' AND column_name = 'caller_id_policy'
);
SET @change = IF(@columns > 0, 'DO 0', 'ALTER TABLE voip_carriers
  ADD COLUMN caller_id_policy ENUM(''pass'',''own_numbers'') NOT NULL DEFAULT ''pass'',
  ADD COLUMN outbound_caller_id VARCHAR(32),
  ADD COLUMN identity_header ENUM(''pai'',''ppi'',''rpid'',''none'') NOT NULL DEFAULT ''pai'',
  ADD COLUMN from_register_username TINYINT(1) NOT NULL DEFAULT 0,
  ADD COLUMN national_country_code VARCHAR(4),
  ADD COLUMN national_prefix VARCHAR(8),
  ADD COLUMN international_prefix VARCHAR(8),
  ADD COLUMN failover_statuses VARCHAR(255),
  ADD COLUMN outbound_codecs VARCHAR(255)');
PREPARE change_carriers FROM @change;
EXECUTE change_carriers;
DEALLOCATE PREPARE change_carriers;

SET @columns = (
  SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'sip_gateways' AND column_name = 'priority'
);
SET @change = IF(@columns > 0, 'DO 0', 'ALTER TABLE sip_gateways
  ADD COLUMN priority INT NOT NULL DEFAULT 0,
  ADD COLUMN weight INT NOT NULL DEFAULT 1');
PREPARE change_gateways FROM @change;
EXECUTE change_gateways;
DEALLOCATE PREPARE change_gateways;
