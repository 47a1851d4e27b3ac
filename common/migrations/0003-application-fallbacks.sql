-- What answers a call when the call hook fails. MySQL has no ADD COLUMN IF NOT EXISTS: the statement is built when it is needed.
SET @columns = (
  SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'applications' AND column_name = 'fallback_call_hook_sid'
);
SET @change = IF(@columns > 0, 'DO 0', 'ALTER TABLE applications
  ADD COLUMN fallback_call_hook_sid CHAR(36),
  ADD COLUMN fallback_app_json TEXT,
  ADD CONSTRAINT application_fallback_call_hook FOREIGN KEY (fallback_call_hook_sid) REFERENCES webhooks (webhook_sid)');
PREPARE change_applications FROM @change;
EXECUTE change_applications;
DEALLOCATE PREPARE change_applications;
