import Srf from 'drachtio-srf';
import { RingwireError } from '../errors.js';
import type { Logger } from '../log/logger.js';
import { PendingInvites } from './pending-invites.js';

export type { Srf };

/** The SIP server refused the secret. */
export class SipServerAuthError extends RingwireError {
  readonly code = 'sip/server-auth';
}

/** The connection to the SIP server, seen beside what drachtio-srf does over it. */
export interface SrfLink {
  readonly isConnected: boolean;
  /** `ip:port` pairs on which the SIP server takes messages, without transport, UDP first: from its answer to authenticate. */
  readonly sipAddresses: readonly string[];
  /** Ends the connection for good. */
  close(): void;
}

/** A connected drachtio-srf. Emits `lost` when the connection breaks and `restored` when it is back and authenticated. */
export type ConnectedSrf = Omit<Srf, 'on' | 'once'> & {
  readonly link: SrfLink;
  on(event: 'lost' | 'restored', listener: () => void): ConnectedSrf;
} & Pick<Srf, 'on' | 'once'>;

/** Longest pause between two attempts to reach the SIP server. The library's own has no bound and grows to hours. */
const MAX_RECONNECT_DELAY_MS = 1_000;
/** A SIP server that does not answer the ping for this long is as good as gone. */
const PING_INTERVAL_MS = 15_000;

/** The parts of drachtio-srf that its types leave out. */
interface SrfInternals {
  emit(event: string, ...args: unknown[]): boolean;
  on(event: string, listener: (...args: never[]) => void): unknown;
  connect(options: object): unknown;
  app: {
    client?: {
      mapServer: Map<
        { destroy(): void },
        { pendingNetworkInvites: ConstructorParameters<typeof PendingInvites>[0] | PendingInvites }
      >;
      wp: { closing?: boolean; reconnectVars: { retryTimer: NodeJS.Timeout | null }; socket?: { destroy(): void } };
    };
  };
}

/** `udp/127.0.0.1:5070,tcp/127.0.0.1:5070` → `127.0.0.1:5070`. */
const parseHostPorts = (hostPorts: unknown): string[] => {
  if (typeof hostPorts !== 'string') return [];
  const pairs = hostPorts
    .split(',')
    .map((part) => /^\s*(\w+)\/(\S+)\s*$/.exec(part))
    .filter((match) => match !== null);
  const sorted = pairs.sort((a, b) => Number(b[1] === 'udp') - Number(a[1] === 'udp'));
  return [...new Set(sorted.map((match) => match[2] ?? ''))];
};

/** drachtio-srf has no way to end a connection that is just being retried. */
const disconnect = (srf: SrfInternals): void => {
  const client = srf.app.client;
  if (client === undefined) return;
  client.wp.closing = true;
  if (client.wp.reconnectVars.retryTimer !== null) clearTimeout(client.wp.reconnectVars.retryTimer);
  for (const socket of client.mapServer.keys()) socket.destroy();
  client.wp.socket?.destroy();
};

/** Each connection has a table of its own. */
const tellForksApart = (srf: SrfInternals): void => {
  for (const server of srf.app.client?.mapServer.values() ?? []) {
    const pending = server.pendingNetworkInvites;
    if (!(pending instanceof PendingInvites)) server.pendingNetworkInvites = new PendingInvites(pending);
  }
};

/**
 * Connects to a SIP server's control port and stays connected: the first connection is awaited for as long as it takes
 * (until `signal` aborts), a broken one is renewed for ever, with pauses up to a second. Registered handlers survive.
 *
 * @throws {@link SipServerAuthError} when the secret is refused at the first connection; later refusals are logged
 */
export function connectSrf({
  host,
  port,
  secret,
  tags = [],
  logger,
  signal,
}: {
  host: string;
  port: number;
  secret: string;
  tags?: string[];
  logger: Logger;
  signal?: AbortSignal;
}): Promise<ConnectedSrf> {
  const srf = new Srf(tags);
  const inner = srf as unknown as SrfInternals;
  let isConnected = false;
  let closed = false;
  let sipAddresses: string[] = [];
  const link: SrfLink = {
    get isConnected() {
      return isConnected;
    },
    get sipAddresses() {
      return sipAddresses;
    },
    close() {
      closed = true;
      isConnected = false;
      disconnect(inner);
    },
  };
  const connected = Object.assign(srf, { link }) as unknown as ConnectedSrf;
  return new Promise((resolve, reject) => {
    let hasBeenConnected = false;
    const fail = (err: Error): void => {
      link.close();
      reject(err);
    };
    const onAbort = (): void => fail(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
    if (signal?.aborted) return onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    inner.on('connect', (err: Error | null, hostPorts: unknown) => {
      if (closed) return;
      if (err) {
        const refused = new SipServerAuthError(
          `the SIP server at ${host}:${port} refused the secret`,
          { host, port },
          { cause: err },
        );
        if (!hasBeenConnected) return fail(refused);
        return logger.error({ err: refused }, 'SIP server refused to authenticate');
      }
      isConnected = true;
      tellForksApart(inner);
      sipAddresses = parseHostPorts(hostPorts);
      signal?.removeEventListener('abort', onAbort);
      logger.info({ host, port, sipAddresses }, hasBeenConnected ? 'SIP server is back' : 'connected to SIP server');
      if (hasBeenConnected) inner.emit('restored');
      hasBeenConnected = true;
      resolve(connected);
    });
    inner.on('error', (err: Error) => logger.debug({ err, host, port }, 'SIP server connection failed'));
    inner.on('close', () => {
      if (!isConnected || closed) return;
      isConnected = false;
      logger.warn({ host, port }, 'SIP server connection lost');
      inner.emit('lost');
    });
    inner.connect({
      host,
      port,
      secret,
      enablePing: true,
      pingInterval: PING_INTERVAL_MS,
      reconnect: { retryMaxDelay: MAX_RECONNECT_DELAY_MS },
    });
  });
}
