import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { createUserAgent, parseMessage } from '@ringwire/sip';
import t from 'tap';
import { readArguments } from './arguments.js';
import { connectApp, notDrachtio, sdp, startServer, type Teardown, until, uriOf } from './test-rig.js';

const SCANNERS = 100;

/** A socket on an address of its own in loopback. */
async function scanner(t: Teardown, n: number): Promise<Socket> {
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  socket.bind(0, `127.0.1.${n + 1}`);
  await once(socket, 'listening');
  return socket;
}

const request = (method: string, n: number, host = '127.0.1.1'): Buffer =>
  Buffer.from(
    [
      `${method} sip:${n}@127.0.0.1 SIP/2.0`,
      `Via: SIP/2.0/UDP ${host}:9;branch=z9hG4bK-scan-${n};rport`,
      `From: <sip:scan@127.0.0.1>;tag=${n}`,
      `To: <sip:${n}@127.0.0.1>`,
      `Call-ID: scan-${n}`,
      `CSeq: 1 ${method}`,
      'Contact: <sip:scan@127.0.1.1:9>',
      'Content-Length: 0',
      '\r\n',
    ].join('\r\n'),
  );

for (const [answer, become] of [
  ['drop', 'refused'],
  ['503', 'refused'],
  ['503', 'never answered'],
] as const) {
  t.test(
    `flood: scanners on ${SCANNERS} addresses do not stop a genuine call (${answer}, ${become}) (not drachtio)`,
    notDrachtio,
    async (t) => {
      const server = await startServer(t, ['--source-limit-answer', answer, '--source-limit', 'refusals=20']);
      let reached = 0;
      await connectApp(t, server, (srf) => {
        srf.register((_req, res) => {
          reached++;
          if (become === 'refused') res.send(403);
        });
        srf.invite((req, res) => {
          reached++;
          if (!req.get('Call-ID')?.startsWith('scan')) void srf.createUAS(req, res, { localSdp: sdp(1) });
          else if (become === 'refused') res.send(404);
        });
      });
      const { port } = server.layer.addressFor('udp');
      const scanners = await Promise.all(Array.from({ length: SCANNERS }, (_, n) => scanner(t, n)));
      let sent = 0;
      const burst = (): void => {
        for (const socket of scanners) {
          const method = sent % 2 === 0 ? 'INVITE' : 'REGISTER';
          socket.send(request(method, sent++), port, '127.0.0.1');
        }
      };
      // The flood goes on, three bursts of 100 each 100 ms, while the calls are made; `npm run bench -- flood` is about rates.
      const timer = setInterval(() => {
        for (let i = 0; i < 3; i++) burst();
      }, 100);
      t.teardown(() => clearInterval(timer));
      await until(() => (server.sourceLimits?.limited.suspect ?? 0) > 200);
      // With the timers of the standard: this machine may be busy with the flood itself.
      const phone = await createUserAgent({ listen: [{ transport: 'udp', host: '127.0.0.1', port: 0 }] });
      t.teardown(() => phone.stop());
      for (let call = 0; call < 5; call++) {
        const dialog = await phone.invite({ uri: uriOf(server), sdp: sdp(2) }).answered;
        await dialog.bye();
      }
      t.ok(reached < sent, `${reached} of ${sent} requests reached the application`);
      t.equal(server.sourceLimits?.limited.requests, 0);
      const metrics = await (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text();
      t.match(metrics, /sip_source_limited_total\{reason="suspect"[^}]*\} [1-9]/);
    },
  );
}

t.test(
  'flood: requests over the rate get 503 with Retry-After; a trusted network has no rate (not drachtio)',
  notDrachtio,
  async (t) => {
    const flags = ['--source-limit', 'requests=5', '--trusted-net', '127.0.1.2/32'];
    const server = await startServer(t, flags);
    await connectApp(t, server, (srf) => srf.options((_req, res) => res.send(200)));
    const { port } = server.layer.addressFor('udp');
    const statuses = async (n: number): Promise<string[]> => {
      const socket = await scanner(t, n);
      const found: string[] = [];
      socket.on('message', (bytes) => {
        const parsed = parseMessage(bytes);
        if (parsed.ok) found.push(`${parsed.message.status} ${parsed.message.get('Retry-After') ?? ''}`.trim());
      });
      for (let i = 0; i < 30; i++) socket.send(request('OPTIONS', 100 * n + i), port, '127.0.0.1');
      await until(() => found.length >= 30);
      return found;
    };
    const limited = await statuses(0);
    t.ok(limited.filter((status) => status === '503 10').length >= 15, limited.join());
    t.ok(limited.filter((status) => status === '200').length >= 10, limited.join());
    const trusted = await statuses(1);
    t.same(new Set(trusted), new Set(['200']));
  },
);

t.test('flood: limit flags are read, and wrong ones refused with a reason', async (t) => {
  const limitsOf = (...argv: string[]) => readArguments(argv).limits;
  t.equal(limitsOf('--source-limit', 'off').source, undefined);
  t.match(limitsOf('--source-limit', 'requests=7,connections=0', '--max-connections', '9'), {
    source: { requestsPerSecond: 7, connections: 0 },
    answer: '503',
    maxConnections: 9,
  });
  const { source } = limitsOf(
    '--trusted-net',
    '10.0.0.0/8',
    '--trusted-net',
    '2001:db8::/32',
    '--trusted-net',
    '192.0.2.1',
  );
  const trusted = ['10.9.8.7', '::ffff:10.1.1.1', '2001:db8::1', '192.0.2.1', '192.0.2.2', '11.0.0.1', 'nonsense'];
  t.same(
    trusted.map((host) => source?.isTrusted?.(host)),
    [true, true, true, true, false, false, false],
  );
  for (const [argv, reason] of [
    [['--source-limit', 'speed=1'], /requests, bytes/],
    [['--source-limit', 'requests=many'], /whole number/],
    [['--source-limit-answer', '200'], /503 or drop/],
    [['--trusted-net', '10.0.0.0/64'], /network such as/],
    [['--max-connections', '0'], /1 or more/],
    [['--trusted-net', 'home'], /network such as/],
  ] as const) {
    t.throws(() => readArguments(argv), { message: reason });
  }
});
