import { parseArgs } from 'node:util';
import type { ListenOptions, TlsSettings } from '@ringwire/sip';
import { readContacts } from './contact-arguments.js';
import { ArgumentError } from './errors.js';
import { type LimitSettings, readLimits } from './limit-arguments.js';
import { readTlsArguments } from './tls-arguments.js';

/** What the command line says. */
export interface SipServerOptions {
  /** SIP addresses to listen on. */
  listen: ListenOptions[];
  /** For `tls` and `wss`; undefined without certificate. */
  tls: TlsSettings | undefined;
  /** Larger requests go over TCP where their URI leaves it open. */
  maxDatagramBytes: number;
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
  --contact URI             sip:HOST:PORT;transport=udp,tcp (also tls, ws, wss); repeatable; port 0 takes a free one
                            (sip:127.0.0.1:5060)
  --external-ip HOST        what the contact before it is called to peers outside its local nets
  --local-net CIDR          local net of the contact before it; repeatable (the private range of its address)
  --mtu BYTES               larger requests go over TCP unless their URI says udp (1300)
  --cert-file FILE          certificate for tls and wss (PEM)
  --key-file FILE           its key
  --chain-file FILE         certificates of its issuers
  --dh-param FILE           Diffie-Hellman parameters
  --min-tls-version V       1.2 or 1.3 (1.2)
  --tls-name NAME=CERT,KEY  another certificate for those who ask for this name; repeatable
  --tls-ca-file FILE        authorities that peers' certificates come from (those known to Node.js)
  --tls-require-client-cert refuses peers without a certificate of these authorities
  --tls-no-verify           accepts any certificate of servers that are connected to
  --address HOST            control port: address (127.0.0.1)
  --port N                  control port: 0 takes a free one (9022)
  --secret TEXT             control port: secret (cymru)
  --http-handler URL        asks this URL which application takes a new request
  --http-method GET|POST    how it is asked (GET)
  --http-handler-methods M  comma-separated SIP methods that are asked about, or * (invite)
  --http-port N             health and metrics; 0 takes a free port (none)
  --http-address HOST       address of health and metrics (127.0.0.1)
  --source-limit LIMITS     per source address, all or some of
                            requests=20000,bytes=50000000 (a second), connections=500, open=20000,
                            refusals=100 (in a row, then 2 requests a second), sources=100000; or off.
                            Those without success so far: stranger-refusals=10, stranger-requests=10
                            (a second), and all of them together strangers-requests=1000 (a second)
  --source-limit-answer A   503 (with Retry-After) or drop (503)
  --trusted-net CIDR        sources without limits; repeatable
  --max-connections N       connections in all, per address listened on (4096)
  --loglevel LEVEL          trace, debug, info, warn, error (info)
`;

/** Reads the command line. @throws ArgumentError that says what is wrong */
export function readArguments(argv: readonly string[]): SipServerOptions {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(argv);
  } catch (err) {
    throw new ArgumentError(err instanceof Error ? err.message : String(err), {}, { cause: err });
  }
  const { values, tokens } = parsed;
  const method = (values['http-method'] ?? 'GET').toUpperCase();
  if (method !== 'GET' && method !== 'POST') throw new ArgumentError('--http-method: GET or POST expected');
  const url = values['http-handler'];
  if (url !== undefined && !(URL.canParse(url) && /^https?:/.test(url))) {
    throw new ArgumentError('--http-handler: an http or https URL expected');
  }
  const sipMethods = (values['http-handler-methods'] ?? 'invite').toUpperCase().split(',');
  const httpPort = values['http-port'];
  const level = values.loglevel;
  const listen = readContacts(tokens.filter((token) => token.kind === 'option'));
  const tls = readTlsArguments(values);
  const unsafe = listen.find(({ transport }) => transport === 'tls' || transport === 'wss');
  if (unsafe && !tls) throw new ArgumentError(`--contact: ${unsafe.transport} needs --cert-file and --key-file`);
  return {
    listen,
    tls,
    maxDatagramBytes: readMtu(values.mtu ?? '1300'),
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
  const texts = { type: 'string', multiple: true } as const;
  const flag = { type: 'boolean' } as const;
  return parseArgs({
    args: [...argv],
    tokens: true,
    options: {
      contact: texts,
      'external-ip': texts,
      'local-net': texts,
      mtu: text,
      'cert-file': text,
      'key-file': text,
      'chain-file': text,
      'dh-param': text,
      'min-tls-version': text,
      'tls-name': texts,
      'tls-ca-file': text,
      'tls-require-client-cert': flag,
      'tls-no-verify': flag,
      address: text,
      port: text,
      secret: text,
      'http-handler': text,
      'http-method': text,
      'http-handler-methods': text,
      'http-port': text,
      'http-address': text,
      'source-limit': text,
      'source-limit-answer': text,
      'trusted-net': texts,
      'max-connections': text,
      loglevel: text,
    },
  });
}

function readPort(option: string, text: string): number {
  const port = Number(text);
  if (!/^\d{1,5}$/.test(text) || port > 65_535) throw new ArgumentError(`${option}: a port from 0 to 65535 expected`);
  return port;
}

function readMtu(text: string): number {
  const bytes = Number(text);
  if (!/^\d{1,5}$/.test(text) || bytes < 500) throw new ArgumentError('--mtu: 500 or more bytes expected');
  return bytes;
}
