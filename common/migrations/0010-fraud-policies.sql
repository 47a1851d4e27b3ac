-- What accounts may call and how often (docs/fraud.md): the operator's word, a service provider's and an account's own.
CREATE TABLE IF NOT EXISTS fraud_policies (
  -- Sid of an account or service provider; 'platform' for the operator's word about all.
  owner_sid CHAR(36) NOT NULL,
  set_by ENUM('operator','service_provider','account') NOT NULL,
  default_action ENUM('deny','allow') NOT NULL DEFAULT 'deny',
  -- JSON list of {"prefix" or "country", "action"}.
  destinations MEDIUMTEXT NOT NULL,
  calls_per_minute INT,
  calls_per_hour INT,
  expensive_prefixes_per_hour INT,
  -- Millionths of a rate deck's currency for a minute.
  expensive_rate_micros INT UNSIGNED,
  block_minutes INT NOT NULL DEFAULT 60,
  PRIMARY KEY (owner_sid, set_by)
);
