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
const STRAYS_AT_ONCE = 500;

const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
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

type Pair = readonly [string, string];
type MessageKey = readonly [accountSid: string, messageSid: string];

/** MariaDB makes a join of `(a, b) IN (…)` with more than 1,000 rows, and what that locks is its own choice. */
const PAIRS_AT_ONCE = 500;

/** Asks for the rows of any number of keys; the statement has a place for a list of them. */
async function queryEach<T extends object>(tx: Queryable, pairs: readonly Pair[], sql: string): Promise<T[]> {
  const rows: T[] = [];
  for (let at = 0; at < pairs.length; at += PAIRS_AT_ONCE) {
    rows.push(...(await tx.query<T>(sql, [pairs.slice(at, at + PAIRS_AT_ONCE)])));
  }
  return rows;
}

/** Looked for without locks: deleting by time would wait for other workers' rows beside the old ones. */
const forgetStrays = async (tx: Queryable): Promise<void> => {
  const rows = await tx.query<{ voip_carrier_sid: string; carrier_message_id: string }>(
    `SELECT voip_carrier_sid, carrier_message_id FROM message_parts
     WHERE message_sid IS NULL AND updated_at < UTC_TIMESTAMP(3) - INTERVAL ? SECOND LIMIT ?`,
    [STRAY_SEC, STRAYS_AT_ONCE],
  );
  if (rows.length === 0) return;
  const ids = rows.map((row) => [row.voip_carrier_sid, row.carrier_message_id] as const);
  await tx.execute(
    'DELETE FROM message_parts WHERE (voip_carrier_sid, carrier_message_id) IN (?) AND message_sid IS NULL',
    [ids],
  );
};

interface PartCounts {
  account_sid: string;
  message_sid: string;
  failed: number;
  delivered: number;
  detail: string | null;
  updated_at: Date;
}

/** Messages that parts with these ids belong to; some may be named twice. */
const keysOfParts = async (tx: Queryable, ids: readonly Pair[], locking = ''): Promise<MessageKey[]> => {
  const rows = await queryEach<{ account_sid: string; message_sid: string }>(
    tx,
    ids,
    `SELECT DISTINCT account_sid, message_sid FROM message_parts FORCE INDEX (PRIMARY)
     WHERE (voip_carrier_sid, carrier_message_id) IN (?) AND message_sid IS NOT NULL ${locking}`,
  );
  return rows.map((row) => [row.account_sid, row.message_sid]);
};

interface SentRow {
  account_sid: string;
  message_sid: string;
  carrier_message_ids: string;
}

/** Messages that wait for receipts. Until the transaction ends no other worker judges them. */
const lockSent = async (tx: Queryable, keys: readonly MessageKey[]): Promise<SentRow[]> => {
  const rows = await queryEach<SentRow & { status: MessageRecord['status'] }>(
    tx,
    [...keys].sort(([a, b], [c, d]) => (a === c ? compare(b, d) : compare(a, c))),
    `SELECT account_sid, message_sid, carrier_message_ids, status FROM messages FORCE INDEX (PRIMARY)
     WHERE (account_sid, message_sid) IN (?) ORDER BY account_sid, message_sid FOR UPDATE`,
  );
  return rows.filter((row) => row.status === 'sent');
};

/** What is known of all parts of messages; locking, since what other workers wrote after this transaction began counts too. */
const countParts = (tx: Queryable, keys: readonly MessageKey[]): Promise<PartCounts[]> =>
  queryEach(
    tx,
    keys,
    `SELECT account_sid, message_sid, SUM(state = 'failed') AS failed, SUM(state = 'delivered') AS delivered,
       MAX(IF(state = 'failed', detail, NULL)) AS detail, MAX(updated_at) AS updated_at
     FROM message_parts FORCE INDEX (message_part_message)
     WHERE (account_sid, message_sid) IN (?) GROUP BY account_sid, message_sid FOR UPDATE`,
  );

/** A message has failed with its first part that did, and is delivered with its last. */
async function applyReceipts(tx: Queryable, ids: readonly Pair[]): Promise<void> {
  const sent = await lockSent(tx, await keysOfParts(tx, ids, 'FOR UPDATE'));
  if (sent.length === 0) return;
  const counts = await countParts(
    tx,
    sent.map((row) => [row.account_sid, row.message_sid]),
  );
  for (const row of counts) {
    const key = [row.account_sid, row.message_sid];
    if (Number(row.failed) > 0) {
      await tx.execute(
        `UPDATE messages SET status = 'failed', reason = 'undeliverable', detail = ?, finished_at = ?
         WHERE account_sid = ? AND message_sid = ? AND status = 'sent'`,
        [row.detail, row.updated_at, ...key],
      );
      continue;
    }
    const message = sent.find((one) => one.account_sid === row.account_sid && one.message_sid === row.message_sid);
    const partIds = JSON.parse(message?.carrier_message_ids ?? '[]') as string[];
    // A carrier may give several parts one id.
    if (Number(row.delivered) < new Set(partIds.map((id) => cut(id, 128))).size) continue;
    await tx.execute(
      `UPDATE messages SET status = 'delivered', finished_at = ? WHERE account_sid = ? AND message_sid = ? AND status = 'sent'`,
      [row.updated_at, ...key],
    );
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

const readHooked = async (tx: Queryable, keys: readonly MessageKey[]): Promise<Map<string, HookRow>> => {
  if (keys.length === 0) return new Map();
  const rows = await tx.query<HookRow>(
    `SELECT account_sid, message_sid, application_sid, status_hook, status, reason, detail, message_from, message_to, carrier,
       carrier_message_ids FROM messages WHERE (account_sid, message_sid) IN (?) AND status_hook IS NOT NULL`,
    [keys as unknown as SqlValue],
  );
  return new Map(rows.map((row) => [`${row.account_sid}/${row.message_sid}`, row]));
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
  const known = await keysOfParts(tx, ids);
  // First of all, so that two workers with receipts for parts of one message come one after the other.
  await lockSent(tx, known);
  const keys = [
    ...messages.filter((row) => row.statusHook !== null).map((row) => [row.accountSid, row.messageSid] as const),
    ...known,
  ];
  const before = await readHooked(tx, keys);
  if (messages.length > 0) {
    await upsertMessages(tx, messages);
    await upsertParts(tx, messages);
  }
  if (receipts.length > 0) {
    await upsertReceipts(tx, receipts);
    await forgetStrays(tx);
  }
  await applyReceipts(tx, ids);
  const after = await readHooked(tx, keys);
  return [...after].flatMap(([key, row]) => (before.get(key)?.status === row.status ? [] : [toChange(row)]));
}
