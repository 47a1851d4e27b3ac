import type { Database } from '../db/database.js';
import { DatabaseError } from '../db/errors.js';
import { consumeEvents, type EventConsumer } from '../events/consumer.js';
import type { EventEnvelope } from '../events/types.js';
import type { Logger } from '../log/logger.js';
import { applicationQueue, STATUS_RESERVE, sidFrom } from '../messages/message-queues.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Redis } from '../redis/connection.js';
import { storeEvents } from './call-records-store.js';
import type { MessageChange } from './messages-store.js';

/** Consumer group of the workers that write records. */
export const RECORDS_GROUP = 'records';

const isRetryable = (err: unknown): boolean => err instanceof DatabaseError && err.retryable;

/**
 * Turns events into rows: call records, timelines, alerts, messages. An event is confirmed after its row is committed; while MySQL is away
 * the worker tries again and the stream keeps what comes. An event that MySQL refuses is found by halving its batch, logged,
 * counted and left out, so that it does not stop the others.
 */
export function startRecordsConsumer({
  db,
  redis,
  logger,
  metrics,
  consumer,
}: {
  db: Database;
  redis: Redis;
  logger: Logger;
  metrics?: Metrics;
  /** Name of this worker in the group; the same after a restart, it takes up what it left. */
  consumer: string;
}): EventConsumer {
  const refused = metrics?.counter({
    name: 'ringwire_records_refused_total',
    help: 'Events that the database refused',
    labelNames: ['type'],
  });
  const notices = applicationQueue(redis);
  const announce = async (changes: readonly MessageChange[]): Promise<void> => {
    for (const change of changes) {
      // The same change may be stored twice, and is told once.
      const id = sidFrom(change.accountSid, change.messageSid, change.status);
      const notice = { kind: 'status' as const, ...change, attempts: 0 };
      const outcome = await notices.put(id, change.accountSid, notice, { beyond: STATUS_RESERVE });
      if (outcome === 'full') logger.warn({ messageSid: change.messageSid }, 'status hook is left out: too many wait');
    }
  };
  const store = async (events: EventEnvelope[]): Promise<void> => {
    try {
      await storeEvents(db, events, announce);
    } catch (err) {
      if (isRetryable(err)) throw err;
      const [event] = events;
      if (events.length <= 1 || event === undefined) {
        refused?.inc({ type: event?.type ?? 'none' });
        logger.error(
          { err, eventId: event?.id, type: event?.type, callSid: event?.callSid },
          'event was refused by the database; skipped',
        );
        return;
      }
      const middle = events.length >> 1;
      await store(events.slice(0, middle));
      await store(events.slice(middle));
    }
  };
  return consumeEvents({
    redis,
    group: RECORDS_GROUP,
    consumer,
    logger,
    ...(metrics ? { metrics } : {}),
    handle: store,
  });
}
