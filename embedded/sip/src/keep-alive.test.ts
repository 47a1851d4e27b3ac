import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import t from 'tap';
import { FakeClock } from './fake-clock.js';
import { SipMessage } from './message.js';
import type { TcpLimits } from './tcp-transport.js';
import { makeAuthority } from './test-certificates.js';
import { TransactionLayer } from './transaction-layer.js';

type Teardown = { teardown(fn: () => unknown): void };

const authority = makeAuthority(t);
const own = authority.issue('sip.ringwire.test');
const tls = { ...own, ca: authority.ca };

function options(n: number, uri: string): SipMessage {
  return SipMessage.request('OPTIONS', uri)
    .add('From', '<sip:a@h>;tag=a')
    .add('To', '<sip:b@h>')
    .add('Call-ID', `c${n}`)
    .add('CSeq', `${n} OPTIONS`);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** A peer that collects what it hears, and a layer on a clock that stands still. */
async function start(t: Teardown, transport: 'tcp' | 'tls', tcp: Partial<TcpLimits> = {}) {
  const heard: string[] = [];
  const sockets: Socket[] = [];
  const accept = (socket: Socket): void => {
    const index = sockets.push(socket) - 1;
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      heard[index] = (heard[index] ?? '') + chunk;
    });
  };
  const server = transport === 'tls' ? createTlsServer(own, accept) : createServer(accept);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  const clock = new FakeClock();
  const layer = new TransactionLayer({ listen: [{ transport, host: '127.0.0.1', port: 0 }], clock, tcp, tls });
  await layer.start();
  t.teardown(() => layer.stop());
  const send = (n: number): void => void layer.sendRequest(options(n, `sip:127.0.0.1:${port};transport=${transport}`));
  return { layer, clock, sockets, heard, send };
}

for (const transport of ['tcp', 'tls'] as const) {
  t.test(
    `keep-alive: a ${transport} connection that we opened is pinged, and given up when a pong stays away`,
    async (t) => {
      const { layer, clock, sockets, heard, send } = await start(t, transport);
      send(1);
      await until(() => heard[0]?.endsWith('\r\n\r\n') === true);
      clock.advance(100_000);
      await until(() => heard[0]?.endsWith('\r\n\r\n\r\n\r\n') === true);
      sockets[0]!.write('\r\n');
      // The pong has to arrive before time goes on; a stray response after it shows that it has.
      sockets[0]!.write('SIP/2.0 200 OK\r\nl: 0\r\n\r\n');
      await until(() => layer.counters.parseErrorTotal === 1);
      clock.advance(10_000);
      t.equal(layer.connectionCount, 1, 'answered in time');
      clock.advance(109_999);
      t.equal(layer.connectionCount, 1);
      clock.advance(1);
      await until(() => layer.connectionCount === 0);
      t.same(layer.counters.connectionsClosed, { 'no-pong': 1 });
      send(2);
      await until(() => heard[1]?.startsWith('OPTIONS') === true);
    },
  );
}

t.test(
  'keep-alive: a peer that never answers pings keeps its connection until nobody has used it for 15 min',
  async (t) => {
    const { layer, clock, heard, send } = await start(t, 'tcp');
    send(1);
    await until(() => heard[0]?.endsWith('\r\n\r\n') === true);
    for (let ms = 0; ms < 890_000; ms += 10_000) clock.advance(10_000);
    t.equal(layer.connectionCount, 1);
    clock.advance(910_000);
    await until(() => layer.connectionCount === 0);
    t.same(layer.counters.connectionsClosed, { idle: 1 });
  },
);

t.test('connections: one per destination is opened and used again, and no more than allowed', async (t) => {
  const { layer, sockets, heard, send } = await start(t, 'tcp', { maxOutgoing: 1 });
  for (let n = 1; n <= 50; n++) send(n);
  await until(() => heard[0]?.split('OPTIONS sip:').length === 51);
  t.equal(sockets.length, 1);
  const refused = layer.sendRequest(options(99, 'sip:127.0.0.2:9;transport=tcp'));
  const [error] = (await once(refused, 'transportError')) as [Error];
  t.match(error.message, /too many connections/);
  t.equal(layer.connectionCount, 1);
});
