-- By what a vendor's webhooks are known to be the vendor's (docs/messages.md); encrypted, null: the token in the URL alone stands for them.
SET @columns = (
  SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'http_message_gateways' AND column_name = 'webhook_secret'
);
SET @change = IF(@columns > 0, 'DO 0', 'ALTER TABLE http_message_gateways ADD COLUMN webhook_secret VARCHAR(1024) AFTER inbound_token');
PREPARE change_gateways FROM @change;
EXECUTE change_gateways;
DEALLOCATE PREPARE change_gateways;
