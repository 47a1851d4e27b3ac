import {
  closeRedis,
  connectSrf,
  createEventSink,
  createMetrics,
  loadProvisioning,
  mysqlConfig,
  openDatabase,
  openRedis,
  readConfig,
  redisConfig,
  reportReady,
  runProcess,
} from '@ringwire/common';
import { featureServerVars } from './config.js';
import { startFeatureServer } from './feature-server.js';

runProcess('feature-server', async ({ instanceId, logger, env }) => {
  const config = readConfig(featureServerVars, env);
  const metrics = createMetrics({ name: 'feature-server', instanceId });
  const db = openDatabase(mysqlConfig(config), { logger });
  const redis = openRedis(redisConfig(config), { logger, name: 'feature-server' });
  const sink = createEventSink({ redis, source: `feature-server:${instanceId}`, logger, metrics });
  const provisioning = await loadProvisioning({
    db,
    redis,
    logger,
    metrics,
    encryptionSecret: config.ENCRYPTION_SECRET,
  });
  const srf = await connectSrf({
    host: config.DRACHTIO_HOST,
    port: config.DRACHTIO_PORT,
    secret: config.DRACHTIO_SECRET.reveal(),
    logger,
  });
  const server = await startFeatureServer({ config, instanceId, logger, metrics, redis, sink, provisioning, srf });
  reportReady({ httpUrl: server.httpUrl, sipAddress: server.sipAddress, instanceId });
  return {
    drain: () => server.drain(),
    async close() {
      await server.close();
      srf.link.close();
      await provisioning.close();
      await sink.close();
      await closeRedis(redis);
      await db.close();
    },
  };
});
