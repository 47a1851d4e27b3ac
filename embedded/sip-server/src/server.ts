import { startHttpServer } from '@ringwire/common/http/server.js';
import type { Logger } from '@ringwire/common/log/logger.js';
import { createMetrics } from '@ringwire/common/metrics/metrics.js';
import {
  bracketed,
  type Endpoint,
  type ListenOptions,
  type SipClock,
  type SipTimers,
  SourceLimits,
  TransactionLayer,
} from '@ringwire/sip';
import type { SipServerOptions } from './arguments.js';
import { SipBridge } from './bridge.js';
import type { ControlClient } from './control/control-client.js';
import type { ControlLimits } from './control/control-limits.js';
import { type ControlHandler, PROTOCOL_VERSION, type SipAddresses } from './control/control-protocol.js';
import { ControlServer } from './control/control-server.js';
import { ListenError } from './errors.js';
import { RequestHandler, type RequestHandlerOptions } from './http/request-handler.js';
import { addDrachtioMetrics } from './observe/drachtio-metrics.js';
import { Observer } from './observe/observer.js';
import type { Trace } from './observe/trace.js';
import type { TraceLimits, TraceWriter } from './observe/trace-output.js';
import { SipProxy } from './proxy/proxy.js';
import { ServerCounters } from './server-counters.js';
import { addServerMetrics } from './server-metrics.js';

/** A running SIP server. */
export interface SipServer {
  /** Where applications connect. */
  readonly controlPort: number;
  /** Where they connect over TLS; undefined without. */
  readonly controlTlsPort: number | undefined;
  /** SIP URIs it listens on, one per address and transport: `sip:127.0.0.1:5070;transport=udp`. */
  readonly contacts: string[];
  /** Health, metrics and the last messages; undefined without. */
  readonly httpPort: number | undefined;
  readonly layer: TransactionLayer;
  readonly bridge: SipBridge;
  readonly control: ControlServer;
  readonly counters: ServerCounters;
  /** What was turned away by source; undefined when limits are off. */
  readonly sourceLimits: SourceLimits | undefined;
  /** What watches its messages. */
  readonly observer: Observer;
  /** Disconnects the applications (their dialogs end with BYE on the wire), then closes everything. */
  stop(): Promise<void>;
}

/** What a server is started with besides the command line. */
export interface SipServerSurroundings {
  logger: Logger;
  instanceId: string;
  timers?: Partial<SipTimers>;
  /** How long a proxied INVITE may ring. @defaultValue 181 seconds (RFC 3261 §16.6 step 11) */
  proxyTimerCMs?: number | undefined;
  /** Limits of the control port that differ from the usual ones. */
  controlLimits?: Partial<ControlLimits>;
  /** Time-outs of request-handlers, in ms. */
  handlerTimeouts?: Pick<RequestHandlerOptions, 'connectTimeoutMs' | 'timeoutMs'>;
  /** Where `--trace` is written. @defaultValue standard output */
  traceWriter?: TraceWriter;
  /** Runs session timers and the repetition of reliable provisional responses. @defaultValue the system's */
  clock?: SipClock;
  /** Limits of the trace that differ from the usual ones. */
  traceLimits?: Partial<TraceLimits>;
}

/** Starts a server. @throws ListenError when an address is taken or not ours; nothing stays open then */
export async function startSipServer(options: SipServerOptions, around: SipServerSurroundings): Promise<SipServer> {
  const { logger, instanceId, timers = {} } = around;
  const { listen, tls, maxDatagramBytes } = options;
  const counters = new ServerCounters();
  const { source, answer, maxConnections } = options.limits;
  const sourceLimits = source && new SourceLimits(source);
  const { httpAddress, httpPort } = options;
  const metrics = httpPort === undefined ? undefined : createMetrics({ name: 'sip-server', instanceId });
  const { observe: settings } = options;
  const { traceWriter, traceLimits } = around;
  const observer = new Observer({ settings, logger, metrics, nodeName: instanceId, traceWriter, traceLimits });
  const layer = new TransactionLayer({
    listen,
    maxDatagramBytes,
    timers,
    sourceLimits,
    overLimit: answer,
    tap: observer.tap,
    tcp: maxConnections === undefined ? {} : { maxConnections },
    ...(tls ? { tls } : {}),
  });
  const { trust } = options;
  const handlers = options.handlers.map(
    (handler) =>
      new RequestHandler({ ...handler, ...around.handlerTimeouts, trust, sipMethods: new Set(handler.sipMethods) }),
  );
  const closers: Array<() => Promise<void> | void> = [
    () => observer.close(),
    () => {
      for (const handler of handlers) handler.close();
    },
    () => layer.stop(),
  ];
  const stop = async (): Promise<void> => {
    // Applications first: what they would lose is on the wire before the sockets close.
    for (const close of closers.reverse()) await close();
  };
  try {
    await naming('--contact', layer.start());
    const { policy, nat, secret, keepAliveMs, sessionRefresher } = options;
    const { clock } = around;
    const proxy = new SipProxy(layer, counters, secret, options.dnsNames, around.proxyTimerCMs);
    const bridge = new SipBridge({
      layer,
      registry: () => control.registry,
      counters,
      handlers,
      outbound: () => control.outbound,
      policy,
      nat,
      proxy,
      logger,
      sessionRefresher,
      ...(clock ? { clock } : {}),
    });
    closers.push(() => bridge.close());
    const addresses = addressesOf(layer.addresses, listen);
    const { controlLimits: limits = {} } = around;
    const { trace } = observer;
    const control: ControlServer = new ControlServer({
      secret,
      counters,
      handler: trace ? tracedCommands(bridge, trace) : bridge,
      addresses,
      onSip: trace && ((client, message) => trace.toApplication(nameOf(client), message)),
      trust,
      limits,
      keepAliveMs,
    });
    closers.push(() => control.stop());
    // While applications still hear of it.
    closers.push(() => bridge.farewell());
    const controlPort = await naming('--address, --port', control.start(options.address, options.port));
    const controlTlsPort =
      options.tlsPort === undefined || !tls
        ? undefined
        : await naming('--address, --tls-port', control.startTls(options.address, options.tlsPort, tls));
    if (metrics) addServerMetrics(metrics, { layer, bridge, proxy, control, counters, sourceLimits });
    if (metrics && observer.wire) {
      addDrachtioMetrics(metrics, {
        layer,
        wire: observer.wire,
        version: PROTOCOL_VERSION,
        applications: () => control.registry.size,
        dialogs: () => bridge.dialogsByOrigin,
        proxied: () => proxy.size,
      });
    }
    const health = async () => ({
      healthy: true,
      facts: { applications: control.registry.size, dialogs: bridge.dialogCount },
    });
    const routes = (app: Parameters<Observer['addPages']>[0]): void => observer.addPages(app);
    const http =
      httpPort === undefined || !metrics
        ? undefined
        : await naming(
            '--http-address, --http-port',
            startHttpServer({ host: httpAddress, port: httpPort, metrics, health, logger, routes }),
          );
    if (http) closers.push(() => http.close(200));
    const contacts = layer.addresses.map(uriOf);
    const pages = http ? `; pages at http://${bracketed(httpAddress)}:${http.port}` : '';
    trace?.say(
      `SIP at ${contacts.join(' ')}; applications connect to ${bracketed(options.address)}:${controlPort}${pages}`,
    );
    return {
      controlPort,
      controlTlsPort,
      contacts,
      httpPort: http?.port,
      layer,
      bridge,
      control,
      counters,
      sourceLimits,
      observer,
      stop,
    };
  } catch (err) {
    await stop();
    throw err;
  }
}

/** Says which flag the address is from that could not be listened on. */
async function naming<T>(flags: string, listening: Promise<T>): Promise<T> {
  try {
    return await listening;
  } catch (err) {
    const {
      address = '',
      port = 0,
      code,
      syscall,
    } = err as NodeJS.ErrnoException & { address?: string; port?: number };
    // What is wrong with a certificate has no system call.
    if (syscall === undefined || code === undefined) throw err;
    throw new ListenError(
      `${flags}: cannot listen on ${bracketed(address)}:${port} (${REASONS[code] ?? code})`,
      {},
      { cause: err },
    );
  }
}

/** The system's errors in plain words. */
const REASONS: Record<string, string> = {
  EADDRINUSE: 'the port is in use, EADDRINUSE',
  EADDRNOTAVAIL: 'not an address of this machine, EADDRNOTAVAIL',
  EACCES: 'not permitted, EACCES',
  ENOTFOUND: 'no such host, ENOTFOUND',
};

/** Our addresses as applications are told them; `layer` and `listen` are in the same order. */
function addressesOf(addresses: readonly Endpoint[], listen: readonly ListenOptions[]): SipAddresses {
  const texts = addresses.map(({ transport, host, port }, i) => ({
    external: `${transport}/${bracketed(listen[i]?.externalHost ?? host)}:${port}`,
    local: `${transport}/${bracketed(host)}:${port}`,
  }));
  return {
    external: texts.map(({ external }) => external).join(','),
    local: texts.map(({ local }) => local).join(','),
  };
}

/** Commands as the trace sees them too. */
function tracedCommands(bridge: SipBridge, trace: Trace): ControlHandler {
  return {
    sip: (client, ...command) => trace.command(nameOf(client), () => bridge.sip(client, ...command)),
    proxy: (client, ...command) => trace.command(nameOf(client), () => bridge.proxy(client, ...command)),
    lost: (client) => bridge.lost(client),
  };
}

/** An application as a ladder names it. */
function nameOf({ tags }: ControlClient): string {
  return tags.size === 0 ? 'application' : [...tags].join(',');
}

function uriOf({ transport, host, port }: Endpoint): string {
  return `sip:${bracketed(host)}:${port};transport=${transport}`;
}
