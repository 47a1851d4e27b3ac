import { fileURLToPath } from 'node:url';
import type { Address } from './instance.js';
import type { PortRange, WantedPort } from './port-book.js';

/** Folder of the clone. */
export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
/** Everything private listens on loopback. */
export const HOST = '127.0.0.1';

/** Every port that a platform uses, with the number that people know where one matters to them. */
export const WANTED_PORTS = {
  mariadb: { kind: 'tcp' },
  redis: { kind: 'tcp' },
  rtpengine: { kind: 'udp' },
  edgeSip: { kind: 'both', prefer: 5060 },
  edgeTls: { kind: 'tcp', prefer: 5061 },
  edgeWs: { kind: 'tcp', prefer: 5066 },
  edgeWss: { kind: 'tcp', prefer: 7443 },
  edgeControl: { kind: 'tcp' },
  edgeHttp: { kind: 'tcp' },
  coreSip: { kind: 'both' },
  coreControl: { kind: 'tcp' },
  coreHttp: { kind: 'tcp' },
  mediaSip: { kind: 'both' },
  mediaEsl: { kind: 'tcp' },
  mediaHttp: { kind: 'tcp' },
  sbcInbound: { kind: 'tcp' },
  sbcOutbound: { kind: 'tcp' },
  featureServer: { kind: 'tcp' },
  api: { kind: 'tcp', prefer: 3000 },
  examples: { kind: 'tcp', prefer: 3100 },
} satisfies Record<string, WantedPort>;

/** Port by what it is for. */
export type Ports = Record<keyof typeof WANTED_PORTS, number>;

/** How to run one of our programs. */
export interface ProgramPlan {
  name: string;
  /** Compiled script, from the root of the clone. */
  script: string;
  args?: string[];
  /** Flags of Node itself. */
  nodeFlags?: string[];
  env?: Record<string, string>;
  /** Port of `/health` and `/metrics`. */
  httpPort: number;
}

/** Where the services are that the programs use. */
export interface ServiceAddresses {
  mysql: Address & { user: string; password: string; database: string };
  redis: Address & { username?: string; password?: string };
  rtpengine?: Address;
  edge: Address & { secret: string; sip: Address };
  core: Address & { secret: string; sip: Address };
  freeswitch: Address & { password: string };
}

/** Where the edge takes SIP besides UDP and TCP: over TLS, and from browsers (RFC 7118) in clear from this machine, encrypted from elsewhere too. */
export interface EdgeListeners {
  /** Without it no gateway can be called over TLS. */
  tls: Address;
  ws: Address;
  wss: Address;
  /** PEM files. */
  certFile: string;
  keyFile: string;
  /** Authorities of peers' certificates, instead of those that Node.js knows (PEM). */
  caFile?: string;
}

function edgeArguments({ tls, ws, wss, certFile, keyFile, caFile }: EdgeListeners): string[] {
  return [
    ...['--contact', `sip:${tls.host}:${tls.port};transport=tls`],
    ...['--contact', `sip:${ws.host}:${ws.port};transport=ws`],
    ...['--contact', `sip:${wss.host}:${wss.port};transport=wss`],
    ...['--cert-file', certFile, '--key-file', keyFile],
    ...(caFile === undefined ? [] : ['--tls-ca-file', caFile]),
  ];
}

/** An embedded SIP server; the edge asks sbc-inbound which process takes an INVITE. */
export function sipServerPlan(
  side: 'edge' | 'core',
  addresses: {
    sip: Address;
    control: Address;
    secret: string;
    httpPort: number;
    handlerUrl?: string;
    more?: EdgeListeners;
  },
): ProgramPlan {
  const { sip, control, secret, httpPort, handlerUrl, more } = addresses;
  return {
    name: `sip-server-${side}`,
    script: 'embedded/sip-server/dist/main.js',
    args: [
      ...['--contact', `sip:${sip.host}:${sip.port};transport=udp,tcp`],
      ...(more === undefined ? [] : edgeArguments(more)),
      ...['--address', control.host, '--port', String(control.port)],
      // As one argument: a secret may begin with a dash.
      `--secret=${secret}`,
      ...['--http-port', String(httpPort)],
      // The platform's own processes call from loopback; what they are refused says nothing about them.
      ...['--trusted-net', '127.0.0.0/8'],
      ...(handlerUrl === undefined ? [] : ['--http-handler', `INVITE=${handlerUrl}`]),
    ],
    httpPort,
  };
}

/** The embedded media server. */
export function mediaServerPlan(addresses: {
  sip: Address;
  esl: Address;
  password: string;
  httpPort: number;
  rtp: PortRange;
}): ProgramPlan {
  const { sip, esl, password, httpPort, rtp } = addresses;
  return {
    name: 'media-server',
    script: 'embedded/media-server/dist/main.js',
    // Its media threads run in real time: they must not wait for helpers of the garbage collector, which do not.
    nodeFlags: ['--single-threaded-gc'],
    args: [
      ...['--sip', `${sip.host}:${sip.port}`, '--esl', `${esl.host}:${esl.port}`],
      `--password=${password}`,
      ...['--rtp-ports', `${rtp.first}-${rtp.last}`, '--http-port', String(httpPort)],
      ...['--fetch-private', 'loopback'],
    ],
    httpPort,
  };
}

/** The example applications. */
export const examplesPlan = (httpPort: number): ProgramPlan => ({
  name: 'examples',
  script: 'examples/dist/main.js',
  env: { HTTP_HOST: HOST, HTTP_PORT: String(httpPort) },
  httpPort,
});

/**
 * The platform's own processes, with the environment that `docs/interfaces.md` describes.
 * @param options sipCaptures: HTTP ports of our own SIP servers, by name
 */
export function platformPlans(
  services: ServiceAddresses,
  options: {
    ports: Ports;
    encryptionSecret: string;
    ttsCacheDir: string;
    recordingsDir: string;
    sipCaptures: Record<string, number>;
  },
): ProgramPlan[] {
  const { ports, encryptionSecret, ttsCacheDir, recordingsDir, sipCaptures } = options;
  const recordings = { RECORDINGS_DIR: recordingsDir, RECORDINGS_ALLOW_PRIVATE: 'loopback' };
  const captureUrls = Object.entries(sipCaptures).map(([name, port]) => `${name}=http://${HOST}:${port}`);
  const common = { HTTP_HOST: HOST, ENCRYPTION_SECRET: encryptionSecret, ...storeEnv(services) };
  const edge = { ...drachtioEnv(services.edge), ...rtpengineEnv(services.rtpengine) };
  const plan = (name: string, httpPort: number, env: Record<string, string>): ProgramPlan => ({
    name,
    script: `${name}/dist/main.js`,
    env: { ...common, HTTP_PORT: String(httpPort), ...env },
    httpPort,
  });
  return [
    // As the applications of a single machine are on that machine, so are its registration hooks, and HTTP carriers that one tries out.
    plan('sbc-inbound', ports.sbcInbound, { ...edge, ...SIPREC_HERE, HOOK_ALLOW_PRIVATE: 'loopback' }),
    plan('sbc-outbound', ports.sbcOutbound, {
      ...edge,
      ...SIPREC_HERE,
      ...SIP_ON_THIS_MACHINE,
      MESSAGE_ALLOW_PRIVATE: 'loopback',
    }),
    plan('feature-server', ports.featureServer, {
      ...drachtioEnv(services.core),
      FREESWITCH_HOST: services.freeswitch.host,
      FREESWITCH_PORT: String(services.freeswitch.port),
      FREESWITCH_PASSWORD: services.freeswitch.password,
      TTS_CACHE_DIR: ttsCacheDir,
      ...recordings,
      RECORDINGS_SPOOL_DIR: `${recordingsDir}-spool`,
      // The applications of a single machine are on that machine; its network and the metadata of a cloud are not theirs to ask.
      HOOK_ALLOW_PRIVATE: 'loopback',
    }),
    plan('api-server', ports.api, {
      ...SIP_ON_THIS_MACHINE,
      ...recordings,
      HOOK_ALLOW_PRIVATE: 'loopback',
      ...(captureUrls.length === 0 ? {} : { SIP_CAPTURE_URLS: captureUrls.join(',') }),
    }),
  ];
}

/** And recording servers. */
const SIPREC_HERE = { SIPREC_ALLOW_PRIVATE: 'loopback' };
/** So are the telephones and gateways that are called. */
const SIP_ON_THIS_MACHINE = { SIP_ALLOW_PRIVATE: 'true' };

function storeEnv({ mysql, redis }: ServiceAddresses): Record<string, string> {
  return {
    MYSQL_HOST: mysql.host,
    MYSQL_PORT: String(mysql.port),
    MYSQL_USER: mysql.user,
    MYSQL_PASSWORD: mysql.password,
    MYSQL_DATABASE: mysql.database,
    REDIS_HOST: redis.host,
    REDIS_PORT: String(redis.port),
    ...(redis.username === undefined ? {} : { REDIS_USERNAME: redis.username }),
    ...(redis.password === undefined ? {} : { REDIS_PASSWORD: redis.password }),
  };
}

function drachtioEnv({ host, port, secret, sip }: Address & { secret: string; sip: Address }): Record<string, string> {
  return {
    DRACHTIO_HOST: host,
    DRACHTIO_PORT: String(port),
    DRACHTIO_SECRET: secret,
    SIP_ADDRESS: `${sip.host}:${sip.port}`,
  };
}

function rtpengineEnv(rtpengine: Address | undefined): Record<string, string> {
  return rtpengine === undefined ? {} : { RTPENGINE_HOST: rtpengine.host, RTPENGINE_PORT: String(rtpengine.port) };
}
