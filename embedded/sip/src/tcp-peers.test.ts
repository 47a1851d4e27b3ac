import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import t from 'tap';
import { FakeClock } from './fake-clock.js';
import { SourceLimits } from './source-limits.js';
import type { TcpLimits } from './tcp-transport.js';
import { TransactionLayer } from './transaction-layer.js';

type Teardown = { teardown(fn: () => unknown): void };

const OPTIONS = [
  'OPTIONS sip:x@127.0.0.1 SIP/2.0',
  'Via: SIP/2.0/TCP 127.0.0.1:9;branch=z9hG4bKa',
  'From: <sip:a@h>;tag=a',
  'To: <sip:b@h>',
  'Call-ID: c',
  'CSeq: 1 OPTIONS',
  'Content-Length: 0',
  '\r\n',
].join('\r\n');

/** A layer on a clock that stands still, which answers everything with 200. */
async function start(t: Teardown, tcp: Partial<TcpLimits> = {}, sourceLimits?: SourceLimits) {
  const clock = new FakeClock();
  const listen = [{ transport: 'tcp' as const, host: '0.0.0.0', port: 0 }];
  const layer = new TransactionLayer({ listen, clock, tcp, sourceLimits });
  layer.on('request', (transaction) => transaction.reply(200));
  await layer.start();
  t.teardown(() => layer.stop());
  const { port } = layer.addresses[0]!;
  const open = (host = '127.0.0.1', localAddress = '127.0.0.1'): Socket => {
    const socket = connect({ host, port, localAddress });
    socket.on('error', () => socket.destroy());
    socket.resume();
    t.teardown(() => socket.destroy());
    return socket;
  };
  return { layer, clock, open };
}

async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

setFlagsFromString('--expose_gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Bytes that are held, not those that only wait to be collected. */
function memoryInUse(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

t.test('TCP peers: a message that comes byte by byte is answered', async (t) => {
  const { open } = await start(t);
  const socket = open();
  for (const byte of Buffer.from(OPTIONS)) {
    socket.write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const [answer] = (await once(socket, 'data')) as [Buffer];
  t.match(answer.toString(), /^SIP\/2\.0 200 OK/);
});

t.test('TCP peers: a message must be complete 30 s after its first byte, however steadily bytes come', async (t) => {
  const { layer, clock, open } = await start(t);
  const socket = open();
  socket.write(OPTIONS);
  await once(socket, 'data');
  socket.write('INVITE sip:x@127.0.0.1 SIP/2.0\r\nSubject: ');
  while (!socket.closed) {
    if (!socket.destroyed) socket.write('x');
    clock.advance(100);
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.same(layer.counters.connectionsClosed, { partial: 1 });
});

t.test('TCP peers: one that says nothing valid is closed after 30 s, one that did may stay 15 min', async (t) => {
  const { layer, clock, open } = await start(t);
  const silent = open();
  const keepAlives = open();
  const useful = open();
  keepAlives.write('\r\n\r\n');
  await once(keepAlives, 'data');
  useful.write(OPTIONS);
  await once(useful, 'data');
  await until(() => layer.connectionCount === 3);
  clock.advance(29_999);
  t.equal(layer.connectionCount, 3);
  clock.advance(1);
  await Promise.all([closed(silent), closed(keepAlives)]);
  t.same(layer.counters.connectionsClosed, { 'no-message': 2 });
  await until(() => layer.connectionCount === 1);
  clock.advance(2 * 900_000);
  await closed(useful);
  t.equal(layer.counters.connectionsClosed.idle, 1);
});

t.test('TCP peers: garbage that can be framed earns no time', async (t) => {
  const { layer, clock, open } = await start(t);
  const socket = open();
  socket.write('GARBAGE\r\nl: 0\r\n\r\n');
  await until(() => layer.counters.parseErrorTotal === 1);
  clock.advance(30_000);
  await closed(socket);
  t.same(layer.counters.connectionsClosed, { 'no-message': 1 });
});

t.test(
  'TCP peers: 2,000 connections with half messages cost bounded memory and are gone at the deadline',
  async (t) => {
    const { layer, clock, open } = await start(t, { maxConnections: 1000 });
    const before = memoryInUse();
    const half = `OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nX: ${'x'.repeat(8000)}`;
    const sockets = Array.from({ length: 2000 }, () => open());
    for (const socket of sockets) socket.write(half);
    await until(() => (layer.counters.connectionsClosed['too-many'] ?? 0) === 1000);
    t.equal(layer.connectionCount, 1000);
    const grown = memoryInUse() - before;
    t.ok(grown < 100e6, `${Math.round(grown / 1e6)} MB for both ends`);
    clock.advance(30_000);
    await Promise.all(sockets.map(closed));
    await until(() => layer.connectionCount === 0);
    t.equal(layer.counters.connectionsClosed['too-many'], 1000);
    const socket = open();
    socket.write(OPTIONS);
    await once(socket, 'data');
  },
);

t.test('TCP peers: one address has its own number of connections, and its own bytes', async (t) => {
  const limits = new SourceLimits({ connections: 3, bytesPerSecond: 20_000 });
  const { layer, open } = await start(t, {}, limits);
  const greedy = Array.from({ length: 5 }, () => open());
  await until(() => layer.counters.connectionsClosed.limit === 2);
  const other = open('127.0.0.1', '127.0.0.2');
  other.write(OPTIONS);
  await once(other, 'data');
  t.equal(layer.connectionCount, 4);
  for (const socket of greedy) socket.destroy();
  await until(() => layer.connectionCount === 1);
  const again = open();
  again.write(OPTIONS.replace('z9hG4bKa', 'z9hG4bKb'));
  await once(again, 'data');
  const flood = open();
  flood.write(Buffer.alloc(60_000, 0x41));
  await closed(flood);
  t.equal(layer.counters.connectionsClosed.limit, 3);
  t.match(limits.limited, { connections: 2, bytes: 1 });
});
