import { mysqlConfig, readConfig, redisConfig, reportReady, runProcess } from '@ringwire/common';
import { startApiServer } from './api-server.js';
import { parseCaptureUrls } from './call-history/sip-captures.js';
import { API_SERVER_VARS } from './config.js';

runProcess('api-server', async ({ instanceId, logger, env }) => {
  const config = readConfig(API_SERVER_VARS, env);
  const server = await startApiServer({
    mysql: mysqlConfig(config),
    redis: redisConfig(config),
    http: { host: config.HTTP_HOST, port: config.HTTP_PORT },
    encryptionSecret: config.ENCRYPTION_SECRET,
    instanceId,
    workers: config.WORKERS,
    sipCaptures: parseCaptureUrls(config.SIP_CAPTURE_URLS),
    logger,
  });
  reportReady({ url: server.url, port: server.port });
  return server;
});
