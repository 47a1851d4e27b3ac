import type { Database, Queryable, SqlValue } from '../db/database.js';
import type { CallEnded, CallStarted, EventEnvelope, EventType } from '../events/types.js';
import { type MessageChange, storeMessages } from './messages-store.js';

type Event<T extends EventType> = EventEnvelope<T>;

const STARTED_COLUMNS = [
  ...[
    'call_sid',
    'account_sid',
    'service_provider_sid',
    'application_sid',
    'voip_carrier_sid',
    'direction',
    'call_from',
    'call_to',
  ],
  ...['sip_callid', 'trunk', 'host', 'remote_host', 'owner', 'attempted_at'],
];
/** `terminated_at` comes last: MySQL assigns from left to right, and the others look at it. */
const ENDED_COLUMNS = [
  'answered_at',
  'answered',
  'duration_sec',
  'sip_status',
  'sip_reason',
  'termination_reason',
  'terminated_at',
];

/** Texts come from SIP messages: one that is too long for its column is cut rather than refused. */
const cut = (text: string, max: number): string => (text.length > max ? text.slice(0, max) : text);
const date = (ms: number): Date => new Date(Math.floor(ms));

const startedValues = (call: CallStarted): SqlValue[] => [
  call.callSid,
  call.accountSid ?? null,
  call.serviceProviderSid ?? null,
  call.applicationSid ?? null,
  call.voipCarrierSid ?? null,
  call.direction,
  cut(call.from, 255),
  cut(call.to, 255),
  cut(call.sipCallId, 255),
  cut(call.trunk, 255),
  cut(call.host, 255),
  cut(call.remoteHost, 255),
  call.owner,
  date(call.attemptedAt),
];
const endedValues = (call: CallEnded): SqlValue[] => [
  call.answeredAt === null ? null : date(call.answeredAt),
  call.answered,
  call.durationSec,
  call.sipStatus,
  cut(call.sipReason, 255),
  call.terminationReason,
  date(call.terminatedAt),
];

const insertStarted = (tx: Queryable, calls: CallStarted[]) =>
  tx.execute(
    `INSERT INTO call_records (${STARTED_COLUMNS.join(', ')}) VALUES ? ON DUPLICATE KEY UPDATE call_sid = call_records.call_sid`,
    [calls.map(startedValues)],
  );

/** Completes the row, or makes it when the start has not been seen; a row that has an end keeps it. */
const insertEnded = (tx: Queryable, calls: CallEnded[]) => {
  const columns = [...STARTED_COLUMNS, ...ENDED_COLUMNS];
  // What is known at the end is never less than what was known at the start: the application may have been found later.
  const updates = columns
    .filter((column) => column !== 'call_sid')
    .sort((a, b) => Number(a === 'terminated_at') - Number(b === 'terminated_at'))
    .map((column) => `${column} = IF(call_records.terminated_at IS NULL, VALUES(${column}), call_records.${column})`);
  return tx.execute(
    `INSERT INTO call_records (${columns.join(', ')}) VALUES ? ON DUPLICATE KEY UPDATE ${updates.join(', ')}`,
    [calls.map((call) => [...startedValues(call), ...endedValues(call)])],
  );
};

const updateAnswered = (tx: Queryable, { callSid, answeredAt }: Event<'call.answered'>['data']) =>
  tx.execute(
    `UPDATE call_records SET answered = 1, answered_at = ? WHERE call_sid = ? AND answered_at IS NULL AND terminated_at IS NULL`,
    [date(answeredAt), callSid],
  );

const updateRecorded = (tx: Queryable, { callSid, recordingUrl }: Event<'call.recorded'>['data']) =>
  tx.execute('UPDATE call_records SET recording_url = ? WHERE call_sid = ?', [recordingUrl, callSid]);

const insertTimeline = (tx: Queryable, events: Event<'call.timeline'>[]) =>
  tx.execute(
    `INSERT INTO call_timeline (event_id, call_sid, sip_callid, at_ms, kind, level, text, data) VALUES ?
     ON DUPLICATE KEY UPDATE event_id = call_timeline.event_id`,
    [
      events.map(({ id, callSid, sipCallId, at, data }) => [
        id,
        callSid ?? null,
        sipCallId === undefined ? null : cut(sipCallId, 255),
        at,
        data.kind,
        data.level,
        cut(data.text, 9_000),
        data.data === undefined ? null : JSON.stringify(data.data),
      ]),
    ],
  );

const insertAlerts = (tx: Queryable, events: Event<'alert'>[]) =>
  tx.execute(
    `INSERT INTO alerts (event_id, at, alert_type, service_provider_sid, account_sid, message, detail, target_sid) VALUES ?
     ON DUPLICATE KEY UPDATE event_id = alerts.event_id`,
    [
      events.map(({ id, at, data }) => [
        id,
        date(at),
        cut(data.alertType, 64),
        data.serviceProviderSid ?? null,
        data.accountSid ?? null,
        cut(data.message, 2_048),
        data.detail === undefined ? null : cut(data.detail, 16_000),
        data.targetSid ?? null,
      ]),
    ],
  );

/**
 * Writes events into `call_records`, `call_timeline`, `alerts`, `messages` and `message_parts` in one transaction. Idempotent: the same
 * events may come again, in any order; a call's end is written once and never changed.
 *
 * @param onMessages - told, before the transaction ends, of messages whose status hooks are due; its rejection undoes the transaction
 * @throws DatabaseError; `retryable` tells whether the events or the database are at fault
 */
export async function storeEvents(
  db: Database,
  events: readonly EventEnvelope[],
  onMessages: (changes: readonly MessageChange[]) => Promise<void> = async () => {},
): Promise<void> {
  const of = <T extends EventType>(type: T) => events.filter((event) => event.type === type) as unknown as Event<T>[];
  const started = of('call.started').map((event) => event.data);
  const ended = of('call.ended').map((event) => event.data);
  const timeline = of('call.timeline');
  const alerts = of('alert');
  const messages = of('message.changed').map((event) => event.data);
  const receipts = of('message.receipt').map((event) => ({ ...event.data, at: event.at }));
  await db.transaction(async (tx) => {
    if (started.length > 0) await insertStarted(tx, started);
    for (const event of of('call.answered')) await updateAnswered(tx, event.data);
    if (ended.length > 0) await insertEnded(tx, ended);
    for (const event of of('call.recorded')) await updateRecorded(tx, event.data);
    if (timeline.length > 0) await insertTimeline(tx, timeline);
    if (alerts.length > 0) await insertAlerts(tx, alerts);
    const changes = await storeMessages(tx, messages, receipts);
    if (changes.length > 0) await onMessages(changes);
  });
}

/** A call without an end, as the reconciler needs it. */
export interface UnfinishedCall extends CallStarted {
  answeredAt: number | null;
  /** Time of the last timeline entry (ms since the epoch). */
  lastSeenAt: number | null;
}

interface UnfinishedRow {
  [column: string]: string | number | Date | boolean | null;
}

/** Owners that have calls without an end. */
export async function findOwnersOfUnfinishedCalls(db: Database): Promise<string[]> {
  const rows = await db.query<{ owner: string }>('SELECT DISTINCT owner FROM call_records WHERE terminated_at IS NULL');
  return rows.map((row) => row.owner);
}

/** Calls of `owners` that have no end, oldest first, at most `limit`. */
export async function findUnfinishedCalls(
  db: Database,
  owners: readonly string[],
  limit: number,
): Promise<UnfinishedCall[]> {
  if (owners.length === 0) return [];
  const rows = await db.query<UnfinishedRow>(
    `SELECT ${STARTED_COLUMNS.join(', ')}, answered_at,
       (SELECT MAX(at_ms) FROM call_timeline WHERE call_timeline.call_sid = call_records.call_sid) AS last_seen_at
     FROM call_records WHERE terminated_at IS NULL AND owner IN (?) ORDER BY attempted_at LIMIT ?`,
    [owners, limit],
  );
  const ms = (value: UnfinishedRow[string] | undefined) => (value instanceof Date ? value.getTime() : null);
  const text = (value: UnfinishedRow[string] | undefined) => String(value ?? '');
  const optional = (value: UnfinishedRow[string] | undefined) => (value == null ? null : String(value));
  return rows.map((row) => ({
    callSid: text(row.call_sid),
    accountSid: optional(row.account_sid),
    serviceProviderSid: optional(row.service_provider_sid),
    applicationSid: optional(row.application_sid),
    voipCarrierSid: optional(row.voip_carrier_sid),
    direction: row.direction === 'outbound' ? 'outbound' : 'inbound',
    from: text(row.call_from),
    to: text(row.call_to),
    sipCallId: text(row.sip_callid),
    trunk: text(row.trunk),
    remoteHost: text(row.remote_host),
    host: text(row.host),
    attemptedAt: ms(row.attempted_at) ?? 0,
    owner: text(row.owner),
    answeredAt: ms(row.answered_at),
    lastSeenAt: row.last_seen_at === null ? null : Number(row.last_seen_at),
  }));
}

/** Writes a call's end unless it has one. @returns whether this call wrote it */
export async function endCall(db: Database, call: CallEnded): Promise<boolean> {
  const assignments = ENDED_COLUMNS.map((column) => `${column} = ?`);
  const { affectedRows } = await db.execute(
    `UPDATE call_records SET ${assignments.join(', ')} WHERE call_sid = ? AND terminated_at IS NULL`,
    [...endedValues(call), call.callSid],
  );
  return affectedRows === 1;
}
