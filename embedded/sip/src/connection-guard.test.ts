import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import t from 'tap';
import { WebSocket } from 'ws';
import { FakeClock } from './fake-clock.js';
import { SourceLimits } from './source-limits.js';
import type { TcpLimits } from './tcp-transport.js';
import { makeAuthority } from './test-certificates.js';
import { TransactionLayer } from './transaction-layer.js';
import type { TransportName } from './transport.js';

type Teardown = { teardown(fn: () => unknown): void };

const authority = makeAuthority(t);
const tls = { ...authority.issue('sip.ringwire.test'), ca: authority.ca };

const options = (branch: string, transport = 'tcp'): string =>
  [
    'OPTIONS sip:x@127.0.0.1 SIP/2.0',
    `Via: SIP/2.0/${transport.toUpperCase()} 127.0.0.1:9;branch=${branch}`,
    'From: <sip:a@h>;tag=a',
    'To: <sip:b@h>',
    'Call-ID: c',
    'CSeq: 1 OPTIONS',
    'Content-Length: 0',
    '\r\n',
  ].join('\r\n');

/** A connection over any transport, open when it is returned. */
interface Peer {
  send(data: string | Buffer): void;
  heard: Promise<unknown>;
  closed: Promise<unknown>;
  end(): void;
}

/** A layer on a clock that stands still, which answers everything with 200. */
async function start(t: Teardown, transport: TransportName, tcp: Partial<TcpLimits>, sourceLimits?: SourceLimits) {
  const clock = new FakeClock();
  const listen = [{ transport, host: '0.0.0.0', port: 0 }];
  const layer = new TransactionLayer({ listen, clock, tcp, tls, sourceLimits });
  layer.on('request', (transaction) => transaction.reply(200));
  await layer.start();
  t.teardown(() => layer.stop());
  const { port } = layer.addresses[0]!;
  const raw = (localAddress = '127.0.0.1'): Socket => {
    const socket = connect({ host: '127.0.0.1', port, localAddress });
    socket.on('error', () => socket.destroy());
    socket.resume();
    t.teardown(() => socket.destroy());
    return socket;
  };
  const open = async (localAddress = '127.0.0.1'): Promise<Peer> => {
    if (transport === 'ws' || transport === 'wss') {
      const url = `${transport}://127.0.0.1:${port}/`;
      const socket = new WebSocket(url, 'sip', { localAddress, rejectUnauthorized: false });
      socket.on('error', () => {});
      t.teardown(() => socket.terminate());
      const closed = new Promise((resolve) => socket.once('close', resolve));
      const heard = new Promise((resolve) => socket.once('message', resolve));
      await Promise.race([new Promise((resolve) => socket.once('open', resolve)), closed]);
      return { send: (data) => socket.send(data), heard, closed, end: () => socket.terminate() };
    }
    const socket = connectTls({ socket: raw(localAddress), rejectUnauthorized: false });
    socket.on('error', () => socket.destroy());
    const closed = new Promise((resolve) => socket.once('close', resolve));
    const heard = new Promise((resolve) => socket.once('data', resolve));
    await Promise.race([new Promise((resolve) => socket.once('secureConnect', resolve)), closed]);
    return { send: (data) => socket.write(data), heard, closed, end: () => socket.destroy() };
  };
  return { layer, clock, open, raw };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

for (const transport of ['tls', 'ws', 'wss'] as const) {
  t.test(`${transport} peers: one that says nothing valid is closed in time, one that did may stay`, async (t) => {
    const { layer, clock, open } = await start(t, transport, {});
    const [silent, useful] = [await open(), await open()];
    useful.send(options('z9hG4bK1', transport));
    await useful.heard;
    await until(() => layer.connectionCount === 2);
    clock.advance(30_000);
    // Who answers pings has longer, and may only be slow to.
    if (transport !== 'tls') clock.advance(570_000);
    await silent.closed;
    await until(() => layer.connectionCount === 1);
    t.same(layer.counters.connectionsClosed, { 'no-message': 1 });
  });

  t.test(`${transport} peers: one address has its own number of connections, before any handshake`, async (t) => {
    const limits = new SourceLimits({ connections: 2 });
    const { layer, open, raw } = await start(t, transport, {}, limits);
    const [first, mute] = [await open(), raw()];
    await once(mute, 'connect');
    const third = raw();
    await once(third, 'close');
    t.same(layer.counters.connectionsClosed, { limit: 1 });
    await until(() => layer.counters.connectionsRefused === 1);
    const other = await open('127.0.0.2');
    other.send(options('z9hG4bK2', transport));
    await other.heard;
    first.end();
    await until(() => layer.connectionCount === 1);
    const again = await open();
    again.send(options('z9hG4bK3', transport));
    await again.heard;
    t.same(layer.counters.connectionsClosed, { limit: 1 });
    t.equal(layer.counters.connectionsRefused, 1);
  });

  t.test(`${transport} peers: a connection whose address sends too many bytes is closed`, async (t) => {
    const limits = new SourceLimits({ bytesPerSecond: 20_000 });
    const { layer, open } = await start(t, transport, {}, limits);
    const flood = await open();
    flood.send(Buffer.alloc(60_000, 0x41));
    await flood.closed;
    t.equal(layer.counters.connectionsClosed.limit, 1);
    t.ok(limits.limited.bytes >= 1);
    t.equal(layer.counters.parseErrorTotal, 0);
  });

  t.test(`${transport} peers: connections over the listener's number are refused and counted`, async (t) => {
    const { layer, open, raw } = await start(t, transport, { maxConnections: 1 });
    const only = await open();
    await once(raw(), 'close');
    await until(() => layer.counters.connectionsClosed['too-many'] === 1);
    only.send(options('z9hG4bK4', transport));
    await only.heard;
    t.equal(layer.connectionCount, 1);
  });
}

t.test('tls peers: who does not finish the handshake in time is closed', async (t) => {
  const { layer, raw } = await start(t, 'tls', { firstMessageMs: 50 });
  await once(raw(), 'close');
  await until(() => layer.counters.connectionsClosed['no-message'] === 1);
  t.equal(layer.connectionCount, 0);
});

t.test('tls peers: a message must be complete 30 s after its first byte', async (t) => {
  const { layer, clock, open } = await start(t, 'tls', {});
  const peer = await open();
  peer.send(`${options('z9hG4bK5')}INVITE sip:x`);
  await peer.heard;
  clock.advance(30_000);
  await peer.closed;
  t.same(layer.counters.connectionsClosed, { partial: 1 });
});

/** Waits for the close; `once` would reject on the reset that it may be. */
async function ended(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}

/** A text frame as a browser sends it, with a mask of zeros. */
function textFrame(text: string, isLast = true): Buffer {
  const length = [0x80 | 126, text.length >> 8, text.length & 255, 0, 0, 0, 0];
  return Buffer.concat([Buffer.from([isLast ? 0x81 : 0x01, ...length]), Buffer.from(text)]);
}

/** A WebSocket whose frames are written by hand, and which answers no ping. */
async function handMade(socket: Socket): Promise<Socket> {
  const key = Buffer.alloc(16).toString('base64');
  const head = ['GET / HTTP/1.1', 'Host: h', 'Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Key: ${key}`];
  socket.write([...head, 'Sec-WebSocket-Version: 13', 'Sec-WebSocket-Protocol: sip', '\r\n'].join('\r\n'));
  await once(socket, 'data');
  return socket;
}

for (const cut of ['inside a frame', 'between the pieces of a message'] as const) {
  t.test(`ws peers: a message must be complete 30 s after its first byte (it stops ${cut})`, async (t) => {
    const { layer, clock, raw } = await start(t, 'ws', {});
    const socket = await handMade(raw());
    socket.write(textFrame(options('z9hG4bK6', 'ws')));
    await once(socket, 'data');
    const half = cut === 'inside a frame' ? textFrame('INVITE sip:x').subarray(0, 9) : textFrame('INVITE sip:x', false);
    const before = clock.pending;
    socket.write(half);
    // A pong between the pieces is no progress.
    if (cut !== 'inside a frame') socket.write(Buffer.from([0x8a, 0x80, 0, 0, 0, 0]));
    await until(() => clock.pending > before);
    clock.advance(29_000);
    t.equal(layer.connectionCount, 1);
    clock.advance(1000);
    await ended(socket);
    t.same(layer.counters.connectionsClosed, { partial: 1 });
  });
}

t.test(
  'ws peers: one that answers no ping and says nothing is closed after 30 s, one that answers after ten minutes',
  async (t) => {
    const { layer, clock, open, raw } = await start(t, 'ws', {});
    const mute = await handMade(raw());
    const browser = await open();
    // What is heard came after the ping, what is sent then goes after the pong.
    browser.send('\r\n\r\n');
    await browser.heard;
    browser.send('\r\n\r\n');
    await until(() => layer.counters.keepAlives === 2);
    clock.advance(30_000);
    await ended(mute);
    await until(() => layer.connectionCount === 1);
    clock.advance(569_000);
    t.equal(layer.connectionCount, 1);
    clock.advance(1000);
    await browser.closed;
    t.same(layer.counters.connectionsClosed, { 'no-message': 2 });
  },
);

t.test('ws peers: when half of the places are taken, who was silent longest goes for a new one', async (t) => {
  const { layer, open } = await start(t, 'ws', { maxConnections: 6 });
  const useful = await open();
  useful.send(options('z9hG4bK8', 'ws'));
  await useful.heard;
  const silent = [await open(), await open()];
  await until(() => layer.connectionCount === 3);
  const another = await open();
  await silent[0]!.closed;
  t.equal(layer.connectionCount, 3);
  t.same(layer.counters.connectionsClosed, { 'no-message': 1 });
  another.send(options('z9hG4bK9', 'ws'));
  await another.heard;
});
