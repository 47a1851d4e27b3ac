import { TransactionLayer } from '@ringwire/sip';
import { startDns } from '@ringwire/sip/test-dns.js';
import t from 'tap';
import { ServerCounters } from '../server-counters.js';
import { sdp, startPhone, until } from '../test-rig.js';
import { SipProxy } from './proxy.js';
import { answering, startTarget } from './test-targets.js';

t.test(
  'proxy: all servers of a name are tried before the next destination, each under a branch of its own (RFC 3263)',
  async (t) => {
    const first = await startTarget(t, answering(503));
    const second = await startTarget(t, answering(486));
    const last = await startTarget(t, answering(200));
    const portOf = ({ layer }: typeof first): number => layer.addressFor('udp').port;
    const { server } = await startDns(t, {
      A: { 'lo.test': ['127.0.0.1'] },
      SRV: {
        '_sip._udp.carrier.test': [first, second].map((target, priority) => ({
          priority,
          weight: 0,
          port: portOf(target),
          target: 'lo.test',
        })),
      },
    });
    const layer = new TransactionLayer({
      listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }],
      timers: { T1: 20 },
      dns: { servers: [server] },
    });
    await layer.start();
    t.teardown(() => layer.stop());
    const proxy = new SipProxy(layer, new ServerCounters(), 'secret');
    const told: number[] = [];
    layer.on('strayAck', (ack, source) => t.ok(proxy.forwardAck(ack, source)));
    layer.on('request', (transaction) => {
      if (proxy.forwardInDialog(transaction)) return;
      const destinations = ['sip:a@carrier.test', last.uri()];
      const plan = { destinations, recordRoute: true, followRedirects: false, simultaneous: false };
      const observer = { response: ({ status }: { status: number }) => told.push(status), done: () => told.push(0) };
      t.equal(proxy.start(transaction, plan, observer), undefined);
    });
    const phone = await startPhone(t);
    const { host, port } = layer.addressFor('udp');
    const dialog = await phone.invite({ uri: `sip:100@${host}:${port}`, sdp: sdp(1) }).answered;
    t.same(
      [first, second, last].map(({ requests }) => requests.length > 0),
      [true, true, true],
    );
    t.not(first.requests[0]?.getList('Via')[0], second.requests[0]?.getList('Via')[0]);
    t.same(told, [486, 200, 0], 'the 503 was one server of the name, not the destination');
    t.equal((await dialog.bye())?.status, 200);
    await until(() => proxy.size === 0);
    t.same(last.methods(), ['INVITE', 'ACK', 'BYE']);
  },
);
