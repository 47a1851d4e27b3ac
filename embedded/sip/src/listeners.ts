import type { ParseLimits } from './parse-message.js';
import { type TcpOptions, TcpTransport } from './tcp-transport.js';
import type { Transport, TransportName, TransportSink } from './transport.js';
import { UdpTransport } from './udp-transport.js';

/** One address to listen on. */
export interface ListenOptions {
  transport: TransportName;
  /** Local IP address. */
  host: string;
  /** 0 takes a free port; entries of one host that say 0 get the same one. */
  port: number;
  /** Host that Via and Contact name instead. @defaultValue `host`, or the primary address for a wildcard */
  advertise?: string;
}

/** How often a free port over UDP that is taken over TCP is tried anew. */
const SHARED_PORT_ATTEMPTS = 20;

/** Opens all listeners in order. @throws the first failure; nothing stays open then. */
export async function openListeners(
  listen: readonly ListenOptions[],
  sink: TransportSink,
  limits: ParseLimits,
  tcp: TcpOptions = {},
): Promise<Transport[]> {
  for (let attempt = 1; ; attempt++) {
    const opened: Transport[] = [];
    const shared = new Map<string, number>();
    try {
      for (const { transport, host, port } of listen) {
        // A second entry of the same transport is another address.
        const twins = opened.filter(({ local }) => local.transport === transport && local.host === host).length;
        const group = `${host}|${twins}`;
        const wanted = port === 0 ? (shared.get(group) ?? 0) : port;
        const one = await (transport === 'udp'
          ? UdpTransport.open(host, wanted, sink)
          : TcpTransport.open(host, wanted, sink, limits, tcp));
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

function isAddressInUse(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}
