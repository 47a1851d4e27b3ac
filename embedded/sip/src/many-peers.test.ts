import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { WebSocket } from 'ws';
import { FakeClock } from './fake-clock.js';
import { SourceLimits } from './source-limits.js';
import { makeAuthority } from './test-certificates.js';
import { TransactionLayer } from './transaction-layer.js';

const authority = makeAuthority(t);
const tls = { ...authority.issue('sip.ringwire.test'), ca: authority.ca };

// Thousands of handshakes take their time on a busy machine.
t.setTimeout(300_000);

/** `RINGWIRE_PEERS=2000` is the number that the server is to bear; handshakes of so many take minutes on a busy machine. */
const PEERS = Number(process.env.RINGWIRE_PEERS ?? 100);
const ADDRESSES = 20;
/** How many of them their addresses may have open. */
const ADMITTED = PEERS * 0.8;
/** Half a message, as large as a message may be without being odd. */
const HALF = `OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nX: ${'x'.repeat(8000)}`;

setFlagsFromString('--expose_gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes that are held, not those that only wait to be collected. */
function memoryInUse(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** A peer that sends half a message and no more; the promise resolves when it was closed. */
function peer(transport: 'tls' | 'ws' | 'wss', port: number, localAddress: string): Promise<void> {
  return new Promise((resolve) => {
    if (transport === 'tls') {
      const raw: Socket = connect({ host: '127.0.0.1', port, localAddress });
      raw.on('error', () => raw.destroy());
      const socket = connectTls({ socket: raw, rejectUnauthorized: false });
      socket.on('error', () => socket.destroy());
      socket.on('close', () => resolve());
      socket.resume();
      socket.write(HALF);
      return;
    }
    const socket = new WebSocket(`${transport}://127.0.0.1:${port}/`, 'sip', {
      localAddress,
      rejectUnauthorized: false,
      perMessageDeflate: false,
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.on('open', () => socket.send(HALF, { fin: false }));
  });
}

for (const transport of ['tls', 'ws', 'wss'] as const) {
  t.test(
    `${transport} peers: ${PEERS} connections from ${ADDRESSES} addresses with half messages cost bounded memory and are gone at the deadline`,
    { timeout: 100_000 },
    async (t) => {
      const clock = new FakeClock();
      const sourceLimits = new SourceLimits({ connections: ADMITTED / ADDRESSES });
      const listen = [{ transport, host: '0.0.0.0', port: 0 }];
      const layer = new TransactionLayer({ listen, clock, tls, sourceLimits });
      await layer.start();
      t.teardown(() => layer.stop());
      const { port } = layer.addresses[0]!;
      const before = memoryInUse();
      const peers: Array<Promise<void>> = [];
      const closedOf = (): number => layer.counters.connectionsClosed.limit ?? 0;
      for (let n = 0; n < PEERS; n++) {
        peers.push(peer(transport, port, `127.0.0.${1 + (n % ADDRESSES)}`));
        // No more handshakes at once than the backlog of a listening socket holds.
        if (n % 100 === 99) await until(() => layer.connectionCount + closedOf() === n + 1);
      }
      t.equal(closedOf(), PEERS - ADMITTED, 'over the number of their address');
      t.equal(layer.connectionCount, ADMITTED);
      // The deadlines of the first message, of its end and, over TLS, of idleness.
      await until(() => clock.pending >= (transport === 'tls' ? 3 : 2) * ADMITTED || layer.connectionCount < ADMITTED);
      const perPeer = (memoryInUse() - before) / ADMITTED;
      t.comment(`${Math.round(perPeer / 1024)} KB a connection, both ends`);
      t.ok(perPeer < 200 * 1024, `${Math.round(perPeer / 1024)} KB a connection, both ends`);
      clock.advance(30_000);
      await Promise.all(peers);
      await until(() => layer.connectionCount === 0);
      const { partial = 0, 'no-message': silent = 0 } = layer.counters.connectionsClosed;
      t.equal(partial + silent, ADMITTED);
      t.equal(clock.pending, 0);
    },
  );
}
