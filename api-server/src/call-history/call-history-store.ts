import type { Database, SqlValue } from '@ringwire/common';
import { likeContains, type Page } from '../http/input.js';

/** Which calls of an account to list. */
export interface CallFilter {
  start?: Date;
  end?: Date;
  trunk?: string;
  direction?: 'inbound' | 'outbound';
  answered?: boolean;
  /** Part of a number, a call sid or a Call-ID. */
  filter?: string;
}

/** Which alerts of an account to list. */
export interface AlertFilter {
  start?: Date;
  end?: Date;
  alertType?: string;
}

/** A finished or running call, in jambonz's field names: times in ms since the epoch, duration in whole seconds. */
export interface RecentCall {
  call_sid: string;
  account_sid: string | null;
  service_provider_sid: string | null;
  application_sid: string | null;
  from: string;
  to: string;
  sip_callid: string;
  answered: boolean;
  duration: number;
  sip_status: number | null;
  sip_reason: string | null;
  termination_reason: string | null;
  direction: 'inbound' | 'outbound';
  trunk: string;
  host: string;
  remote_host: string;
  attempted_at: number;
  answered_at: number | null;
  terminated_at: number | null;
  /** Where the API hands out the recording, from `/v1` on. */
  recording_url: string | null;
}

interface CallRow
  extends Omit<RecentCall, 'from' | 'to' | 'duration' | 'attempted_at' | 'answered_at' | 'terminated_at'> {
  call_from: string;
  call_to: string;
  duration_sec: number;
  attempted_at: Date;
  answered_at: Date | null;
  terminated_at: Date | null;
}

const CALL_COLUMNS = `call_sid, account_sid, service_provider_sid, application_sid, call_from, call_to, sip_callid, answered, duration_sec,
  sip_status, sip_reason, termination_reason, direction, trunk, host, remote_host, attempted_at, answered_at, terminated_at,
  recording_url`;

const toRecentCall = ({
  call_from,
  call_to,
  duration_sec,
  attempted_at,
  answered_at,
  terminated_at,
  ...rest
}: CallRow): RecentCall => ({
  ...rest,
  from: call_from,
  to: call_to,
  duration: duration_sec,
  attempted_at: attempted_at.getTime(),
  answered_at: answered_at?.getTime() ?? null,
  terminated_at: terminated_at?.getTime() ?? null,
});

/** Collects conditions of a WHERE clause; those without a value are left out. */
const conditions = (first: string, ...firstParams: SqlValue[]) => {
  const parts = [first];
  const params: SqlValue[] = [...firstParams];
  return {
    params,
    get sql() {
      return parts.join(' AND ');
    },
    add(sql: string, value: SqlValue | undefined, times = 1) {
      if (value === undefined) return;
      parts.push(sql);
      for (let i = 0; i < times; i++) params.push(value);
    },
  };
};

/** Finished calls of an account, newest first. */
export async function listRecentCalls(
  db: Database,
  accountSid: string,
  filter: CallFilter,
  { page, pageSize }: Page,
): Promise<{ total: number; data: RecentCall[] }> {
  const where = conditions('account_sid = ? AND terminated_at IS NOT NULL', accountSid);
  where.add('attempted_at >= ?', filter.start);
  where.add('attempted_at <= ?', filter.end);
  where.add('trunk = ?', filter.trunk);
  where.add('direction = ?', filter.direction);
  where.add('answered = ?', filter.answered);
  const part = filter.filter === undefined ? undefined : likeContains(filter.filter);
  where.add('(call_from LIKE ? OR call_to LIKE ? OR call_sid LIKE ? OR sip_callid LIKE ?)', part, 4);
  const [rows, [count]] = await Promise.all([
    db.query<CallRow>(
      `SELECT ${CALL_COLUMNS} FROM call_records WHERE ${where.sql} ORDER BY attempted_at DESC, call_sid LIMIT ? OFFSET ?`,
      [...where.params, pageSize, (page - 1) * pageSize],
    ),
    db.query<{ total: number }>(`SELECT COUNT(*) AS total FROM call_records WHERE ${where.sql}`, where.params),
  ]);
  return { total: Number(count?.total ?? 0), data: rows.map(toRecentCall) };
}

/** A call of an account by its sid or by the Call-ID of its outer leg (the newest, where a peer used one twice). */
export async function findCall(db: Database, accountSid: string, callId: string): Promise<RecentCall | undefined> {
  const find = (column: string) =>
    db.query<CallRow>(
      `SELECT ${CALL_COLUMNS} FROM call_records WHERE ${column} = ? AND account_sid = ? ORDER BY attempted_at DESC LIMIT 1`,
      [callId, accountSid],
    );
  const [row] = await find('call_sid');
  const [found] = row === undefined ? await find('sip_callid') : [row];
  return found === undefined ? undefined : toRecentCall(found);
}

/** A line of a timeline with the id of its event. */
export interface StoredEntry {
  eventId: string;
  atMs: number;
  kind: string;
  level: string;
  text: string;
  data?: Record<string, unknown>;
}

/** The timeline of a call, in the order of time. The caller has checked whose call it is. */
export async function readTimeline(db: Database, callSid: string): Promise<StoredEntry[]> {
  const rows = await db.query<{
    event_id: string;
    at_ms: number;
    kind: string;
    level: string;
    text: string;
    data: unknown;
  }>(
    'SELECT event_id, at_ms, kind, level, text, data FROM call_timeline WHERE call_sid = ? ORDER BY at_ms LIMIT 10000',
    [callSid],
  );
  return rows.map((row) => ({
    eventId: row.event_id,
    atMs: row.at_ms,
    kind: row.kind,
    level: row.level,
    text: row.text,
    ...(typeof row.data === 'string' ? { data: JSON.parse(row.data) as Record<string, unknown> } : {}),
  }));
}

interface AlertRow {
  at: Date;
  alert_type: string;
  message: string;
  detail: string | null;
  target_sid: string | null;
  account_sid: string | null;
  service_provider_sid: string | null;
}

/** Alerts of an account, newest first, in jambonz's field names (`time` in ISO 8601). */
export async function listAlerts(
  db: Database,
  accountSid: string,
  filter: AlertFilter,
  { page, pageSize }: Page,
): Promise<{ total: number; data: object[] }> {
  const where = conditions('account_sid = ?', accountSid);
  where.add('at >= ?', filter.start);
  where.add('at <= ?', filter.end);
  where.add('alert_type = ?', filter.alertType);
  const [rows, [count]] = await Promise.all([
    db.query<AlertRow>(
      `SELECT at, alert_type, message, detail, target_sid, account_sid, service_provider_sid FROM alerts
       WHERE ${where.sql} ORDER BY at DESC, event_id LIMIT ? OFFSET ?`,
      [...where.params, pageSize, (page - 1) * pageSize],
    ),
    db.query<{ total: number }>(`SELECT COUNT(*) AS total FROM alerts WHERE ${where.sql}`, where.params),
  ]);
  return { total: Number(count?.total ?? 0), data: rows.map(({ at, ...row }) => ({ time: at.toISOString(), ...row })) };
}
