import { parseArgs } from 'node:util';
import { type ListenOptions, parseUri } from '@ringwire/sip';
import { ArgumentError } from './errors.js';
import { type LimitSettings, readLimits } from './limit-arguments.js';

/** What the command line says. */
export interface SipServerOptions {
  /** SIP addresses to listen on. */
  listen: ListenOptions[];
  /** Control port: where applications connect. */
  address: string;
  port: number;
  secret: string;
  handler: { url: string; method: 'GET' | 'POST'; sipMethods: string[] } | undefined;
  /** Health and metrics; undefined for none. */
  httpPort: number | undefined;
  httpAddress: string;
  logLevel: string | undefined;
  limits: LimitSettings;
}

/** drachtio's names for levels beside pino's. */
const LEVELS: Record<string, string> = { notice: 'info', warning: 'warn', critical: 'fatal' };

/** The options as `--help` shows them. */
export const USAGE = `sip-server: a SIP server that speaks the drachtio control protocol
  --contact URI             sip:HOST:PORT;transport=udp,tcp; repeatable; port 0 takes a free one (sip:127.0.0.1:5060)
  --address HOST            control port: address (127.0.0.1)
  --port N                  control port: 0 takes a free one (9022)
  --secret TEXT             control port: secret (cymru)
  --http-handler URL        asks this URL which application takes a new request
  --http-method GET|POST    how it is asked (GET)
  --http-handler-methods M  comma-separated SIP methods that are asked about, or * (invite)
  --http-port N             health and metrics; 0 takes a free port (none)
  --http-address HOST       address of health and metrics (127.0.0.1)
  --source-limit LIMITS     per source address, all or some of
                            requests=20000,bytes=50000000 (a second), connections=500,
                            refusals=100 (in a row, then 2 requests a second), sources=100000; or off
  --source-limit-answer A   503 (with Retry-After) or drop (503)
  --trusted-net CIDR        sources without limits; repeatable
  --max-connections N       TCP connections in all, per address listened on (4096)
  --loglevel LEVEL          trace, debug, info, warn, error (info)
`;

/** Reads the command line. @throws ArgumentError that says what is wrong */
export function readArguments(argv: readonly string[]): SipServerOptions {
  let values: ReturnType<typeof parse>;
  try {
    values = parse(argv);
  } catch (err) {
    throw new ArgumentError(err instanceof Error ? err.message : String(err), {}, { cause: err });
  }
  for (const option of ['external-ip', 'local-net'] as const) {
    if (values[option]) throw new ArgumentError(`--${option} is not supported: listen on the address that peers reach`);
  }
  const method = (values['http-method'] ?? 'GET').toUpperCase();
  if (method !== 'GET' && method !== 'POST') throw new ArgumentError('--http-method: GET or POST expected');
  const url = values['http-handler'];
  if (url !== undefined && !(URL.canParse(url) && /^https?:/.test(url))) {
    throw new ArgumentError('--http-handler: an http or https URL expected');
  }
  const sipMethods = (values['http-handler-methods'] ?? 'invite').toUpperCase().split(',');
  const httpPort = values['http-port'];
  const level = values.loglevel;
  return {
    listen: (values.contact ?? ['sip:127.0.0.1:5060']).flatMap(readContact),
    address: values.address ?? '127.0.0.1',
    port: readPort('--port', values.port ?? '9022'),
    secret: values.secret ?? 'cymru',
    handler: url === undefined ? undefined : { url, method, sipMethods },
    httpPort: httpPort === undefined ? undefined : readPort('--http-port', httpPort),
    httpAddress: values['http-address'] ?? '127.0.0.1',
    logLevel: level === undefined ? undefined : (LEVELS[level] ?? level),
    limits: readLimits({
      sourceLimit: values['source-limit'],
      answer: values['source-limit-answer'],
      trustedNets: values['trusted-net'] ?? [],
      maxConnections: values['max-connections'],
    }),
  };
}

function parse(argv: readonly string[]) {
  const text = { type: 'string' } as const;
  return parseArgs({
    args: [...argv],
    options: {
      contact: { type: 'string', multiple: true },
      address: text,
      port: text,
      secret: text,
      'http-handler': text,
      'http-method': text,
      'http-handler-methods': text,
      'http-port': text,
      'http-address': text,
      'external-ip': text,
      'local-net': text,
      'source-limit': text,
      'source-limit-answer': text,
      'trusted-net': { type: 'string', multiple: true },
      'max-connections': text,
      loglevel: text,
    },
  }).values;
}

/** `sip:127.0.0.1:5070;transport=udp,tcp` as listeners; without transport both. */
function readContact(text: string): ListenOptions[] {
  const uri = parseUri(text);
  if (uri?.scheme !== 'sip' || uri.host === '') throw new ArgumentError(`--contact: not a sip URI: ${text}`);
  const transports = (uri.params.get('transport') || 'udp,tcp').toLowerCase().split(',');
  const host = uri.host === '*' ? '0.0.0.0' : uri.host.replace(/^\[|\]$/g, '');
  return transports.map((transport) => {
    if (transport !== 'udp' && transport !== 'tcp') {
      throw new ArgumentError(`--contact: transport ${transport} is not supported (udp, tcp)`);
    }
    return { transport, host, port: uri.port ?? 5060 };
  });
}

function readPort(option: string, text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new ArgumentError(`${option}: a port from 0 to 65535 expected`);
  return port;
}
