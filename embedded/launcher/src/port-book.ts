import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findFreePort, type PortKind, SERVICE_PORTS } from '@ringwire/services';
import { writePrivately } from './instance.js';

/** A port that something needs. */
export interface WantedPort {
  kind: PortKind;
  /** The number that people know, used when nothing was kept and it is free. */
  prefer?: number;
}

function readKept(file: string): Record<string, unknown> {
  if (!existsSync(file)) return {};
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  } catch {
    return {}; // Cut short by a crash: choose again.
  }
}

/**
 * Chooses a port for each name and keeps the choice in `ports.json` of the data directory, so that the next start has
 * the same addresses where they are still free.
 * @param range where new ones are looked for
 */
export async function choosePorts<N extends string>(
  dataDir: string,
  wanted: Readonly<Record<N, WantedPort>>,
  range: PortRange = SERVICE_PORTS,
): Promise<Record<N, number>> {
  const file = join(dataDir, 'ports.json');
  const kept = readKept(file);
  const chosen = {} as Record<N, number>;
  const taken = new Set<number>();
  // Kept numbers first: a newcomer must not take the number of somebody who had it.
  const names = (Object.keys(wanted) as N[]).sort((a, b) => Number(b in kept) - Number(a in kept));
  for (const name of names) {
    const before = kept[name];
    const prefer = typeof before === 'number' ? before : wanted[name].prefer;
    chosen[name] = await findFreePort({
      kind: wanted[name].kind,
      except: taken,
      range,
      ...(prefer === undefined ? {} : { prefer }),
    });
    taken.add(chosen[name]);
  }
  writePrivately(file, chosen);
  return chosen;
}

/** A range of UDP ports, both ends included. */
export interface PortRange {
  first: number;
  last: number;
}

/** The RTP ports of one platform. */
export interface RtpSlot {
  /** Where this platform looks for the ports of its services: two that start together must not choose the same. */
  services: PortRange;
  rtpengine: PortRange;
  mediaServer: PortRange;
  release(): void;
}

/** RTP lives between the services' ports and Linux's ephemeral range. */
const FIRST_RTP_PORT = 16_400;
/** Two legs of two ports for 400 calls through the relay, one such pair for as many calls in the media server. */
const RTPENGINE_PORTS = 1_600;
const MEDIA_SERVER_PORTS = 800;
const SLOT_PORTS = RTPENGINE_PORTS + MEDIA_SERVER_PORTS;
const SLOTS = 6;
const SERVICE_PORTS_PER_SLOT = (SERVICE_PORTS.last + 1 - SERVICE_PORTS.first) / SLOTS;

/**
 * Takes RTP port ranges that no other platform on this machine uses: the last port of the slot stays bound as a mark for as
 * long as this process lives.
 */
export async function takeRtpSlot(): Promise<RtpSlot> {
  for (let slot = 0; ; slot += 1) {
    const first = FIRST_RTP_PORT + slot * SLOT_PORTS;
    const mark = slot < SLOTS ? await bindMark(first + SLOT_PORTS - 1) : createSocket('udp4');
    if (mark === undefined) continue;
    // With every slot taken, ranges are shared: rtpengine and the media server skip ports that are in use.
    const shared = FIRST_RTP_PORT + (slot % SLOTS) * SLOT_PORTS;
    const firstService = SERVICE_PORTS.first + (slot % SLOTS) * SERVICE_PORTS_PER_SLOT;
    return {
      services: { first: firstService, last: firstService + SERVICE_PORTS_PER_SLOT - 1 },
      rtpengine: { first: shared, last: shared + RTPENGINE_PORTS - 1 },
      mediaServer: { first: shared + RTPENGINE_PORTS, last: shared + SLOT_PORTS - 3 },
      release: () => mark.close(),
    };
  }
}

async function bindMark(port: number): Promise<Socket | undefined> {
  const socket = createSocket('udp4');
  socket.bind({ address: '127.0.0.1', port, exclusive: true });
  try {
    await once(socket, 'listening');
  } catch {
    return undefined; // Another platform has this slot.
  }
  socket.unref();
  return socket;
}
