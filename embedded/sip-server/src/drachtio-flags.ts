import { ArgumentError } from './errors.js';

/** Flags of drachtio-server that change nothing here: there is no configuration file, and the log goes to standard output. */
export const FLAGS_WITHOUT_EFFECT = ['noconfig', 'stdout', 'memory-debug', 'globally-readable-logs'] as const;

/** As those, with a value. */
export const VALUES_WITHOUT_EFFECT = ['sofia-loglevel'] as const;

/** Flags of drachtio-server that ask for what this server does not do: ignoring them would deceive. */
const REFUSED_FLAGS = {
  daemon: 'run it under a process manager',
} as const;

/** As those, with a value. */
const REFUSED_VALUES = {
  file: 'there is no configuration file; every setting is a flag',
  user: 'start it as that user',
  'blacklist-redis-address': 'not supported; see --source-limit',
  'blacklist-redis-port': 'not supported; see --source-limit',
  'blacklist-redis-key': 'not supported; see --source-limit',
  'blacklist-refresh-secs': 'not supported; see --source-limit',
  'blacklist-redis-sentinels': 'not supported; see --source-limit',
  'blacklist-redis-master': 'not supported; see --source-limit',
  'blacklist-redis-password': 'not supported; see --source-limit',
} as const;

/** How these flags are declared to the parser. */
export const DRACHTIO_FLAGS = {
  ...Object.fromEntries(
    [...FLAGS_WITHOUT_EFFECT, ...Object.keys(REFUSED_FLAGS)].map((name) => [name, { type: 'boolean' }] as const),
  ),
  ...Object.fromEntries(
    [...VALUES_WITHOUT_EFFECT, ...Object.keys(REFUSED_VALUES)].map((name) => [name, { type: 'string' }] as const),
  ),
  file: { type: 'string', short: 'f' },
  user: { type: 'string', short: 'u' },
} as const;

/** Says why a flag of drachtio-server is not supported. @throws ArgumentError */
export function refuseUnsupported(names: Iterable<string>): void {
  const reasons: Record<string, string> = { ...REFUSED_FLAGS, ...REFUSED_VALUES };
  for (const name of names) {
    const reason = Object.hasOwn(reasons, name) ? reasons[name] : undefined;
    if (reason !== undefined) throw new ArgumentError(`--${name}: ${reason}`);
  }
}

/** Environment variables of drachtio-server and the flags that they stand for. */
const VARIABLES: Record<string, string> = {
  DRACHTIO_ADMIN_ADDRESS: 'address',
  DRACHTIO_ADMIN_TCP_PORT: 'port',
  DRACHTIO_ADMIN_TLS_PORT: 'tls-port',
  DRACHTIO_SECRET: 'secret',
  DRACHTIO_TLS_CERT_FILE: 'cert-file',
  DRACHTIO_TLS_CHAIN_FILE: 'chain-file',
  DRACHTIO_TLS_KEY_FILE: 'key-file',
  DRACHTIO_TLS_DH_PARAM_FILE: 'dh-param',
  DRACHTIO_MIN_TLS_VERSION: 'min-tls-version',
  DRACHTIO_TLS_CIPHER_LIST: 'tls-cipherlist',
  DRACHTIO_HTTP_HANDLER_URI: 'http-handler',
  DRACHTIO_LOGLEVEL: 'loglevel',
  DRACHTIO_UDP_MTU: 'mtu',
  DRACHTIO_TCP_KEEPALIVE_INTERVAL: 'tcp-keepalive-interval',
  DRACHTIO_PROMETHEUS_SCRAPE_PORT: 'prometheus-scrape-port',
  DRACHTIO_USER_AGENT_OPTIONS_AUTO_RESPOND: 'user-agent-options-auto-respond',
};

/** As those; `1` sets the flag. */
const SWITCHES: Record<string, string> = {
  // Spelled as drachtio-server spells it.
  DRACHTIO_AGRESSIVE_NAT_DETECTION: 'aggressive-nat-detection',
  DRACHTIO_TLS_VERIFY_CLIENT_CERT: 'tls-require-client-cert',
  DRACHTIO_REJECT_REGISTER_WITH_NO_REALM: 'reject-register-with-no-realm',
};

/** The flags that the environment asks for; those of the command line come after them and win. */
export function environmentFlags(env: Readonly<Record<string, string | undefined>>, argv: readonly string[]): string[] {
  const isGiven = (flag: string): boolean => argv.some((arg) => arg === `--${flag}` || arg.startsWith(`--${flag}=`));
  const flags: string[] = [];
  for (const [name, flag] of Object.entries(VARIABLES)) {
    const value = env[name];
    if (value !== undefined && value !== '' && !isGiven(flag)) flags.push(`--${flag}=${value}`);
  }
  const homer = env.DRACHTIO_HOMER_ADDRESS;
  if (homer && env.DRACHTIO_HOMER_ID && !isGiven('homer')) {
    const port = env.DRACHTIO_HOMER_PORT ? `:${env.DRACHTIO_HOMER_PORT}` : '';
    flags.push(`--homer=${homer}${port}`, `--homer-id=${env.DRACHTIO_HOMER_ID}`);
  }
  for (const [name, flag] of Object.entries(SWITCHES)) if (env[name] === '1') flags.push(`--${flag}`);
  return flags;
}
