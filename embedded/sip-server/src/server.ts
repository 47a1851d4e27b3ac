import { startHttpServer } from '@ringwire/common/http/server.js';
import type { Logger } from '@ringwire/common/log/logger.js';
import {
  bracketed,
  type Endpoint,
  type ListenOptions,
  type SipTimers,
  SourceLimits,
  TransactionLayer,
} from '@ringwire/sip';
import type { SipServerOptions } from './arguments.js';
import { SipBridge } from './bridge.js';
import type { ControlLimits } from './control/control-limits.js';
import type { SipAddresses } from './control/control-protocol.js';
import { ControlServer } from './control/control-server.js';
import { RequestHandler, type RequestHandlerOptions } from './http/request-handler.js';
import { SipProxy } from './proxy/proxy.js';
import { ServerCounters } from './server-counters.js';
import { makeServerMetrics } from './server-metrics.js';

/** A running SIP server. */
export interface SipServer {
  /** Where applications connect. */
  readonly controlPort: number;
  /** Where they connect over TLS; undefined without. */
  readonly controlTlsPort: number | undefined;
  /** SIP URIs it listens on, one per address and transport: `sip:127.0.0.1:5070;transport=udp`. */
  readonly contacts: string[];
  /** Health and metrics; undefined without. */
  readonly httpPort: number | undefined;
  readonly layer: TransactionLayer;
  readonly bridge: SipBridge;
  readonly control: ControlServer;
  readonly counters: ServerCounters;
  /** What was turned away by source; undefined when limits are off. */
  readonly sourceLimits: SourceLimits | undefined;
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
}

/** Starts a server. @throws the socket's error when an address is taken; nothing stays open then */
export async function startSipServer(options: SipServerOptions, around: SipServerSurroundings): Promise<SipServer> {
  const { logger, instanceId, timers = {} } = around;
  const { listen, tls, maxDatagramBytes } = options;
  const counters = new ServerCounters();
  const { source, answer, maxConnections } = options.limits;
  const sourceLimits = source && new SourceLimits(source);
  const layer = new TransactionLayer({
    listen,
    maxDatagramBytes,
    timers,
    sourceLimits,
    overLimit: answer,
    tcp: maxConnections === undefined ? {} : { maxConnections },
    ...(tls ? { tls } : {}),
  });
  const { trust } = options;
  const handlers = options.handlers.map(
    (handler) =>
      new RequestHandler({ ...handler, ...around.handlerTimeouts, trust, sipMethods: new Set(handler.sipMethods) }),
  );
  await layer.start();
  const closers: Array<() => Promise<void> | void> = [
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
    const { policy, secret, keepAliveMs } = options;
    const proxy = new SipProxy(layer, counters, secret, around.proxyTimerCMs);
    const bridge = new SipBridge({
      layer,
      registry: () => control.registry,
      counters,
      handlers,
      outbound: () => control.outbound,
      policy,
      proxy,
      logger,
    });
    closers.push(() => bridge.close());
    const addresses = addressesOf(layer.addresses, listen);
    const { controlLimits: limits = {} } = around;
    const control: ControlServer = new ControlServer({
      secret,
      counters,
      handler: bridge,
      addresses,
      trust,
      limits,
      keepAliveMs,
    });
    closers.push(() => control.stop());
    const controlPort = await control.start(options.address, options.port);
    const controlTlsPort =
      options.tlsPort === undefined || !tls ? undefined : await control.startTls(options.address, options.tlsPort, tls);
    const metrics = makeServerMetrics(instanceId, {
      layer,
      bridge,
      proxy,
      control,
      counters,
      sourceLimits,
    });
    const health = async () => ({
      healthy: true,
      facts: { applications: control.registry.size, dialogs: bridge.dialogCount },
    });
    const { httpAddress, httpPort } = options;
    const http =
      httpPort === undefined
        ? undefined
        : await startHttpServer({ host: httpAddress, port: httpPort, metrics, health, logger });
    if (http) closers.push(() => http.close(200));
    const contacts = layer.addresses.map(uriOf);
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
      stop,
    };
  } catch (err) {
    await stop();
    throw err;
  }
}

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

function uriOf({ transport, host, port }: Endpoint): string {
  return `sip:${bracketed(host)}:${port};transport=${transport}`;
}
