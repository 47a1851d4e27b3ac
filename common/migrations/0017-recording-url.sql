-- Where the REST API hands out a call's recording, from /v1 on; null: there is none, or it is not stored yet.
SET @columns = (
  SELECT COUNT(*) FROM information_schema.columns
  WHERE table_schema = DATABASE() AND table_name = 'call_records' AND column_name = 'recording_url'
);
SET @change = IF(@columns > 0, 'DO 0', 'ALTER TABLE call_records ADD COLUMN recording_url VARCHAR(512)');
PREPARE change_records FROM @change;
EXECUTE change_records;
DEALLOCATE PREPARE change_records;
