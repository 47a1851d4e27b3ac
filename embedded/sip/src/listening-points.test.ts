import t from 'tap';
import type { ListenOptions } from './listeners.js';
import { ListeningPoints, parseNetwork } from './listening-points.js';
import type { Transport } from './transport.js';

/** Points without sockets behind them. */
function points(...listen: ListenOptions[]): ListeningPoints {
  const transports = listen.map(
    ({ transport, host, port }): Transport => ({
      local: { transport, host, port },
      send: () => undefined,
      close: async () => {},
    }),
  );
  return new ListeningPoints(transports, listen);
}

const at = (host: string) => ({ transport: 'udp', host, port: 5060 }) as const;

t.test('listening: a socket near the peer is taken, else one with an external address, else the first', (t) => {
  const made = points(
    { transport: 'udp', host: '192.168.1.5', port: 5060 },
    { transport: 'udp', host: '10.0.0.5', port: 5061, externalHost: '203.0.113.5' },
    { transport: 'udp', host: 'fd00::5', port: 5062 },
    { transport: 'tcp', host: '192.168.1.5', port: 5063 },
  );
  t.equal(made.choose(at('192.168.7.7'))?.local.port, 5060);
  t.equal(made.choose(at('10.9.9.9'))?.local.port, 5061);
  t.equal(made.choose(at('198.51.100.1'))?.local.port, 5061);
  t.equal(made.choose(at('2001:db8::1'))?.local.port, 5062);
  t.equal(made.choose({ ...at('2001:db8::1'), transport: 'tcp' }), undefined);
  t.equal(made.choose({ ...at('198.51.100.1'), transport: 'ws' }), undefined);
  t.end();
});

t.test(
  'listening: the external address is for peers outside the local nets, the private range when none are named',
  (t) => {
    const made = points({ transport: 'udp', host: '10.0.0.5', port: 5060, externalHost: '203.0.113.5' });
    t.equal(made.addressFor('udp', '10.255.0.1')?.host, '10.0.0.5');
    t.equal(made.addressFor('udp', '192.168.0.1')?.host, '203.0.113.5');
    t.equal(made.addressFor('udp', '198.51.100.1')?.host, '203.0.113.5');
    t.equal(made.addressFor('udp')?.host, '10.0.0.5');
    const named = points({
      transport: 'udp',
      host: '10.0.0.5',
      port: 1,
      externalHost: 'x.test',
      localNets: ['10.0.0.0/24'],
    });
    t.equal(named.addressFor('udp', '10.0.0.77')?.host, '10.0.0.5');
    t.equal(named.addressFor('udp', '10.0.1.77')?.host, 'x.test');
    t.equal(named.addressFor('udp', 'name.test')?.host, 'x.test', 'a name is not known to be near');
    t.end();
  },
);

t.test('listening: the socket on which a request came names itself', (t) => {
  const made = points(
    { transport: 'udp', host: '127.0.0.1', port: 5060 },
    { transport: 'udp', host: '127.0.0.1', port: 5070, externalHost: '203.0.113.5', localNets: ['10.0.0.0/8'] },
  );
  t.match(made.addressFor('udp', '127.0.0.9', { transport: 'udp', host: '127.0.0.1', port: 5070 }), {
    port: 5070,
    host: '203.0.113.5',
  });
  t.match(made.addressFor('udp', '127.0.0.9'), { port: 5060, host: '127.0.0.1' });
  t.end();
});

t.test('listening: closed points keep their names and choose nothing', (t) => {
  const closed = points({ transport: 'udp', host: '127.0.0.1', port: 5060 }).closed();
  t.equal(closed.choose(at('127.0.0.1')), undefined);
  t.equal(closed.addressFor('udp', '127.0.0.1')?.port, 5060);
  t.end();
});

t.test('networks: CIDR of both families is read, the rest is not', (t) => {
  t.match(parseNetwork('10.0.0.0/8'), { address: '10.0.0.0', prefix: 8, family: 'ipv4' });
  t.match(parseNetwork('fd00::/8'), { prefix: 8, family: 'ipv6' });
  t.match(parseNetwork('10.0.0.1'), { prefix: 32 });
  for (const text of ['10.0.0.0/33', '::/129', 'x/8', '10.0.0.0/', '10.0.0.0/8/8', '']) {
    t.equal(parseNetwork(text), undefined, text);
  }
  t.end();
});
