-- How calls of a carrier are told apart from others at the same address, and how it writes numbers.
SET @columns = (
  SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'voip_carriers' AND column_name = 'inbound_match_header'
);
SET @change = IF(@columns > 0, 'DO 0', 'ALTER TABLE voip_carriers
  ADD COLUMN inbound_match_header VARCHAR(64),
  ADD COLUMN inbound_match_value VARCHAR(255),
  ADD COLUMN inbound_trunk_group VARCHAR(128),
  ADD COLUMN inbound_trunk_context VARCHAR(255),
  ADD COLUMN inbound_country_code VARCHAR(4),
  ADD COLUMN inbound_national_prefix VARCHAR(8),
  ADD COLUMN inbound_international_prefix VARCHAR(8),
  ADD COLUMN inbound_national_length INT');
PREPARE change_carriers FROM @change;
EXECUTE change_carriers;
DEALLOCATE PREPARE change_carriers;
