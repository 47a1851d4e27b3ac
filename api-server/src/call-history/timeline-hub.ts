import { EVENT_STREAM, type EventEnvelope, type Logger, parseEvent, type Redis } from '@ringwire/common';

/** An event of a call's timeline. */
export type TimelineEvent = EventEnvelope<'call.timeline'>;

/** Timeline events kept in memory, so that one who asks late misses nothing that the database does not have yet. */
const RECENT_EVENTS = 20_000;
/** How many of the newest events a starting process reads. */
const SEED_EVENTS = 2_000;
const READ_COUNT = 1_000;
const BLOCK_MS = 2_000;
const SILENCE_MS = 10_000;

/** The live end of all timelines in one process: one reader of the stream, however many look on. */
export interface TimelineHub {
  /** Recent events of a call by its sid or its outer Call-ID, oldest first; the database may have older ones. */
  recent(callId: string): TimelineEvent[];
  /** Calls `listener` with each event of a call from now on. @returns a function that ends it */
  subscribe(callId: string, listener: (event: TimelineEvent) => void): () => void;
  close(): Promise<void>;
}

type StreamEntry = [id: string, fields: string[]];

/** Starts reading the stream; resolves when what is in it already has been seen, or at once while Redis is away. */
export async function startTimelineHub({
  redis: shared,
  logger,
}: {
  redis: Redis;
  logger: Logger;
}): Promise<TimelineHub> {
  const redis = shared.duplicate({ socketTimeout: SILENCE_MS });
  redis.on('error', (err) => logger.debug({ err }, 'timeline reader connection failed'));
  const events: TimelineEvent[] = [];
  const byCall = new Map<string, TimelineEvent[]>();
  const listeners = new Map<string, Set<(event: TimelineEvent) => void>>();
  const keysOf = (event: TimelineEvent): string[] => {
    const keys = [event.callSid, event.sipCallId].filter((key) => key !== undefined);
    return keys[0] === keys[1] ? keys.slice(0, 1) : keys;
  };

  const forgetOldest = (): void => {
    const event = events.shift();
    if (event === undefined) return;
    for (const key of keysOf(event)) {
      const list = byCall.get(key);
      list?.shift();
      if (list?.length === 0) byCall.delete(key);
    }
  };
  const take = (entries: readonly StreamEntry[]): void => {
    for (const [, fields] of entries) {
      const event = parseEvent(fields);
      if (event?.type !== 'call.timeline') continue;
      events.push(event);
      for (const key of keysOf(event)) {
        const list = byCall.get(key);
        if (list === undefined) byCall.set(key, [event]);
        else list.push(event);
        for (const listener of listeners.get(key) ?? []) listener(event);
      }
      if (events.length > RECENT_EVENTS) forgetOldest();
    }
  };

  let closed = false;
  let lastId = '0-0';
  const seed = async (): Promise<void> => {
    const newest = (await redis.xrevrange(EVENT_STREAM, '+', '-', 'COUNT', SEED_EVENTS)) as StreamEntry[];
    lastId = newest[0]?.[0] ?? '0-0';
    take(newest.reverse());
  };
  const readOnce = async (): Promise<void> => {
    const answer = await redis.xread('COUNT', READ_COUNT, 'BLOCK', BLOCK_MS, 'STREAMS', EVENT_STREAM, lastId);
    const entries = (answer as [string, StreamEntry[]][] | null)?.[0]?.[1] ?? [];
    lastId = entries.at(-1)?.[0] ?? lastId;
    take(entries);
  };
  const loop = async (): Promise<void> => {
    let isWarned = false;
    while (!closed) {
      try {
        await readOnce();
        isWarned = false;
      } catch (err) {
        if (closed) return;
        if (!isWarned) logger.warn({ err }, 'timeline events were not read; trying again');
        isWarned = true;
        await new Promise((resolve) => setTimeout(resolve, 500));
      }
    }
  };

  const seeded = seed().catch((err: unknown) => logger.warn({ err }, 'recent timeline events were not read'));
  const running = seeded.then(loop);
  if (shared.status === 'ready') await seeded;
  return {
    recent: (callId) => [...(byCall.get(callId) ?? [])],
    subscribe(callId, listener) {
      const set = listeners.get(callId) ?? new Set();
      listeners.set(callId, set.add(listener));
      return () => {
        set.delete(listener);
        if (set.size === 0 && listeners.get(callId) === set) listeners.delete(callId);
      };
    },
    async close() {
      closed = true;
      redis.disconnect();
      await Promise.race([running, new Promise((resolve) => setTimeout(resolve, 200).unref())]);
    },
  };
}
