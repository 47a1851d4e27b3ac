import { createSocket, type Socket } from 'node:dgram';
import { decodeG711, SAMPLES_PER_PACKET } from '@ringwire/rtp';

/**
 * The least that a media server in Node can do, as a process of its own: one UDP socket per call, a packet sent every 20 ms, packets received
 * and decoded. What a media server needs beyond that is its own work; this is what Node's UDP costs.
 *
 * Told by its parent `{ remotePorts }`, it opens a socket for each, tells `{ ports }` and goes on until its parent is gone.
 */
export interface FloorOrder {
  remotePorts: number[];
}

/** Its answer: its ports, one for each of the parent's. */
export interface FloorAnswer {
  ports: number[];
}

const TICK_MS = 20;
const HEADER_BYTES = 12;
const HOST = '127.0.0.1';

interface Leg {
  socket: Socket;
  remotePort: number;
  packet: Buffer;
}

async function openLeg(remotePort: number, ssrc: number): Promise<Leg> {
  const socket = createSocket({ type: 'udp4', lookup: (address, _options, callback) => callback(null, address, 4) });
  const pcm = new Int16Array(SAMPLES_PER_PACKET);
  socket.on('message', (datagram) => {
    if (datagram.length === HEADER_BYTES + SAMPLES_PER_PACKET) {
      decodeG711('PCMU', datagram, HEADER_BYTES, SAMPLES_PER_PACKET, pcm);
    }
  });
  // 'listening' is told at once where the look-up is.
  await new Promise<void>((resolve) => socket.bind(0, HOST, resolve));
  const packet = Buffer.alloc(HEADER_BYTES + SAMPLES_PER_PACKET, 0xff);
  packet.writeUInt16BE(0x8000, 0);
  packet.writeUInt32BE(ssrc, 8);
  return { socket, remotePort, packet };
}

async function start({ remotePorts }: FloorOrder): Promise<void> {
  const legs: Leg[] = [];
  for (const [index, remotePort] of remotePorts.entries()) legs.push(await openLeg(remotePort, index));
  const onSent = (): void => {};
  let ticks = 0;
  const started = performance.now();
  const tick = (): void => {
    ticks++;
    for (const { socket, remotePort, packet } of legs) {
      packet.writeUInt16BE(ticks & 0xffff, 2);
      packet.writeUInt32BE((ticks * SAMPLES_PER_PACKET) >>> 0, 4);
      socket.send(packet, 0, packet.length, remotePort, HOST, onSent);
    }
    setTimeout(tick, Math.max(1, Math.round(started + (ticks + 1) * TICK_MS - performance.now())));
  };
  setTimeout(tick, TICK_MS);
  process.send?.({ ports: legs.map(({ socket }) => socket.address().port) } satisfies FloorAnswer);
}

process.on('message', (order: FloorOrder) => void start(order));
process.on('disconnect', () => process.exit(0));
