import type { Logger } from '../log/logger.js';
import type { Metrics } from '../metrics/metrics.js';
import type { Redis } from '../redis/connection.js';
import { EVENT_STREAM, type EventEnvelope } from './types.js';

/** How long one read waits for events; an answer comes at least this often, so a silent connection is a dead one. */
const BLOCK_MS = 2_000;
const SILENCE_MS = 10_000;
const BATCH_SIZE = 500;
/**
 * Pause after a batch that was not full, so that events gather to a larger one: a transaction costs about as much for one event
 * as for fifty. Larger saves little more and makes records later.
 */
const GATHER_MS = 100;
/** Entries of a consumer that has not confirmed them for this long are taken over. */
const STALE_MS = 10_000;
const CLAIM_EVERY_MS = 5_000;
const MAX_BACKOFF_MS = 2_000;

type StreamEntry = [id: string, fields: string[] | null];

/** What {@link consumeEvents} returns. */
export interface EventConsumer {
  /** Stops reading; waits for the batch in hand (for at most `deadlineMs`, default 5000), which otherwise is delivered again. */
  close(deadlineMs?: number): Promise<void>;
}

/** Reads an entry of the stream; undefined when it is not an event. */
export function parseEvent(fields: readonly string[] | null): EventEnvelope | undefined {
  const index = fields?.indexOf('event') ?? -1;
  const json = index < 0 ? undefined : fields?.[index + 1];
  if (json === undefined) return undefined;
  try {
    const value = JSON.parse(json) as Partial<EventEnvelope> | null;
    const isEvent =
      typeof value === 'object' &&
      value !== null &&
      typeof value.id === 'string' &&
      typeof value.type === 'string' &&
      typeof value.at === 'number' &&
      typeof value.data === 'object' &&
      value.data !== null;
    return isEvent ? (value as EventEnvelope) : undefined;
  } catch {
    // Not JSON: the caller counts it as a poisonous entry.
    return undefined;
  }
}

/**
 * Reads the stream as one consumer of a group: each event goes to one consumer of the group, in order, in batches.
 *
 * A batch is confirmed after `handle` resolved; while it rejects it is tried again, with pauses up to 2 s, for as long as it takes.
 * Delivery is at least once: after a crash, and for batches that take over 10 s, events come again. What is not an event is
 * logged, counted and confirmed. A group starts at the beginning of the stream.
 */
export function consumeEvents({
  redis: shared,
  group,
  consumer,
  logger,
  metrics,
  handle,
}: {
  redis: Redis;
  group: string;
  consumer: string;
  logger: Logger;
  metrics?: Metrics;
  handle: (batch: EventEnvelope[]) => Promise<void>;
}): EventConsumer {
  const redis = shared.duplicate({ socketTimeout: SILENCE_MS });
  redis.on('error', (err) => logger.debug({ err, group }, 'event consumer connection failed'));
  const handled = metrics?.counter({
    name: 'ringwire_events_handled_total',
    help: 'Events handled',
    labelNames: ['group'],
  });
  const poisonous = metrics?.counter({
    name: 'ringwire_events_malformed_total',
    help: 'Stream entries that are no events',
    labelNames: ['group'],
  });
  const closing = new AbortController();
  const isClosing = () => closing.signal.aborted;
  let lastClaimAt = 0;
  let claimCursor = '0-0';

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        closing.signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      closing.signal.addEventListener('abort', done);
    });

  const process = async (entries: readonly StreamEntry[]): Promise<void> => {
    const batch: EventEnvelope[] = [];
    for (const [id, fields] of entries) {
      // A claimed entry that has been trimmed away has no fields and nothing to lose.
      const event = parseEvent(fields);
      if (event !== undefined) batch.push(event);
      else if (fields !== null) {
        poisonous?.inc({ group });
        logger.error({ id, group }, 'stream entry is not an event; skipped');
      }
    }
    for (let attempt = 0; batch.length > 0; attempt++) {
      try {
        await handle(batch);
        break;
      } catch (err) {
        if (attempt === 0) logger.warn({ err, group, events: batch.length }, 'events were not handled; trying again');
        if (isClosing()) throw err;
        await pause(Math.min(100 * 2 ** attempt, MAX_BACKOFF_MS));
      }
    }
    handled?.inc({ group }, batch.length);
    await redis.xack(EVENT_STREAM, group, ...entries.map(([id]) => id));
  };

  const createGroup = async (): Promise<void> => {
    try {
      await redis.xgroup('CREATE', EVENT_STREAM, group, '0', 'MKSTREAM');
    } catch (err) {
      if (!(err instanceof Error && err.message.startsWith('BUSYGROUP'))) throw err;
    }
  };
  /** Own entries that were read before and not confirmed (this consumer's name before a restart, or a lost confirmation). */
  const readOwn = async (): Promise<void> => {
    for (let from = '0'; !isClosing(); ) {
      const entries = await read(from);
      if (entries.length === 0) return;
      await process(entries);
      from = entries.at(-1)?.[0] ?? from;
    }
  };
  const read = async (from: string): Promise<StreamEntry[]> => {
    const answer = await redis.xreadgroup(
      'GROUP',
      group,
      consumer,
      'COUNT',
      BATCH_SIZE,
      'BLOCK',
      BLOCK_MS,
      'STREAMS',
      EVENT_STREAM,
      from,
    );
    const streams = answer as [string, StreamEntry[]][] | null;
    return streams?.[0]?.[1] ?? [];
  };
  const claimStale = async (): Promise<void> => {
    if (Date.now() - lastClaimAt < CLAIM_EVERY_MS) return;
    const answer = await redis.xautoclaim(EVENT_STREAM, group, consumer, STALE_MS, claimCursor, 'COUNT', BATCH_SIZE);
    const [cursor, entries] = answer as [string, StreamEntry[]];
    claimCursor = cursor;
    if (cursor === '0-0') lastClaimAt = Date.now();
    if (entries.length > 0) await process(entries);
  };

  const loop = async (): Promise<void> => {
    let failures = 0;
    let isFresh = true;
    while (!isClosing()) {
      try {
        if (isFresh) {
          await createGroup();
          await readOwn();
          isFresh = false;
        }
        await claimStale();
        const entries = await read('>');
        failures = 0;
        if (entries.length === 0) continue;
        await process(entries);
        if (entries.length < BATCH_SIZE) await pause(GATHER_MS);
      } catch (err) {
        if (isClosing()) return;
        // A Redis that lost its data has no group any more; a lost confirmation leaves entries to be read again.
        isFresh = true;
        if (failures === 0) logger.warn({ err, group }, 'events were not read; trying again');
        await pause(Math.min(100 * 2 ** failures++, MAX_BACKOFF_MS));
      }
    }
  };

  let isBusy = false;
  const guarded = handle;
  handle = async (batch) => {
    isBusy = true;
    try {
      await guarded(batch);
    } finally {
      isBusy = false;
    }
  };
  /** A name that nobody uses again must not stay in the group; one with entries must, until they are taken over. */
  const leaveGroup = async (): Promise<void> => {
    if (shared.status !== 'ready') return;
    const left = (await shared.xpending(EVENT_STREAM, group, '-', '+', 1, consumer)) as unknown[];
    if (left.length === 0) await shared.xgroup('DELCONSUMER', EVENT_STREAM, group, consumer);
  };
  let isDone = false;
  const done = loop().finally(() => {
    isDone = true;
  });
  return {
    async close(deadlineMs = 5_000) {
      closing.abort();
      let timer: NodeJS.Timeout | undefined;
      const deadline = new Promise<void>((resolve) => {
        // Only a batch in hand is worth waiting for; a blocked read is cut off.
        timer = setTimeout(resolve, isBusy ? deadlineMs : 0);
      });
      await Promise.race([done, deadline]).finally(() => clearTimeout(timer));
      redis.disconnect();
      await Promise.race([done, new Promise<void>((resolve) => setTimeout(resolve, 100).unref())]);
      if (!isDone) return;
      await leaveGroup().catch((err: unknown) =>
        logger.debug({ err, group }, 'consumer was not removed from its group'),
      );
    },
  };
}
