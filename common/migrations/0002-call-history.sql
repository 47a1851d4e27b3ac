-- What the records consumer writes. No foreign keys: history outlives what it tells of.
CREATE TABLE IF NOT EXISTS call_records (
  call_sid VARCHAR(64) NOT NULL PRIMARY KEY,
  account_sid CHAR(36),
  service_provider_sid CHAR(36),
  application_sid CHAR(36),
  voip_carrier_sid CHAR(36),
  direction ENUM('inbound','outbound') NOT NULL,
  call_from VARCHAR(255) NOT NULL,
  call_to VARCHAR(255) NOT NULL,
  sip_callid VARCHAR(255) NOT NULL,
  trunk VARCHAR(255) NOT NULL,
  host VARCHAR(255) NOT NULL,
  remote_host VARCHAR(255) NOT NULL,
  owner VARCHAR(128) NOT NULL,
  attempted_at DATETIME(3) NOT NULL,
  answered_at DATETIME(3),
  terminated_at DATETIME(3),
  answered TINYINT(1) NOT NULL DEFAULT 0,
  duration_sec INT NOT NULL DEFAULT 0,
  sip_status INT,
  sip_reason VARCHAR(255),
  termination_reason VARCHAR(64),
  KEY call_record_account (account_sid, attempted_at),
  KEY call_record_service_provider (service_provider_sid, attempted_at),
  KEY call_record_sip_callid (sip_callid),
  KEY call_record_live (terminated_at, attempted_at)
);

CREATE TABLE IF NOT EXISTS call_timeline (
  event_id CHAR(36) NOT NULL PRIMARY KEY,
  call_sid VARCHAR(64) NOT NULL,
  sip_callid VARCHAR(255),
  at_ms DOUBLE NOT NULL,
  kind VARCHAR(16) NOT NULL,
  level ENUM('info','warn','error') NOT NULL,
  text VARCHAR(9000) NOT NULL,
  data JSON,
  KEY call_timeline_call (call_sid, at_ms)
);

CREATE TABLE IF NOT EXISTS alerts (
  event_id CHAR(36) NOT NULL PRIMARY KEY,
  at DATETIME(3) NOT NULL,
  alert_type VARCHAR(64) NOT NULL,
  service_provider_sid CHAR(36),
  account_sid CHAR(36),
  message VARCHAR(2048) NOT NULL,
  detail TEXT,
  target_sid VARCHAR(64),
  KEY alert_account (account_sid, at),
  KEY alert_service_provider (service_provider_sid, at)
);
