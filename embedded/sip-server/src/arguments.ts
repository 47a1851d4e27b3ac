import { parseArgs } from 'node:util';
import type { ListenOptions, TlsSettings } from '@ringwire/sip';
import { readContacts } from './contact-arguments.js';
import type { TlsTrust } from './control/outbound-connections.js';
import { DRACHTIO_FLAGS, environmentFlags, refuseUnsupported } from './drachtio-flags.js';
import { ArgumentError } from './errors.js';
import { type HandlerSettings, readHandlers } from './handler-arguments.js';
import { type LimitSettings, readLimits } from './limit-arguments.js';
import type { NatDetection } from './nat.js';
import {
  OBSERVE_FLAGS,
  OBSERVE_USAGE,
  type ObserveSettings,
  readObserveFlags,
  withTraceValue,
} from './observe/observe-arguments.js';
import type { RequestPolicy } from './request-policy.js';
import type { DefaultRefresher } from './session-timer.js';
import { readTlsArguments, readTrust } from './tls-arguments.js';

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
  /** Control port over TLS, with the certificate of `tls`; undefined for none. */
  tlsPort: number | undefined;
  secret: string;
  /** Idle control connections are probed after so many ms; 0 for never. */
  keepAliveMs: number;
  /** Who takes which requests. */
  handlers: HandlerSettings[];
  /** Whom we trust when we connect to request-handlers and applications over TLS. */
  trust: TlsTrust;
  /** Names that lead to us beside our addresses, lower case. */
  dnsNames: string[];
  /** What is answered without an application. */
  policy: RequestPolicy;
  /** How peers behind NAT are recognised. */
  nat: NatDetection;
  /** Who refreshes sessions of callers that ask for a timer and leave that open. */
  sessionRefresher: DefaultRefresher;
  /** Health and metrics; undefined for none. */
  httpPort: number | undefined;
  httpAddress: string;
  logLevel: string | undefined;
  limits: LimitSettings;
  observe: ObserveSettings;
}

/** drachtio's names for levels beside pino's. */
const LEVELS: Record<string, string> = { notice: 'info', warning: 'warn', critical: 'fatal' };

/** The options as `--help` shows them. */
export const USAGE = `sip-server: a SIP server that speaks the drachtio control protocol
  --contact URI             sip:HOST:PORT;transport=udp,tcp (also tls, ws, wss); repeatable; port 0 takes a free one
                            (sip:127.0.0.1:5060)
  --external-ip HOST        address or host name by which peers outside its local nets reach the contact before it
  --local-net CIDR          local net of the contact before it; repeatable (the private range of its address)
  --mtu BYTES               larger requests go over TCP unless their URI says udp (1300)
  --disable-nat-detection   in dialogs over UDP: trust a Contact that is not where its sender was heard
  --aggressive-nat-detection  take nat=yes in Record-Route or Contact for a sign of NAT
  --session-refresher WHO   uac, uas or none: who refreshes the session of a caller that asks for a timer and leaves that
                            open; none declines the timer (none)
  --cert-file FILE          certificate for tls and wss (PEM)
  --key-file FILE           its key
  --chain-file FILE         certificates of its issuers
  --dh-param FILE           Diffie-Hellman parameters
  --min-tls-version V       1.2 or 1.3 (1.2); 1.0 and 1.1 mean 1.2
  --tls-cipherlist LIST     ciphers of TLS 1.2 (those of Node.js)
  --tls-name NAME=CERT,KEY  another certificate for those who ask for this name; repeatable
  --tls-ca-file FILE        authorities that peers' certificates come from (those known to Node.js)
  --tls-require-client-cert refuses peers without a certificate of these authorities
  --tls-allow-wildcards     lets *.example.com in a server's certificate prove names below it (RFC 5922: no)
  --tls-no-verify           accepts any certificate of servers that are connected to
  --dns-name NAME           a name that leads to us; repeatable
  --address HOST            control port: address (127.0.0.1)
  --port N                  control port: 0 takes a free one (9022)
  --tls-port N              control port over TLS, with --cert-file and --key-file (none)
  --secret TEXT             control port: secret (cymru)
  --tcp-keepalive-interval S  control port: probes idle connections after S seconds, 0 for never (45)
  --http-handler [M=]URL    asks this URL which application takes a new request, of the SIP methods M only
                            (INVITE,REGISTER=http://…); repeatable. tcp://HOST:PORT and tls://HOST:PORT connect to an
                            application that listens there
  --http-method GET|POST    how it is asked (GET)
  --http-handler-methods M  comma-separated SIP methods of handlers that name none themselves (*)
  --user-agent-options-auto-respond TEXT  answers OPTIONS of this User-Agent with 200
  --reject-register-with-no-realm         answers REGISTER to an IPv4 address with 403
  --always-send-180                       rings for every INVITE before an application hears of it
  --prometheus-scrape-port [HOST:]N       as --http-port and --http-address
  --http-port N             health, metrics and the last messages of calls; 0 takes a free port (none)
  --http-address HOST       address of these pages (127.0.0.1)
  --source-limit LIMITS     per source address, all or some of
                            requests=20000,bytes=50000000 (a second), connections=500, open=20000,
                            refusals=100 (in a row, then 2 requests a second), sources=100000; or off.
                            Those without success so far: stranger-refusals=10, stranger-requests=10
                            (a second), stranger-waiting=100 (for an answer), and all of them together
                            strangers-requests=1000 (a second), strangers-waiting=1000
  --source-limit-answer A   503 (with Retry-After) or drop (503)
  --trusted-net CIDR        sources without limits; repeatable
  --max-connections N       connections in all, per address listened on (4096)
  --loglevel LEVEL          trace, debug, info, warn, error (info; warn with --trace)
${OBSERVE_USAGE}`;

/**
 * Reads the command line.
 * @param env environment variables; drachtio-server's count where the command line says nothing
 * @throws ArgumentError that says what is wrong
 */
export function readArguments(
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>> = {},
): SipServerOptions {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse([...environmentFlags(env, argv), ...withTraceValue(argv)]);
  } catch (err) {
    throw new ArgumentError(err instanceof Error ? err.message : String(err), {}, { cause: err });
  }
  const { values, tokens } = parsed;
  refuseUnsupported(Object.keys(values));
  const http = readHttp(values);
  const level = values.loglevel;
  const listen = readContacts(tokens.filter((token) => token.kind === 'option'));
  const tls = readTlsArguments(values);
  const unsafe = listen.find(({ transport }) => transport === 'tls' || transport === 'wss');
  if (unsafe && !tls) throw new ArgumentError(`--contact: ${unsafe.transport} needs --cert-file and --key-file`);
  const { port, 'tls-port': tlsPort, 'tcp-keepalive-interval': keepAlive = '45' } = values;
  if (tlsPort !== undefined && !tls) throw new ArgumentError('--tls-port: needs --cert-file and --key-file');
  if (!/^\d{1,5}$/.test(keepAlive)) throw new ArgumentError('--tcp-keepalive-interval: seconds expected');
  return {
    listen,
    tls,
    trust: readTrust(values),
    tlsPort: tlsPort === undefined ? undefined : readPort('--tls-port', tlsPort),
    keepAliveMs: Number(keepAlive) * 1000,
    dnsNames: (values['dns-name'] ?? []).map((name) => name.toLowerCase()),
    policy: {
      optionsUserAgent: values['user-agent-options-auto-respond'],
      rejectsRegisterWithoutRealm: values['reject-register-with-no-realm'] ?? false,
      ringsAlways: values['always-send-180'] ?? false,
    },
    nat: {
      disabled: values['disable-nat-detection'] ?? false,
      aggressive: values['aggressive-nat-detection'] ?? false,
    },
    sessionRefresher: readRefresher(values['session-refresher'] ?? 'none'),
    maxDatagramBytes: readMtu(values.mtu ?? '1300'),
    address: values.address ?? '127.0.0.1',
    port: readPort('--port', port ?? '9022'),
    secret: values.secret ?? 'cymru',
    handlers: readHandlers(values),
    ...http,
    // Log lines between the arrows of a ladder make it unreadable.
    logLevel: level === undefined ? (values.trace === undefined ? undefined : 'warn') : (LEVELS[level] ?? level),
    limits: readLimits({
      sourceLimit: values['source-limit'],
      answer: values['source-limit-answer'],
      trustedNets: values['trusted-net'] ?? [],
      maxConnections: values['max-connections'],
    }),
    observe: readObserveFlags(values, http.httpPort !== undefined),
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
      ...DRACHTIO_FLAGS,
      contact: { ...texts, short: 'c' },
      'external-ip': { ...texts, short: 'x' },
      'local-net': { ...texts, short: 'n' },
      'dns-name': texts,
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
      'tls-allow-wildcards': flag,
      address: text,
      port: { ...text, short: 'p' },
      'tls-port': text,
      secret: text,
      'tcp-keepalive-interval': text,
      'user-agent-options-auto-respond': text,
      'reject-register-with-no-realm': flag,
      'always-send-180': flag,
      'session-refresher': text,
      'disable-nat-detection': flag,
      'aggressive-nat-detection': flag,
      'prometheus-scrape-port': text,
      'tls-cipherlist': text,
      'http-handler': { ...texts, short: 'a' },
      'http-method': { ...text, short: 'm' },
      'http-handler-methods': text,
      'http-port': text,
      'http-address': text,
      'source-limit': text,
      'source-limit-answer': text,
      'trusted-net': texts,
      'max-connections': text,
      loglevel: { ...text, short: 'l' },
      ...OBSERVE_FLAGS,
    },
  });
}

/** Where health and metrics are; drachtio-server has one flag for both. */
function readHttp(values: {
  'http-port'?: string | undefined;
  'http-address'?: string | undefined;
  'prometheus-scrape-port'?: string | undefined;
}): Pick<SipServerOptions, 'httpPort' | 'httpAddress'> {
  const scrape = /^(?:(.+):)?([^:]+)$/.exec(values['prometheus-scrape-port'] ?? '');
  const [option, port] =
    values['http-port'] === undefined
      ? (['--prometheus-scrape-port', scrape?.[2]] as const)
      : (['--http-port', values['http-port']] as const);
  return {
    httpPort: port === undefined ? undefined : readPort(option, port),
    httpAddress: values['http-address'] ?? scrape?.[1]?.replace(/^\[|\]$/g, '') ?? '127.0.0.1',
  };
}

function readRefresher(text: string): DefaultRefresher {
  if (text !== 'uac' && text !== 'uas' && text !== 'none') {
    throw new ArgumentError('--session-refresher: uac, uas or none expected');
  }
  return text;
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
