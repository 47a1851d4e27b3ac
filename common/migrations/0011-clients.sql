-- Users of an account: devices that register and call with a password, in jambonz's columns. call_limit is ours: calls at the same time in each direction.
CREATE TABLE IF NOT EXISTS clients (
  client_sid CHAR(36) NOT NULL PRIMARY KEY,
  account_sid CHAR(36) NOT NULL,
  is_active TINYINT(1) NOT NULL DEFAULT 1,
  username VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  password VARCHAR(1024) NOT NULL,
  allow_direct_app_calling TINYINT(1) NOT NULL DEFAULT 1,
  allow_direct_queue_calling TINYINT(1) NOT NULL DEFAULT 1,
  allow_direct_user_calling TINYINT(1) NOT NULL DEFAULT 1,
  call_limit INT,
  UNIQUE KEY client_username (account_sid, username),
  FOREIGN KEY (account_sid) REFERENCES accounts (account_sid) ON DELETE CASCADE
);
