import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { NoFreePortError } from './errors.js';

/** Which protocols a port must be free for. */
export type PortKind = 'tcp' | 'udp' | 'both';

/**
 * Where ports are taken from: below Linux's ephemeral range (32768–60999), so that no outgoing connection grabs the port
 * of a service while that service restarts; below the RTP slots.
 */
export const SERVICE_PORTS = { first: 10_000, last: 15_999 } as const;
/** With thousands of ports to choose from, this many misses in a row mean that something else is wrong. */
const ATTEMPTS = 200;

async function canListenTcp(host: string, port: number): Promise<boolean> {
  const server = createServer();
  server.listen({ host, port, exclusive: true });
  try {
    await once(server, 'listening');
  } catch {
    return false; // Taken, or not ours to take: either way not free.
  }
  server.close();
  await once(server, 'close');
  return true;
}

async function canBindUdp(host: string, port: number): Promise<boolean> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.bind({ address: host, port, exclusive: true });
  try {
    await once(socket, 'listening');
  } catch {
    return false; // Taken, or not ours to take: either way not free.
  }
  socket.close();
  await once(socket, 'close');
  return true;
}

/** Whether a service could bind this port now. */
export async function isPortFree(port: number, kind: PortKind = 'tcp', host = '127.0.0.1'): Promise<boolean> {
  if (kind !== 'udp' && !(await canListenTcp(host, port))) return false;
  return kind === 'tcp' || (await canBindUdp(host, port));
}

/**
 * Finds a port that a service can bind now and that outgoing connections will not take meanwhile.
 * @throws {NoFreePortError} when the whole range is taken.
 */
export async function findFreePort(
  options: {
    kind?: PortKind;
    host?: string;
    prefer?: number;
    except?: ReadonlySet<number>;
    /** Where to look, both ends included. @defaultValue {@link SERVICE_PORTS} */
    range?: { readonly first: number; readonly last: number };
  } = {},
): Promise<number> {
  const { kind = 'tcp', host = '127.0.0.1', prefer, except, range = SERVICE_PORTS } = options;
  if (prefer !== undefined && !except?.has(prefer) && (await isPortFree(prefer, kind, host))) return prefer;
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = range.first + Math.floor(Math.random() * (range.last - range.first + 1));
    if (!except?.has(port) && (await isPortFree(port, kind, host))) return port;
  }
  throw new NoFreePortError(`no free ${kind} port between ${range.first} and ${range.last} on ${host}`, { host, kind });
}
