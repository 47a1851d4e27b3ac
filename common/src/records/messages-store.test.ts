import t from 'tap';
import { openDatabase, type Queryable } from '../db/database.js';
import { migrate } from '../db/migrate.js';
import type { MessageRecord } from '../messages/types.js';
import { silentLogger } from '../testing/logger.js';
import { startTestMariaDb } from '../testing/services.js';
import { until } from '../testing/until.js';
import { type MessageChange, storeMessages } from './messages-store.js';

const logger = silentLogger();
const mariaDb = await startTestMariaDb();
const db = openDatabase(mariaDb, { logger });
t.teardown(async () => {
  await db.close();
  await mariaDb.stop();
});
await migrate(db, { logger });
t.beforeEach(async () => {
  await db.execute('DELETE FROM messages');
  await db.execute('DELETE FROM message_parts');
});

const T0 = Date.UTC(2026, 0, 1);
const sent = (messageSid: string, carrierMessageIds: string[]): MessageRecord => ({
  messageSid,
  accountSid: 'acc',
  serviceProviderSid: null,
  applicationSid: null,
  voipCarrierSid: 'c1',
  carrier: 'carrier',
  direction: 'outbound',
  from: '1',
  to: '2',
  text: 'text',
  media: [],
  encoding: 'gsm7',
  segments: carrierMessageIds.length,
  carrierMessageIds,
  status: 'sent',
  reason: null,
  detail: null,
  statusHook: 'http://127.0.0.1/hook',
  createdAt: T0,
  sentAt: T0,
  finishedAt: null,
});
const receipt = (carrierMessageId: string) => ({
  voipCarrierSid: 'c1',
  carrierMessageId,
  state: 'delivered' as const,
  detail: 'DELIVRD',
  at: T0 + 1_000,
});
const statuses = async (): Promise<Record<string, string>> => {
  const rows = await db.query<{ message_sid: string; status: string }>('SELECT message_sid, status FROM messages');
  return Object.fromEntries(rows.map((row) => [row.message_sid, row.status]));
};
const someoneWaits = async (): Promise<boolean> => {
  const [row] = await db.query<{ Value: string }>(`SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'`);
  return Number(row?.Value) > 0;
};

/** Runs two workers of which the second begins before the first ends, and is waited for only where it has to wait for the first. */
async function overlap(
  first: (tx: Queryable) => Promise<MessageChange[]>,
  second: (tx: Queryable) => Promise<MessageChange[]>,
): Promise<MessageChange[]> {
  const changes: MessageChange[] = [];
  let other: Promise<void> | undefined;
  await db.transaction(async (tx) => {
    changes.push(...(await first(tx)));
    let isDone = false;
    other = db
      .transaction(async (tx2) => void changes.push(...(await second(tx2))))
      .finally(() => {
        isDone = true;
      });
    // Awaited below; until then it may fail unseen.
    other.catch(() => {});
    await until('the second has run as far as it can', async () => isDone || (await someoneWaits()));
  });
  await other;
  return changes;
}

t.test('messages: two workers with a receipt each for the parts of one message find it delivered', async (t) => {
  await db.transaction((tx) => storeMessages(tx, [sent('m', ['p1', 'p2'])], []));
  const changes = await overlap(
    (tx) => storeMessages(tx, [], [receipt('p1')]),
    (tx) => storeMessages(tx, [], [receipt('p2')]),
  );
  t.same(await statuses(), { m: 'delivered' });
  t.match(changes, [{ messageSid: 'm', status: 'delivered' }]);
  t.equal(changes.length, 1, 'the hook is told once');
});

t.test('messages: a receipt that another worker has when the message is stored finds it', async (t) => {
  await overlap(
    (tx) => storeMessages(tx, [sent('m', ['p1', 'p2'])], [receipt('p1')]),
    (tx) => storeMessages(tx, [], [receipt('p2')]),
  );
  t.same(await statuses(), { m: 'delivered' });
});

t.test('messages: parts to which the carrier gave one id are delivered with one receipt', async (t) => {
  await db.transaction((tx) => storeMessages(tx, [sent('m', ['p', 'p'])], []));
  await db.transaction((tx) => storeMessages(tx, [], [receipt('p')]));
  t.same(await statuses(), { m: 'delivered' });
});

t.test('messages: sids that differ in case only are two messages', async (t) => {
  await db.transaction((tx) => storeMessages(tx, [sent('order-A', ['a']), sent('order-a', ['b'])], [receipt('b')]));
  t.same(await statuses(), { 'order-A': 'sent', 'order-a': 'delivered' });
});

t.test('messages: receipts that name no message are forgotten after a while', async (t) => {
  const now = Date.now();
  await db.transaction((tx) => storeMessages(tx, [], [{ ...receipt('new'), at: now }]));
  await db.execute(
    `INSERT INTO message_parts (voip_carrier_sid, carrier_message_id, state, updated_at) VALUES ('c1', 'old', 'delivered', ?)`,
    [new Date(now - 2 * 3_600_000)],
  );
  await db.transaction((tx) => storeMessages(tx, [], [{ ...receipt('other'), at: now }]));
  const rows = await db.query('SELECT carrier_message_id FROM message_parts ORDER BY carrier_message_id');
  t.match(rows, [{ carrier_message_id: 'new' }, { carrier_message_id: 'other' }]);
  t.equal(rows.length, 2);
});

t.test('messages: a batch looks only at its own rows', async (t) => {
  const many = Array.from({ length: 600 }, (_, n) => sent(`m${n}`, [`p${n}`]));
  await db.transaction((tx) => storeMessages(tx, many, []));
  await db.execute('ANALYZE TABLE messages, message_parts');
  await db.transaction(async (tx) => {
    await storeMessages(
      tx,
      [],
      many.slice(0, 20).map((row) => receipt(row.carrierMessageIds[0] ?? '')),
    );
    // Would wait for the lock of the first, were it larger than it has to be.
    await db.transaction((tx2) => storeMessages(tx2, [], [receipt('p599')]));
  });
  const delivered = Object.values(await statuses()).filter((status) => status === 'delivered');
  t.equal(delivered.length, 21);
});
