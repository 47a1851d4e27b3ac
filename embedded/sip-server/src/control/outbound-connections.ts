import { once } from 'node:events';
import { isIP, connect as netConnect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { DialError } from '../errors.js';
import type { ServerCounters } from '../server-counters.js';
import type { ControlClient } from './control-client.js';
import type { ControlLimits } from './control-limits.js';
import type { ControlProtocol } from './control-protocol.js';

/** An application that listens for our connections (`srf.listen`). */
export interface OutboundTarget {
  host: string;
  port: number;
  transport: 'tcp' | 'tls';
}

/** Whom we trust when we connect over TLS. */
export interface TlsTrust {
  /** Authorities (PEM). @defaultValue those that Node.js knows */
  ca?: string;
  verifyServers: boolean;
}

/** Reads `host:port;transport=tcp|tls`, as request-handlers write it; undefined when it is none. */
export function parseOutboundTarget(text: string): OutboundTarget | undefined {
  const match = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+):(\d{1,5})(?:;transport=(tcp|tls))?$/.exec(text.trim());
  const port = Number(match?.[2]);
  if (!match?.[1] || port === 0 || port > 65_535) return undefined;
  return { host: match[1].replace(/^\[|\]$/g, ''), port, transport: match[3] === 'tls' ? 'tls' : 'tcp' };
}

/** Opens control connections to applications: one per request that is routed so, as drachtio-server does. */
export class OutboundConnections {
  private readonly sockets = new Set<Socket>();
  private dialling = 0;

  constructor(
    private readonly protocol: ControlProtocol,
    private readonly counters: ServerCounters,
    private readonly limits: ControlLimits,
    private readonly trust: TlsTrust,
  ) {}

  /** Connections that are open or being opened. */
  get size(): number {
    return this.sockets.size;
  }

  /**
   * Connects to an application and waits until it has authenticated.
   * @param signal gives up, for example because the caller did
   * @throws DialError that says why there is no connection
   */
  async dial(target: OutboundTarget, signal: AbortSignal): Promise<ControlClient> {
    const { outbound, dialling } = this.limits;
    this.counters.outboundDials++;
    if (this.sockets.size >= outbound || this.dialling >= dialling) {
      this.counters.outboundFailures++;
      throw new DialError('too many connections to applications', { open: this.sockets.size, dialling: this.dialling });
    }
    this.dialling++;
    try {
      return await this.open(target, signal);
    } catch (err) {
      this.counters.outboundFailures++;
      if (err instanceof DialError) throw err;
      const reason = err instanceof Error ? err.message : String(err);
      throw new DialError(`no connection to the application: ${reason}`, { ...target }, { cause: err });
    } finally {
      this.dialling--;
    }
  }

  /** Closes all. */
  async stop(): Promise<void> {
    await Promise.all(
      [...this.sockets].map(async (socket) => {
        socket.destroy();
        if (!socket.closed) await once(socket, 'close');
      }),
    );
  }

  private async open(target: OutboundTarget, signal: AbortSignal): Promise<ControlClient> {
    const { dialWithinMs } = this.limits;
    if (signal.aborted) throw new DialError('the caller gave up', { ...target });
    const socket = this.connect(target);
    this.sockets.add(socket);
    const giveUp = (why: string): void => void socket.destroy(new DialError(why, { ...target }));
    const aborted = (): void => giveUp('the caller gave up');
    const timer = setTimeout(() => giveUp('the application did not authenticate in time'), dialWithinMs);
    signal.addEventListener('abort', aborted, { once: true });
    try {
      return await new Promise<ControlClient>((resolve, reject) => {
        // A failed connection says so before it closes.
        socket.once('error', reject);
        this.protocol.attach(socket, dialWithinMs, {
          admitted: resolve,
          // It is told so, then closed.
          refused: () => reject(new DialError('the application brought a wrong secret', { ...target })),
          closed: () => {
            this.sockets.delete(socket);
            reject(new DialError('the application closed the connection', { ...target }));
          },
        });
      });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
    }
  }

  private connect({ host, port, transport }: OutboundTarget): Socket {
    const common = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 };
    if (transport === 'tcp') return netConnect(common);
    const { ca, verifyServers } = this.trust;
    return tlsConnect({
      ...common,
      rejectUnauthorized: verifyServers,
      minVersion: 'TLSv1.2',
      ...(ca === undefined ? {} : { ca }),
      ...(isIP(host) === 0 ? { servername: host } : {}),
    });
  }
}
