import { createSocket } from 'node:dgram';
import { connect } from 'node:net';
import t from 'tap';
import { connectApp, notDrachtio, sdp, startPhone, startServer, until, uriOf } from './test-rig.js';

/** Small repeatable generator (mulberry32): a failure names its seed. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

const SEED = 4475;
const MESSAGES = 3000;

const whole = (method: string, n: number): string =>
  [
    `${method} sip:100@127.0.0.1 SIP/2.0`,
    `Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK${n};rport`,
    `From: "Fuzz" <sip:f@127.0.0.1>;tag=${n}`,
    'To: <sip:100@127.0.0.1>',
    `Call-ID: fuzz-${n}@127.0.0.1`,
    `CSeq: 1 ${method}`,
    'Contact: <sip:f@127.0.0.1:9>',
    'Content-Type: application/sdp',
    `Content-Length: ${sdp(1).length}`,
    '',
    sdp(1),
  ].join('\r\n');

t.test(
  `SIP port: ${MESSAGES} damaged messages (seed ${SEED}) end nothing, with an application connected (not drachtio)`,
  notDrachtio,
  async (t) => {
    const server = await startServer(t, ['--source-limit', 'off']);
    await connectApp(t, server, (srf) => {
      srf.invite((_req, res) => res.send(486));
      srf.options((_req, res) => res.send(200));
    });
    const next = random(SEED);
    const pick = (limit: number): number => Math.floor(next() * limit);
    const udp = createSocket('udp4');
    t.teardown(() => udp.close());
    const { port } = server.layer.addressFor('udp');
    for (let n = 0; n < MESSAGES; n++) {
      const method = ['INVITE', 'OPTIONS', 'ACK', 'CANCEL', 'BYE', 'SIP/2.0 200'][pick(6)]!;
      const bytes = Buffer.from(whole(method, n % 50));
      for (let i = pick(6); i >= 0; i--) bytes[pick(bytes.length)] = pick(256);
      const cut = pick(4) === 0 ? bytes.subarray(0, pick(bytes.length)) : bytes;
      if (n % 10 > 0) await new Promise<void>((resolve) => udp.send(cut, port, '127.0.0.1', () => resolve()));
      else {
        const tcp = connect(port, '127.0.0.1');
        tcp.on('error', () => tcp.destroy());
        await new Promise<void>((resolve) => tcp.end(cut, () => resolve()));
        tcp.destroy();
      }
    }
    const phone = await startPhone(t);
    t.equal((await phone.request({ method: 'OPTIONS', uri: uriOf(server) }))?.status, 200);
    const { counters } = server.layer;
    t.equal(counters.listenerErrors, 0);
    t.ok(counters.parseErrorTotal > 100, `${counters.parseErrorTotal} refused`);
    await until(() => server.layer.gauges.serverTransactions + server.layer.gauges.clientTransactions === 0);
    t.same(server.bridge.pendingCounts, { server: 0, client: 0 });
  },
);
