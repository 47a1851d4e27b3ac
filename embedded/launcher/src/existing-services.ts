import { integer, optionalSecret, optionalText, readConfig, type Secret } from '@ringwire/common';
import { ExistingServiceError } from './errors.js';
import type { Address } from './instance.js';

/** Services that the environment names, to be used instead of private ones. */
export interface ExistingServices {
  mysql?: Address & { user: string; password: string; database: string };
  redis?: Address & { username?: string; password?: string };
  rtpengine?: Address;
  /** SIP server at the edge: control port, and where it takes SIP. */
  edge?: Address & { secret: string; sip: Address };
  core?: Address & { secret: string; sip: Address };
  freeswitch?: Address & { password: string };
}

const port = (value: number, doc: string) => integer({ default: value, min: 1, max: 65_535, doc });
const text = (doc: string) => optionalText({ doc });
const password = (doc: string) => optionalSecret({ doc });

const VARIABLES = {
  MYSQL_HOST: text('existing MySQL or MariaDB'),
  MYSQL_PORT: port(3306, 'its port'),
  MYSQL_USER: text('its user'),
  MYSQL_PASSWORD: password('its password'),
  MYSQL_DATABASE: text('its database'),
  REDIS_HOST: text('existing Redis'),
  REDIS_PORT: port(6379, 'its port'),
  REDIS_USERNAME: text('its user'),
  REDIS_PASSWORD: password('its password'),
  RTPENGINE_HOST: text('existing rtpengine'),
  RTPENGINE_PORT: port(22_222, 'its ng port'),
  DRACHTIO_EDGE_HOST: text('existing SIP server for the edge'),
  DRACHTIO_EDGE_PORT: port(9022, 'its control port'),
  DRACHTIO_EDGE_SECRET: password('its secret'),
  DRACHTIO_EDGE_SIP_PORT: port(5060, 'port on which it takes SIP'),
  DRACHTIO_CORE_HOST: text('existing SIP server for the core'),
  DRACHTIO_CORE_PORT: port(9022, 'its control port'),
  DRACHTIO_CORE_SECRET: password('its secret'),
  DRACHTIO_CORE_SIP_PORT: port(5060, 'port on which it takes SIP'),
  FREESWITCH_HOST: text('existing media server'),
  FREESWITCH_PORT: port(8021, 'its event socket'),
  FREESWITCH_PASSWORD: password('its password'),
};

const reveal = (secret: Secret | undefined, otherwise = ''): string => secret?.reveal() ?? otherwise;

/**
 * What the launcher's own variables say about services that are already there.
 * @throws {ConfigError} naming everything that is wrong.
 * @throws {ExistingServiceError} when the variables of a single process are set where the launcher's are meant.
 */
export function readExistingServices(env: NodeJS.ProcessEnv): ExistingServices {
  refuseOneSipServer(env);
  const c = readConfig(VARIABLES, env);
  const services: ExistingServices = {};
  if (c.MYSQL_HOST !== undefined) {
    services.mysql = {
      host: c.MYSQL_HOST,
      port: c.MYSQL_PORT,
      user: c.MYSQL_USER ?? 'ringwire',
      password: reveal(c.MYSQL_PASSWORD),
      database: c.MYSQL_DATABASE ?? 'ringwire',
    };
  }
  if (c.REDIS_HOST !== undefined) {
    const { REDIS_USERNAME: username, REDIS_PASSWORD: secret } = c;
    services.redis = {
      host: c.REDIS_HOST,
      port: c.REDIS_PORT,
      ...(username === undefined ? {} : { username }),
      ...(secret === undefined ? {} : { password: secret.reveal() }),
    };
  }
  if (c.RTPENGINE_HOST !== undefined) services.rtpengine = { host: c.RTPENGINE_HOST, port: c.RTPENGINE_PORT };
  if (c.DRACHTIO_EDGE_HOST !== undefined) {
    const sip = { host: c.DRACHTIO_EDGE_HOST, port: c.DRACHTIO_EDGE_SIP_PORT };
    const secret = reveal(c.DRACHTIO_EDGE_SECRET, 'cymru');
    services.edge = { host: c.DRACHTIO_EDGE_HOST, port: c.DRACHTIO_EDGE_PORT, secret, sip };
  }
  if (c.DRACHTIO_CORE_HOST !== undefined) {
    const sip = { host: c.DRACHTIO_CORE_HOST, port: c.DRACHTIO_CORE_SIP_PORT };
    const secret = reveal(c.DRACHTIO_CORE_SECRET, 'cymru');
    services.core = { host: c.DRACHTIO_CORE_HOST, port: c.DRACHTIO_CORE_PORT, secret, sip };
  }
  if (c.FREESWITCH_HOST !== undefined) {
    const secret = reveal(c.FREESWITCH_PASSWORD, 'ClueCon');
    services.freeswitch = { host: c.FREESWITCH_HOST, port: c.FREESWITCH_PORT, password: secret };
  }
  return services;
}

/** `DRACHTIO_HOST` is a process's variable; the platform has two SIP servers, so it would be ignored without a word. */
function refuseOneSipServer(env: NodeJS.ProcessEnv): void {
  if (env.DRACHTIO_EDGE_HOST || env.DRACHTIO_CORE_HOST) return;
  const found = ['DRACHTIO_HOST', 'DRACHTIO_PORT', 'DRACHTIO_SECRET'].filter((name) => env[name]);
  if (found.length === 0) return;
  throw new ExistingServiceError(
    `${found.join(', ')} ${found.length === 1 ? 'is' : 'are'} set, but the platform has two SIP servers: ` +
      'set DRACHTIO_EDGE_HOST (towards carriers) and DRACHTIO_CORE_HOST (towards the feature server) instead, ' +
      'with _PORT, _SECRET and _SIP_PORT of each, or unset it to use private ones',
  );
}
