import t from 'tap';
import { responseEndpoint } from './received.js';
import type { MessageSource, TransportName } from './transport.js';
import { parseVia } from './via.js';

function endpoint(transport: TransportName, via: string): string {
  const local = { transport, host: '127.0.0.1', port: 5060 };
  const source: MessageSource = { transport, host: '192.0.2.7', port: 40_000, local, connectionId: 3 };
  const to = responseEndpoint(parseVia(`SIP/2.0/${transport.toUpperCase()} ${via}`)!, source);
  return `${to.host}:${to.port}`;
}

t.test('responses: over a stream whose connection is gone they go to the port of the Via', async (t) => {
  t.equal(endpoint('tcp', 'h:5070;branch=z9hG4bK1;rport=40000'), '192.0.2.7:5070');
  t.equal(endpoint('tcp', 'h;branch=z9hG4bK1'), '192.0.2.7:5060');
  t.equal(endpoint('tls', 'h;branch=z9hG4bK1'), '192.0.2.7:5061');
});

t.test('responses: over UDP they go to rport, else to the port of the Via', async (t) => {
  t.equal(endpoint('udp', 'h:5070;branch=z9hG4bK1;rport=40000'), '192.0.2.7:40000');
  t.equal(endpoint('udp', 'h:5070;branch=z9hG4bK1'), '192.0.2.7:5070');
  t.equal(endpoint('udp', 'h;branch=z9hG4bK1'), '192.0.2.7:5060');
});

t.test('responses: maddr is obeyed where it is a multicast address only', async (t) => {
  t.equal(endpoint('udp', 'h:5070;maddr=224.0.1.75;branch=z9hG4bK1;rport=40000'), '224.0.1.75:5070');
  t.equal(endpoint('udp', 'h:5070;maddr=[ff02::1];branch=z9hG4bK1'), 'ff02::1:5070');
  for (const maddr of ['198.51.100.1', '255.255.255.255', '[2001:db8::1]', 'victim.test', '']) {
    t.equal(endpoint('udp', `h:5070;maddr=${maddr};branch=z9hG4bK1;rport=40000`), '192.0.2.7:40000', maddr);
  }
});
