import type { Logger } from '../log/logger.js';
import type { Redis } from './connection.js';
import type { TakenItem, WorkQueue } from './work-queue.js';

/** What {@link startQueueWorker} needs. */
export interface QueueWorkerOptions<T> {
  redis: Redis;
  queue: WorkQueue<T>;
  logger: Logger;
  /** Items at a time. */
  concurrency: number;
  /** After this long others may take an item that is still here; handlers renew it with `queue.update`. */
  leaseMs: number;
  /** Does the work and calls `queue.done` or `queue.update`. When it rejects, the item comes again after the lease. */
  handle: (taken: TakenItem<T>) => Promise<void>;
  /** How often the queue is looked at for what became due. @defaultValue 500 */
  pollMs?: number;
}

/** Works on the items of a queue as they become due, until it is closed. */
export interface QueueWorker {
  /** Takes no more; waits for those in hand for at most `deadlineMs` (default 5000). */
  close(deadlineMs?: number): Promise<void>;
}

/** Starts a worker. While Redis is away it waits. */
export function startQueueWorker<T>(options: QueueWorkerOptions<T>): QueueWorker {
  const { redis, queue, logger, concurrency, leaseMs, handle, pollMs = 500 } = options;
  const active = new Set<Promise<void>>();
  let closed = false;
  let isWoken = false;
  let endPause: () => void = () => {};
  const wake = (): void => {
    isWoken = true;
    endPause();
  };
  const subscriber = redis.duplicate();
  subscriber.on('error', (err) => logger.debug({ err }, 'queue subscription connection failed'));
  subscriber.on('message', () => wake());
  subscriber.subscribe(queue.channel).catch((err: unknown) => {
    // The poll finds what is due, only later.
    if (!closed) logger.warn({ err }, 'queue is polled only');
  });

  const pause = async (): Promise<void> => {
    if (!isWoken) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pollMs);
        endPause = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    isWoken = false;
  };
  const start = (taken: TakenItem<T>): void => {
    const work = handle(taken)
      .catch((err: unknown) => logger.warn({ err, id: taken.id }, 'work was not done; it comes again'))
      .finally(() => {
        active.delete(work);
        wake();
      });
    active.add(work);
  };
  const run = async (): Promise<void> => {
    let isFailing = false;
    while (!closed) {
      const free = concurrency - active.size;
      let taken: TakenItem<T>[] = [];
      try {
        if (free > 0 && redis.status === 'ready') taken = await queue.take(free, leaseMs);
        isFailing = false;
      } catch (err) {
        if (!isFailing && !closed) logger.warn({ err }, 'queue cannot be read; trying again');
        isFailing = true;
      }
      // What was taken while closing began stays leased and comes again elsewhere.
      if (closed) break;
      for (const item of taken) start(item);
      if (taken.length === 0 || active.size >= concurrency) await pause();
    }
  };
  const running = run();
  return {
    async close(deadlineMs = 5_000) {
      closed = true;
      wake();
      subscriber.disconnect();
      await running;
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, deadlineMs);
      });
      await Promise.race([Promise.allSettled([...active]), late]);
      clearTimeout(timer);
    },
  };
}
