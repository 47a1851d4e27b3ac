import {
  type Database,
  type EventSink,
  type Logger,
  type Metrics,
  type Redis,
  startReconciler,
  startRecordsConsumer,
} from '@ringwire/common';

/** Starts the workers that turn events into rows and end the calls of dead owners. */
export function startWorkers({
  db,
  redis,
  sink,
  logger,
  metrics,
  instanceId,
}: {
  db: Database;
  redis: Redis;
  sink: EventSink;
  logger: Logger;
  metrics: Metrics;
  instanceId: string;
}): { close(): Promise<void> } {
  const records = startRecordsConsumer({ db, redis, logger, metrics, consumer: instanceId });
  const reconciler = startReconciler({ db, redis, sink, logger, metrics });
  return {
    async close() {
      await reconciler.close();
      await records.close();
    },
  };
}
