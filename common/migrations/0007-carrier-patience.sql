-- How long a carrier's gateways may leave an INVITE without a response.
SET @columns = (
  SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'voip_carriers' AND column_name = 'response_timeout_ms'
);
SET @change = IF(@columns > 0, 'DO 0', 'ALTER TABLE voip_carriers ADD COLUMN response_timeout_ms INT');
PREPARE change_carriers FROM @change;
EXECUTE change_carriers;
DEALLOCATE PREPARE change_carriers;
