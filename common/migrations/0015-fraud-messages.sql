-- The toll-fraud guard looks at text messages too, and its list of high risk can be switched off (docs/fraud.md).
SET @columns = (
  SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'fraud_policies' AND column_name = 'high_risk_action'
);
SET @change = IF(@columns > 0, 'DO 0', 'ALTER TABLE fraud_policies
  ADD COLUMN high_risk_action ENUM(''deny'',''allow'') NOT NULL DEFAULT ''deny'' AFTER default_action,
  ADD COLUMN messages_per_minute INT AFTER calls_per_hour,
  ADD COLUMN messages_per_hour INT AFTER messages_per_minute');
PREPARE change_policies FROM @change;
EXECUTE change_policies;
DEALLOCATE PREPARE change_policies;
