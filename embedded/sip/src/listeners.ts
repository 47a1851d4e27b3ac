import { SipStateError } from './errors.js';
import type { ParseLimits } from './parse-message.js';
import { type TcpOptions, TcpTransport } from './tcp-transport.js';
import type { TlsSettings } from './tls-settings.js';
import type { Transport, TransportName, TransportSink } from './transport.js';
import { UdpTransport } from './udp-transport.js';
import { WebSocketTransport } from './websocket-transport.js';

/** One address to listen on. */
export interface ListenOptions {
  transport: TransportName;
  /** Local IP address. */
  host: string;
  /** 0 takes a free port; udp and tcp entries of one host that say 0 get the same one. */
  port: number;
  /** Host that Via and Contact name instead. @defaultValue `host`, or the primary address for a wildcard */
  advertise?: string;
  /** Host that Via and Contact name to peers outside the local nets: the public address of a NAT in front. */
  externalHost?: string;
  /** Networks (CIDR) from which we are reached at `host`. @defaultValue the private range that `host` is in, if any */
  localNets?: string[];
}

/** How often a free port over UDP that is taken over TCP is tried anew. */
const SHARED_PORT_ATTEMPTS = 20;

/** Opens all listeners in order. @throws the first failure; nothing stays open then. */
export async function openListeners(
  listen: readonly ListenOptions[],
  sink: TransportSink,
  limits: ParseLimits,
  tcp: TcpOptions = {},
  tls?: TlsSettings,
): Promise<Transport[]> {
  for (let attempt = 1; ; attempt++) {
    const opened: Transport[] = [];
    const shared = new Map<string, number>();
    try {
      for (const { transport, host, port } of listen) {
        // A second entry of the same transport is another address.
        const twins = opened.filter(({ local }) => local.transport === transport && local.host === host).length;
        const group = `${host}|${twins}|${SHARING[transport]}`;
        const wanted = port === 0 ? (shared.get(group) ?? 0) : port;
        const one = await openOne(transport, host, wanted, sink, limits, tcp, tls);
        if (port === 0) shared.set(group, one.local.port);
        opened.push(one);
      }
      return opened;
    } catch (error) {
      await Promise.all(opened.map((transport) => transport.close()));
      if (shared.size === 0 || attempt >= SHARED_PORT_ATTEMPTS || !isAddressInUse(error)) throw error;
    }
  }
}

/** Which transports take the same free port; the others each have a TCP port of their own. */
const SHARING: Record<TransportName, string> = { udp: 'sip', tcp: 'sip', tls: 'tls', ws: 'ws', wss: 'wss' };

async function openOne(
  transport: TransportName,
  host: string,
  port: number,
  sink: TransportSink,
  parseLimits: ParseLimits,
  tcp: TcpOptions,
  tls: TlsSettings | undefined,
): Promise<Transport> {
  if (transport === 'udp') return await UdpTransport.open(host, port, sink);
  if (transport === 'tcp') return await TcpTransport.open(host, port, sink, parseLimits, tcp);
  if (transport === 'ws') return await WebSocketTransport.open({ host, port, sink, parseLimits, ...tcp });
  if (!tls) throw new SipStateError(`${transport} needs a certificate`);
  if (transport === 'wss') return await WebSocketTransport.open({ host, port, sink, parseLimits, tls, ...tcp });
  return await TcpTransport.open(host, port, sink, parseLimits, { ...tcp, tls });
}

function isAddressInUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}
