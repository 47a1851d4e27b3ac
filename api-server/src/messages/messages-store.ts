import type { Database, SqlValue } from '@ringwire/common';
import type { Page } from '../http/input.js';

/** Which messages of an account to list. */
export interface MessageFilter {
  start?: Date;
  end?: Date;
  direction?: 'inbound' | 'outbound';
  status?: string;
  /** Number of sender or receiver, as it is stored. */
  number?: string;
}

/** A message as the REST API has it: times in ms since the epoch. */
export interface MessageView {
  message_sid: string;
  account_sid: string;
  service_provider_sid: string | null;
  application_sid: string | null;
  voip_carrier_sid: string | null;
  carrier: string | null;
  carrier_message_ids: string[];
  direction: 'inbound' | 'outbound';
  from: string;
  to: string;
  text: string;
  media: string[];
  encoding: string | null;
  segments: number;
  status: string;
  reason: string | null;
  detail: string | null;
  status_hook: string | null;
  created_at: number;
  sent_at: number | null;
  finished_at: number | null;
}

interface MessageRow {
  message_from: string;
  message_to: string;
  media: string;
  carrier_message_ids: string;
  created_at: Date;
  sent_at: Date | null;
  finished_at: Date | null;
}

const COLUMNS = `message_sid, account_sid, service_provider_sid, application_sid, voip_carrier_sid, carrier, carrier_message_ids,
  direction, message_from, message_to, text, media, encoding, segments, status, reason, detail, status_hook, created_at, sent_at,
  finished_at`;

const toView = (row: MessageRow): MessageView => {
  const { message_from, message_to, media, carrier_message_ids, created_at, sent_at, finished_at, ...rest } = row;
  return {
    ...rest,
    from: message_from,
    to: message_to,
    media: JSON.parse(media) as string[],
    carrier_message_ids: JSON.parse(carrier_message_ids) as string[],
    created_at: created_at.getTime(),
    sent_at: sent_at?.getTime() ?? null,
    finished_at: finished_at?.getTime() ?? null,
  } as MessageView;
};

/** Messages of an account, newest first. */
export async function listMessages(
  db: Database,
  accountSid: string,
  filter: MessageFilter,
  { page, pageSize }: Page,
): Promise<{ total: number; data: MessageView[] }> {
  const conditions: [sql: string, ...params: (SqlValue | undefined)[]][] = [
    ['created_at >= ?', filter.start],
    ['created_at <= ?', filter.end],
    ['direction = ?', filter.direction],
    ['status = ?', filter.status],
    ['(message_from = ? OR message_to = ?)', filter.number, filter.number],
  ];
  const used = conditions.filter(([, param]) => param !== undefined);
  const where = ['account_sid = ?', ...used.map(([sql]) => sql)].join(' AND ');
  const params: SqlValue[] = [accountSid, ...used.flatMap(([, ...values]) => values as SqlValue[])];
  const [rows, [count]] = await Promise.all([
    db.query<MessageRow>(
      `SELECT ${COLUMNS} FROM messages WHERE ${where} ORDER BY created_at DESC, message_sid LIMIT ? OFFSET ?`,
      [...params, pageSize, (page - 1) * pageSize],
    ),
    db.query<{ total: number }>(`SELECT COUNT(*) AS total FROM messages WHERE ${where}`, params),
  ]);
  return { total: Number(count?.total ?? 0), data: rows.map(toView) };
}

/** One message of an account. */
export async function findMessage(db: Database, accountSid: string, sid: string): Promise<MessageView | undefined> {
  const [row] = await db.query<MessageRow>(
    `SELECT ${COLUMNS} FROM messages WHERE account_sid = ? AND message_sid = ?`,
    [accountSid, sid],
  );
  return row && toView(row);
}

/** Whether an application may be named in a message of an account. */
export async function ownsApplication(db: Database, accountSid: string, applicationSid: string): Promise<boolean> {
  const rows = await db.query('SELECT 1 FROM applications WHERE application_sid = ? AND account_sid = ?', [
    applicationSid,
    accountSid,
  ]);
  return rows.length > 0;
}
