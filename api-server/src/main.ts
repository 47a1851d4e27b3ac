import { ConfigError, mysqlConfig, readConfig, redisConfig, reportReady, runProcess } from '@ringwire/common';
import { type Ipv4Network, parseNetworks } from '@ringwire/common/sip/networks.js';
import { startApiServer } from './api-server.js';
import { parseCaptureUrls } from './call-history/sip-captures.js';
import { API_SERVER_VARS } from './config.js';

/** @throws ConfigError */
function proxiesOf(list: string | undefined): Ipv4Network[] {
  const networks = parseNetworks(list ?? '');
  if (networks) return networks;
  const expected = 'IPv4 networks such as 10.0.0.0/8,192.168.1.5';
  throw new ConfigError([{ variable: 'TRUSTED_PROXY_CIDR', value: JSON.stringify(list), expected }]);
}

runProcess('api-server', async ({ instanceId, logger, env }) => {
  const config = readConfig(API_SERVER_VARS, env);
  const server = await startApiServer({
    mysql: mysqlConfig(config),
    redis: redisConfig(config),
    http: { host: config.HTTP_HOST, port: config.HTTP_PORT },
    encryptionSecret: config.ENCRYPTION_SECRET,
    instanceId,
    workers: config.WORKERS,
    allowPrivateSip: config.SIP_ALLOW_PRIVATE,
    allowPrivateHooks: config.HOOK_ALLOW_PRIVATE,
    recordings: {
      bucket: config.RECORDINGS_BUCKET?.reveal(),
      folder: config.RECORDINGS_DIR,
      allowPrivate: config.RECORDINGS_ALLOW_PRIVATE,
    },
    sipCaptures: parseCaptureUrls(config.SIP_CAPTURE_URLS),
    publicAddress: { trustedProxies: proxiesOf(config.TRUSTED_PROXY_CIDR), baseUrl: config.API_BASE_URL },
    logger,
  });
  reportReady({ url: server.url, port: server.port });
  return server;
});
