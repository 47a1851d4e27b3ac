import t from 'tap';
import { flowTransport, isFromBrowser } from './flow-transport.js';

const request = (protocol: string, via: string) => ({
  protocol,
  get: ((name: string) => (name === 'Via' ? via : undefined)) as never,
});

t.test('what is beneath a WebSocket is not the transport: the topmost Via names it', async (t) => {
  t.equal(flowTransport(request('tcp', 'SIP/2.0/WSS k3i8.invalid;branch=z9hG4bK1')), 'wss');
  t.equal(flowTransport(request('tls', 'SIP / 2.0 / ws k3i8.invalid;branch=z9hG4bK1')), 'ws');
  t.equal(flowTransport(request('tcp', 'SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1, SIP/2.0/WSS k3i8.invalid')), 'tcp');
  t.equal(flowTransport(request('UDP', 'SIP/2.0/WS 192.0.2.1;branch=z9hG4bK1')), 'udp', 'no WebSocket comes over UDP');
  t.equal(flowTransport(request('sctp', 'SIP/2.0/SCTP 192.0.2.1')), null);
});

t.test('whoever speaks SIP over WebSocket is a browser', async (t) => {
  t.ok(isFromBrowser(request('tcp', 'SIP/2.0/WS k3i8.invalid;branch=z9hG4bK1')));
  t.notOk(isFromBrowser(request('tcp', 'SIP/2.0/TCP 192.0.2.1;branch=z9hG4bK1')));
});
