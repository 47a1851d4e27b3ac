import { randomUUID } from 'node:crypto';
import type { Logger } from '../log/logger.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Redis } from '../redis/connection.js';
import { nowMs } from './clock.js';
import { EVENT_STREAM, type EventEnvelope, type EventSink } from './types.js';

/** The stream keeps about this many events: hours of a busy platform, a few hundred MB of Redis. */
export const STREAM_MAX_LENGTH = 500_000;
/** Events per round trip. Larger delays the first of them, smaller costs round trips. */
const BATCH_SIZE = 500;
const RETRY_MS = 200;
/** How long an event waits for others to travel with. Larger makes timelines later, smaller costs a system call per event. */
const GATHER_MS = 10;

/** A sink that can be flushed and closed. */
export interface ClosableEventSink extends EventSink {
  /** Events that are not in Redis yet. */
  readonly pending: number;
  /** Resolves when everything emitted so far is in Redis. */
  flush(): Promise<void>;
  /** Writes what is left, for at most `deadlineMs` (default 5000); what is left then is logged and lost. */
  close(deadlineMs?: number): Promise<void>;
}

interface Queued {
  id: string;
  json: string;
}

/**
 * Makes the place where a process puts its events: they are appended to the Redis stream in the order of `emit`, many per
 * round trip. While Redis is away they wait in memory, at most `capacity` of them; beyond that the newest are dropped and
 * counted, since the older ones name the calls that the records need. A batch whose answer was lost is written again, so
 * an event may stand in the stream twice, under the same id.
 */
export function createEventSink({
  redis,
  source,
  logger,
  metrics,
  capacity = 100_000,
}: {
  redis: Redis;
  source: string;
  logger: Logger;
  metrics?: Metrics;
  capacity?: number;
}): ClosableEventSink {
  let queue: Queued[] = [];
  let closed = false;
  let dropped = 0;
  let writing: Promise<void> | undefined;
  let gathering: NodeJS.Timeout | undefined;
  const emitted = metrics?.counter({
    name: 'ringwire_events_emitted_total',
    help: 'Events put into the sink',
    labelNames: ['type'],
  });
  const lost = metrics?.counter({
    name: 'ringwire_events_dropped_total',
    help: 'Events dropped because the buffer was full or closed',
  });
  metrics?.gauge({
    name: 'ringwire_events_pending',
    help: 'Events that wait for Redis',
    collect() {
      this.set(queue.length);
    },
  });

  /** Writes a batch and returns what has to be written again. */
  const write = async (batch: Queued[]): Promise<Queued[]> => {
    const pipeline = redis.pipeline();
    for (const event of batch) pipeline.xadd(EVENT_STREAM, 'MAXLEN', '~', STREAM_MAX_LENGTH, '*', 'event', event.json);
    const results = await pipeline.exec();
    if (results === null) return batch;
    return batch.filter((_, index) => {
      const error = results[index]?.[0];
      return error !== null;
    });
  };

  const drain = async (): Promise<void> => {
    let failures = 0;
    while (queue.length > 0) {
      const batch = queue.slice(0, BATCH_SIZE);
      let failed: Queued[];
      try {
        failed = await write(batch);
      } catch (err) {
        if (failures++ === 0)
          logger.warn({ err, pending: queue.length }, 'events were not written to redis; trying again');
        failed = batch;
      }
      queue = queue.slice(batch.length - failed.length);
      // Those that failed stay at the head, in their order.
      for (const [index, event] of failed.entries()) queue[index] = event;
      if (failed.length === 0) {
        failures = 0;
      } else {
        if (closed && redis.status === 'end') return;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  };
  const start = (): Promise<void> => {
    clearTimeout(gathering);
    gathering = undefined;
    writing ??= drain().finally(() => {
      writing = undefined;
      if (queue.length > 0 && redis.status !== 'end') void start();
    });
    return writing;
  };
  const flush = async (): Promise<void> => {
    while (queue.length > 0 && redis.status !== 'end') await start();
  };
  const drop = (): void => {
    dropped += 1;
    lost?.inc();
    if (dropped % 10_000 === 1) logger.error({ dropped, capacity }, 'events are dropped: the buffer is full or closed');
  };

  return {
    emit(type, data, about = {}) {
      if (closed || queue.length >= capacity) return drop();
      const { at = nowMs(), ...ids } = about;
      const envelope = { id: randomUUID(), type, at, source, ...ids, data } as EventEnvelope;
      let json: string;
      try {
        json = JSON.stringify(envelope);
      } catch (err) {
        logger.error({ err, type }, 'event cannot be written as JSON');
        return drop();
      }
      emitted?.inc({ type });
      queue.push({ id: envelope.id, json });
      if (writing === undefined) gathering ??= setTimeout(start, GATHER_MS);
    },
    get pending() {
      return queue.length;
    },
    flush,
    async close(deadlineMs = 5_000) {
      closed = true;
      let timer: NodeJS.Timeout | undefined;
      const deadline = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, deadlineMs);
      });
      await Promise.race([flush(), deadline]).finally(() => clearTimeout(timer));
      if (queue.length > 0) {
        logger.error({ lost: queue.length }, 'events were lost: redis was away until the process ended');
        lost?.inc(queue.length);
        queue = [];
      }
    },
  };
}

/** How long events may take to reach Redis before whoever brought them is asked to come again. */
const FLUSHED_WITHIN_MS = 5_000;

/** Waits until everything emitted so far is in Redis; false when that takes too long. */
export async function isFlushed(sink: ClosableEventSink, withinMs: number = FLUSHED_WITHIN_MS): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), withinMs);
  });
  return Promise.race([sink.flush().then(() => true), late]).finally(() => clearTimeout(timer));
}
