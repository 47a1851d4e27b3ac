-- Sids of messages are tenants' own words: order-A and order-a are two messages.
ALTER TABLE messages MODIFY message_sid VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL;
ALTER TABLE message_parts MODIFY message_sid VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
