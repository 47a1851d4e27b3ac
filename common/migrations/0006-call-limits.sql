-- How many calls at once, in jambonz's tables; application_limits is ours, shaped like them. A quantity of 0 refuses all calls.
CREATE TABLE IF NOT EXISTS account_limits (
  account_limits_sid CHAR(36) NOT NULL PRIMARY KEY,
  account_sid CHAR(36) NOT NULL,
  category ENUM('api_rate','voice_call_session','device','voice_call_minutes','voice_call_session_license','voice_call_minutes_license') NOT NULL,
  quantity INT NOT NULL,
  UNIQUE KEY account_limit_category (account_sid, category),
  FOREIGN KEY (account_sid) REFERENCES accounts (account_sid) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS service_provider_limits (
  service_provider_limits_sid CHAR(36) NOT NULL PRIMARY KEY,
  service_provider_sid CHAR(36) NOT NULL,
  category ENUM('api_rate','voice_call_session','device','voice_call_minutes','voice_call_session_license','voice_call_minutes_license') NOT NULL,
  quantity INT NOT NULL,
  UNIQUE KEY service_provider_limit_category (service_provider_sid, category),
  FOREIGN KEY (service_provider_sid) REFERENCES service_providers (service_provider_sid) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS application_limits (
  application_limits_sid CHAR(36) NOT NULL PRIMARY KEY,
  application_sid CHAR(36) NOT NULL,
  category ENUM('api_rate','voice_call_session','device','voice_call_minutes','voice_call_session_license','voice_call_minutes_license') NOT NULL,
  quantity INT NOT NULL,
  UNIQUE KEY application_limit_category (application_sid, category),
  FOREIGN KEY (application_sid) REFERENCES applications (application_sid) ON DELETE CASCADE
);
