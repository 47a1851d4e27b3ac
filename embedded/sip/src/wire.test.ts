import t from 'tap';
import { TransactionLayer } from './transaction-layer.js';
import { createUserAgent } from './user-agent.js';

t.test('wire: the tap sees every message of a call in both directions, and what is no SIP', async (t) => {
  const seen: string[] = [];
  const ua = await createUserAgent({
    listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }],
    timers: { T1: 50 },
    tap: (direction, bytes, peer, local) => {
      t.equal(local.port, ua.layer.addresses[0]!.port);
      t.not(peer.port, local.port);
      seen.push(
        `${direction} ${bytes
          .toString('latin1')
          .split('\r\n')[0]!
          .replace(/sip:\S+/, 'URI')}`,
      );
    },
  });
  t.teardown(() => ua.stop());
  ua.onInvite((call) => {
    call.reject(486);
  });
  const { port } = ua.layer.addresses[0]!;
  const peer = await createUserAgent({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }] });
  t.teardown(() => peer.stop());
  await t.rejects(peer.invite({ uri: `sip:a@127.0.0.1:${port}` }).answered, { code: 'sip/invite-failed' });
  await t.resolves(peer.request({ method: 'OPTIONS', uri: `sip:a@127.0.0.1:${port}` }));
  t.match(seen.slice(0, 3), ['in INVITE URI SIP/2.0', 'out SIP/2.0 100 Trying', 'out SIP/2.0 486 Busy Here']);
  t.ok(seen.includes('in ACK URI SIP/2.0'));
  t.ok(seen.includes('in OPTIONS URI SIP/2.0'));
});

t.test('wire: without a listener for requests they are answered 503', async (t) => {
  const layer = new TransactionLayer({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }] });
  await layer.start();
  t.teardown(() => layer.stop());
  const peer = await createUserAgent({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }] });
  t.teardown(() => peer.stop());
  const { host, port } = layer.addresses[0]!;
  const response = await peer.request({ method: 'OPTIONS', uri: `sip:${host}:${port}` });
  t.equal(response?.status, 503);
});
