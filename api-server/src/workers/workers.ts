import {
  createEventSink,
  type Database,
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
  logger,
  metrics,
  instanceId,
}: {
  db: Database;
  redis: Redis;
  logger: Logger;
  metrics: Metrics;
  instanceId: string;
}): { close(): Promise<void> } {
  const sink = createEventSink({ redis, source: `api-server:${instanceId}`, logger, metrics });
  const records = startRecordsConsumer({ db, redis, logger, metrics, consumer: instanceId });
  const reconciler = startReconciler({ db, redis, sink, logger, metrics });
  return {
    async close() {
      await reconciler.close();
      await sink.close();
      await records.close();
    },
  };
}
