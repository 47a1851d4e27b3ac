import type { Queryable, SqlValue } from '../db/database.js';
import type { MessageReceipt, MessageRecord } from '../messages/types.js';

/** A message whose status has just changed, as its status hook is told. */
export interface MessageChange {
  accountSid: string;
  applicationSid: string | null;
  messageSid: string;
  statusHook: string;
  status: MessageRecord['status'];
  reason: string | null;
  detail: string | null;
  from: string;
  to: string;
  carrier: string | null;
  carrierMessageIds: readonly string[];
}

/** A receipt and when it came (ms since the epoch). */
export type TimedReceipt = MessageReceipt & { at: number };

/** `status` comes last: MySQL assigns from left to right, and the others look at it. */
const COLUMNS = [
  ...[
    'account_sid',
    'message_sid',
    'service_provider_sid',
    'application_sid',
    'voip_carrier_sid',
    'carrier',
    'direction',
  ],
  ...['message_from', 'message_to', 'text', 'media', 'encoding', 'segments', 'carrier_message_ids'],
  ...['reason', 'detail', 'status_hook', 'created_at', 'sent_at', 'finished_at', 'status'],
];
const KEYS = ['account_sid', 'message_sid'];
/** Receipts of messages that are not ours are kept this long for one that is still to come. */
const STRAY_SEC = 3_600;
const STRAYS_AT_ONCE = 1_000;

const cut = (text: string, max: number): string => (text.length > max ? text.slice(0, max) : text);
const date = (ms: number | null): Date | null => (ms === null ? null : new Date(Math.floor(ms)));

const valuesOf = (message: MessageRecord): SqlValue[] => [
  message.accountSid,
  message.messageSid,
  message.serviceProviderSid,
  message.applicationSid,
  message.voipCarrierSid,
  message.carrier === null ? null : cut(message.carrier, 255),
  message.direction,
  cut(message.from, 64),
  cut(message.to, 64),
  cut(message.text, 16_000),
  JSON.stringify(message.media),
  message.encoding,
  message.segments,
  JSON.stringify(message.carrierMessageIds),
  message.reason,
  message.detail === null ? null : cut(message.detail, 255),
  message.statusHook,
  date(message.createdAt),
  date(message.sentAt),
  date(message.finishedAt),
  message.status,
];

/** A row only moves on: what is delivered or failed stays so, and what is sent is neither queued again nor in doubt. */
const upsertMessages = (tx: Queryable, messages: readonly MessageRecord[]) => {
  const isNews = `messages.status NOT IN ('delivered','failed') AND NOT (messages.status = 'sent' AND (VALUES(status) = 'queued' OR VALUES(reason) <=> 'unknown-outcome'))`;
  const updates = COLUMNS.filter((column) => !KEYS.includes(column)).map(
    (column) => `${column} = IF(${isNews}, VALUES(${column}), messages.${column})`,
  );
  return tx.execute(
    `INSERT INTO messages (${COLUMNS.join(', ')}) VALUES ? ON DUPLICATE KEY UPDATE ${updates.join(', ')}`,
    [messages.map(valuesOf)],
  );
};

/** An id that the carrier used before, for another message, starts anew. */
const upsertParts = (tx: Queryable, messages: readonly MessageRecord[]) => {
  const rows = messages.flatMap(({ voipCarrierSid, carrierMessageIds, accountSid, messageSid, sentAt }) =>
    carrierMessageIds.map((id) => [voipCarrierSid, cut(id, 128), accountSid, messageSid, 'sent', date(sentAt)]),
  );
  if (rows.length === 0) return;
  const isOther = `message_parts.message_sid IS NOT NULL AND
    (message_parts.message_sid <> VALUES(message_sid) OR message_parts.account_sid <> VALUES(account_sid))`;
  return tx.execute(
    `INSERT INTO message_parts (voip_carrier_sid, carrier_message_id, account_sid, message_sid, state, updated_at) VALUES ?
     ON DUPLICATE KEY UPDATE state = IF(${isOther}, 'sent', message_parts.state),
       detail = IF(${isOther}, NULL, message_parts.detail),
       account_sid = VALUES(account_sid), message_sid = VALUES(message_sid)`,
    [rows],
  );
};

/** The first word about a part counts. */
const upsertReceipts = (tx: Queryable, receipts: readonly TimedReceipt[]) =>
  tx.execute(
    `INSERT INTO message_parts (voip_carrier_sid, carrier_message_id, state, detail, updated_at) VALUES ?
     ON DUPLICATE KEY UPDATE detail = IF(message_parts.state = 'sent', VALUES(detail), message_parts.detail),
       updated_at = IF(message_parts.state = 'sent', VALUES(updated_at), message_parts.updated_at),
       state = IF(message_parts.state = 'sent', VALUES(state), message_parts.state)`,
    [
      receipts.map((row) => [
        row.voipCarrierSid,
        cut(row.carrierMessageId, 128),
        row.state,
        cut(row.detail, 255),
        date(row.at),
      ]),
    ],
  );

interface PartCounts {
  account_sid: string;
  message_sid: string;
  failed: number;
  delivered: number;
  detail: string | null;
  updated_at: Date;
}

/** Messages that parts with these ids belong to, with what is known of all of their parts. */
const countParts = (tx: Queryable, ids: readonly (readonly [carrierSid: string, id: string])[]) =>
  tx.query<PartCounts>(
    `SELECT p.account_sid, p.message_sid, SUM(p.state = 'failed') AS failed, SUM(p.state = 'delivered') AS delivered,
       MAX(IF(p.state = 'failed', p.detail, NULL)) AS detail, MAX(p.updated_at) AS updated_at
     FROM message_parts p JOIN (SELECT DISTINCT account_sid, message_sid FROM message_parts
       WHERE (voip_carrier_sid, carrier_message_id) IN (?) AND message_sid IS NOT NULL) touched
       ON p.account_sid = touched.account_sid AND p.message_sid = touched.message_sid
     GROUP BY p.account_sid, p.message_sid`,
    [ids as unknown as SqlValue],
  );

/** A message has failed with its first part that did, and is delivered with its last. */
async function applyReceipts(tx: Queryable, ids: readonly (readonly [string, string])[]): Promise<void> {
  if (ids.length === 0) return;
  for (const row of await countParts(tx, ids)) {
    const key = [row.account_sid, row.message_sid];
    if (Number(row.failed) > 0) {
      await tx.execute(
        `UPDATE messages SET status = 'failed', reason = 'undeliverable', detail = ?, finished_at = ?
         WHERE account_sid = ? AND message_sid = ? AND status = 'sent'`,
        [row.detail, row.updated_at, ...key],
      );
    } else {
      await tx.execute(
        `UPDATE messages SET status = 'delivered', finished_at = ?
         WHERE account_sid = ? AND message_sid = ? AND status = 'sent' AND JSON_LENGTH(carrier_message_ids) = ?`,
        [row.updated_at, ...key, Number(row.delivered)],
      );
    }
  }
}

interface HookRow {
  account_sid: string;
  message_sid: string;
  application_sid: string | null;
  status_hook: string;
  status: MessageRecord['status'];
  reason: string | null;
  detail: string | null;
  message_from: string;
  message_to: string;
  carrier: string | null;
  carrier_message_ids: string;
}

type MessageKey = readonly [accountSid: string, messageSid: string];

const readHooked = async (tx: Queryable, keys: readonly MessageKey[]): Promise<Map<string, HookRow>> => {
  if (keys.length === 0) return new Map();
  const rows = await tx.query<HookRow>(
    `SELECT account_sid, message_sid, application_sid, status_hook, status, reason, detail, message_from, message_to, carrier,
       carrier_message_ids FROM messages WHERE (account_sid, message_sid) IN (?) AND status_hook IS NOT NULL`,
    [keys as unknown as SqlValue],
  );
  return new Map(rows.map((row) => [`${row.account_sid}/${row.message_sid}`, row]));
};

const keysOfParts = async (tx: Queryable, ids: readonly (readonly [string, string])[]): Promise<MessageKey[]> => {
  if (ids.length === 0) return [];
  const rows = await tx.query<{ account_sid: string; message_sid: string }>(
    `SELECT DISTINCT account_sid, message_sid FROM message_parts
     WHERE (voip_carrier_sid, carrier_message_id) IN (?) AND message_sid IS NOT NULL`,
    [ids as unknown as SqlValue],
  );
  return rows.map((row) => [row.account_sid, row.message_sid]);
};

const toChange = (row: HookRow): MessageChange => ({
  accountSid: row.account_sid,
  applicationSid: row.application_sid,
  messageSid: row.message_sid,
  statusHook: row.status_hook,
  status: row.status,
  reason: row.reason,
  detail: row.detail,
  from: row.message_from,
  to: row.message_to,
  carrier: row.carrier,
  carrierMessageIds: JSON.parse(row.carrier_message_ids) as string[],
});

/**
 * Writes messages and receipts, in any order and any number of times.
 *
 * @returns messages with a status hook whose status is another one than before
 */
export async function storeMessages(
  tx: Queryable,
  messages: readonly MessageRecord[],
  receipts: readonly TimedReceipt[],
): Promise<MessageChange[]> {
  if (messages.length === 0 && receipts.length === 0) return [];
  const ids = [
    ...receipts.map((row) => [row.voipCarrierSid, cut(row.carrierMessageId, 128)] as const),
    ...messages.flatMap((row) => row.carrierMessageIds.map((id) => [row.voipCarrierSid ?? '', cut(id, 128)] as const)),
  ];
  const keys = [
    ...messages.filter((row) => row.statusHook !== null).map((row) => [row.accountSid, row.messageSid] as const),
    ...(await keysOfParts(tx, ids)),
  ];
  const before = await readHooked(tx, keys);
  if (messages.length > 0) {
    await upsertMessages(tx, messages);
    await upsertParts(tx, messages);
  }
  if (receipts.length > 0) {
    await upsertReceipts(tx, receipts);
    await tx.execute(
      'DELETE FROM message_parts WHERE message_sid IS NULL AND updated_at < UTC_TIMESTAMP(3) - INTERVAL ? SECOND LIMIT ?',
      [STRAY_SEC, STRAYS_AT_ONCE],
    );
  }
  await applyReceipts(tx, ids);
  const after = await readHooked(tx, keys);
  return [...after].flatMap(([key, row]) => (before.get(key)?.status === row.status ? [] : [toChange(row)]));
}
