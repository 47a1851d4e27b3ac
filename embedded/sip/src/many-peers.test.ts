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

const PEERS = 2000;
const ADDRESSES = 20;
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
    `${transport} peers: 2,000 connections from 20 addresses with half messages cost bounded memory and are gone at the deadline`,
    { timeout: 100_000 },
    async (t) => {
      const clock = new FakeClock();
      const sourceLimits = new SourceLimits({ connections: PEERS / ADDRESSES - 20 });
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
      t.equal(closedOf(), 400, 'over the number of their address');
      t.equal(layer.connectionCount, 1600);
      // The deadlines of the first message, of its end and, over TLS, of idleness.
      await until(() => clock.pending >= (transport === 'tls' ? 3 : 2) * 1600 || layer.connectionCount < 1600);
      const perPeer = (memoryInUse() - before) / 1600;
      t.comment(`${Math.round(perPeer / 1024)} KB a connection, both ends`);
      t.ok(perPeer < 200 * 1024, `${Math.round(perPeer / 1024)} KB a connection, both ends`);
      clock.advance(30_000);
      await Promise.all(peers);
      await until(() => layer.connectionCount === 0);
      const { partial = 0, 'no-message': silent = 0 } = layer.counters.connectionsClosed;
      t.equal(partial + silent, 1600);
      t.equal(clock.pending, 0);
    },
  );
}
