import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import t from 'tap';
import { readArguments } from './arguments.js';
import type { SipServer } from './server.js';
import { connectApp, notDrachtio, sdp, startPhone, startServer, type Teardown, until, uriOf } from './test-rig.js';

/** A raw control connection; `lines` are the frames it got. */
async function rawClient(t: Teardown, server: SipServer) {
  const socket = connect(server.controlPort, '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.on('error', () => socket.destroy());
  await once(socket, 'connect');
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk.toString();
  });
  const send = (text: string): boolean => socket.write(`${Buffer.byteLength(text)}#${text}`);
  return { socket, send, received: () => received };
}

async function closed(socket: Socket): Promise<void> {
  // `once` would reject on the reset that such a close may be.
  if (!socket.closed) await new Promise<void>((resolve) => socket.once('close', () => resolve()));
}

t.test('control port: a wrong secret is refused and closed (not drachtio)', notDrachtio, async (t) => {
  const server = await startServer(t);
  const client = await rawClient(t, server);
  client.send('1|authenticate|wrong|');
  await closed(client.socket);
  t.match(client.received(), /\|response\|1\|NO\|incorrect secret$/);
  t.equal(server.counters.authenticationFailures, 1);
});

for (const command of [
  'route|invite',
  'ping',
  'sip||\r\nOPTIONS sip:127.0.0.1 SIP/2.0\r\n\r\n',
  'remove_route|invite',
]) {
  t.test(
    `control port: ${command.slice(0, 12)} before authenticate is refused and closed (not drachtio)`,
    notDrachtio,
    async (t) => {
      const server = await startServer(t);
      const client = await rawClient(t, server);
      client.send(`1|${command}`);
      client.send('2|authenticate|cymru|');
      await closed(client.socket);
      t.match(client.received(), /^\d+#[^#]*\|response\|1\|NO\|not authenticated$/);
      t.equal(server.counters.unauthenticatedCommands, 1);
      const phone = await startPhone(t);
      t.equal((await phone.request({ method: 'INVITE', uri: uriOf(server) }))?.status, 503);
    },
  );
}

t.test(
  'control port: authenticate, ping, route answer as the real server does (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t);
    const client = await rawClient(t, server);
    client.send('1|authenticate|cymru|a,b');
    client.send('2|ping');
    client.send('3|route|invite');
    client.send('4|dance');
    await closed(client.socket);
    const { port } = server.layer.addressFor('udp');
    const frames = client.received().split(/\d+#(?=[0-9a-f]{8}-)/);
    t.match(
      frames[1],
      new RegExp(`\\|response\\|1\\|OK\\|udp/127.0.0.1:${port},tcp/127.0.0.1:${port}\\|v0\\.9\\.10\\|`),
    );
    t.match(frames[2], /\|response\|2\|OK\|pong$/);
    t.match(frames[3], /\|response\|3\|OK$/);
    t.match(frames[4], /\|response\|4\|NO\|Unknown message type$/);
    t.equal(server.counters.unknownCommands, 1);
  },
);

t.test('control port: frames in pieces and several at once are understood (not drachtio)', notDrachtio, async (t) => {
  const server = await startServer(t);
  const client = await rawClient(t, server);
  const bytes = Buffer.from(
    '22#1|authenticate|cymru|é6#2|ping6#3|ping'.replace('22#', `${Buffer.byteLength('1|authenticate|cymru|é')}#`),
  );
  for (const byte of bytes) {
    client.socket.write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until(() => client.received().includes('|3|OK|pong'));
  t.equal(server.counters.badControlFrames, 0);
});

for (const [what, junk] of [
  ['binary junk', Buffer.from([0, 255, 1, 254, 35, 35, 10])],
  ['a frame without length', Buffer.from('ping')],
  ['a length that is too large', Buffer.from('9999999#x')],
  ['a length of nothing', Buffer.from('0#')],
  ['more digits than a length has', Buffer.from('123456789')],
] as const) {
  t.test(`control port: ${what} closes the client and is counted (not drachtio)`, notDrachtio, async (t) => {
    const server = await startServer(t);
    const client = await rawClient(t, server);
    client.socket.write(junk);
    await closed(client.socket);
    t.equal(server.counters.badControlFrames, 1);
    await connectApp(t, server);
  });
}

t.test(
  'control port: a wrong length after authenticate closes the client and is counted (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t);
    const client = await rawClient(t, server);
    client.send('1|authenticate|cymru|');
    client.socket.write('3#2|ping');
    await closed(client.socket);
    t.equal(server.counters.badControlFrames + server.counters.unknownCommands, 1);
  },
);

t.test(
  'control port: SIP that cannot be sent is refused with a reason, the client stays (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t);
    const client = await rawClient(t, server);
    client.send('1|authenticate|cymru|');
    const bad = [
      'nonsense',
      'OPTIONS sip:127.0.0.1 SIP/2.0\r\nbad header\r\n\r\n',
      'OPTIONS sips:127.0.0.1 SIP/2.0\r\n\r\n',
      'MESSAGE sip:127.0.0.1 SIP/2.0\r\n\r\nbody without type',
      'CANCEL sip:127.0.0.1 SIP/2.0\r\n\r\n',
      'SIP/2.0 200 OK\r\n\r\n',
      'SIP/2.0 999 No\r\n\r\n',
    ];
    for (const [i, text] of bad.entries()) client.send(`m${i}|sip||\r\n${text}`);
    client.send('d|sip||no such dialog\r\nBYE sip:placeholder SIP/2.0\r\n\r\n');
    client.send('p|ping');
    await until(() => client.received().includes('|p|OK|pong'));
    for (const i of bad.keys()) t.match(client.received(), `|response|m${i}|NOK|`);
    t.match(client.received(), /\|response\|d\|NOK\|[^#]*unable to find dialog/);
    t.equal(server.counters.refusedCommands, bad.length + 1);
  },
);

t.test('SIP port: garbage over UDP is counted by reason and harms nobody (not drachtio)', notDrachtio, async (t) => {
  const server = await startServer(t);
  const { port } = server.layer.addressFor('udp');
  const socket = createSocket('udp4');
  t.teardown(() => socket.close());
  const send = async (bytes: Buffer): Promise<void> => {
    await new Promise<void>((resolve) => socket.send(bytes, port, '127.0.0.1', () => resolve()));
  };
  await send(Buffer.from([0, 1, 2, 255, 254, 13, 10, 13, 10]));
  await send(Buffer.alloc(65_507, 0x41));
  await send(
    Buffer.from('INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\nContent-Length: 99\r\n\r\nshort'),
  );
  await send(Buffer.from('SIP/2.0 200 OK\r\n\r\n'));
  await send(Buffer.from('\r\n\r\n'));
  const { counters } = server.layer;
  await until(() => counters.parseErrorTotal === 4 && counters.keepAlives === 1);
  t.same(counters.parseErrors, { 'not-sip': 2, truncated: 1, 'missing-header': 1 });
  await connectApp(t, server, (srf) => srf.options((_req, res) => res.send(200)));
  const phone = await startPhone(t);
  t.equal((await phone.request({ method: 'OPTIONS', uri: uriOf(server) }))?.status, 200);
});

t.test(
  'SIP port: a stream that cannot be framed is closed and counted; half a message harms nobody (not drachtio)',
  notDrachtio,
  async (t) => {
    const server = await startServer(t);
    const { port } = server.layer.addressFor('tcp');
    const half = connect(port, '127.0.0.1');
    t.teardown(() => half.destroy());
    half.write('OPTIONS sip:a@b SIP/2.0\r\nVia: ');
    half.end();
    const flood = connect(port, '127.0.0.1');
    t.teardown(() => flood.destroy());
    flood.on('error', () => flood.destroy());
    flood.write(Buffer.alloc(200_000, 0x41));
    await closed(flood);
    t.equal(server.layer.counters.oversize, 1);
    const bad = connect(port, '127.0.0.1');
    t.teardown(() => bad.destroy());
    bad.on('error', () => bad.destroy());
    bad.write('OPTIONS sip:a@b SIP/2.0\r\nContent-Length: many\r\n\r\n');
    await closed(bad);
    t.equal(server.layer.counters.parseErrors['bad-content-length'], 1);
  },
);

t.test('metrics: live transactions and dialogs are shown and return to zero (not drachtio)', notDrachtio, async (t) => {
  const server = await startServer(t);
  await connectApp(t, server, (srf) => {
    srf.invite((req, res) => void srf.createUAS(req, res, { localSdp: sdp(1) }));
  });
  const phone = await startPhone(t);
  const dialog = await phone.invite({ uri: uriOf(server), sdp: sdp(2) }).answered;
  const metrics = async (): Promise<string> => (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text();
  const live = await metrics();
  t.match(live, /sip_dialogs\{[^}]*\} 1\n/);
  t.match(live, /sip_control_clients\{[^}]*\} 1\n/);
  t.match(live, /sip_transactions\{side="server"[^}]*\} 1\n/);
  await dialog.bye();
  await until(() => server.layer.gauges.serverTransactions === 0 && server.bridge.pendingCounts.server === 0);
  const after = await metrics();
  t.match(after, /sip_dialogs\{[^}]*\} 0\n/);
  t.match(after, /sip_transactions\{side="server"[^}]*\} 0\n/);
  t.equal((await fetch(`http://127.0.0.1:${server.httpPort}/health`)).status, 200);
});

t.test('metrics: transactions, repeats and connections bear their transport (not drachtio)', notDrachtio, async (t) => {
  const server = await startServer(t);
  await connectApp(t, server, (srf) => {
    srf.invite((req, res) => void srf.createUAS(req, res, { localSdp: sdp(1) }));
    srf.options((_req, res) => res.send(200));
  });
  const phone = await startPhone(t);
  const dialog = await phone.invite({ uri: uriOf(server, '100', 'tcp'), sdp: sdp(2) }).answered;
  const twice = createSocket('udp4');
  t.teardown(() => twice.close());
  const { port } = server.layer.addressFor('udp');
  const options = [
    `OPTIONS sip:127.0.0.1:${port} SIP/2.0`,
    'Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bK-twice;rport',
    'From: <sip:a@b>;tag=1',
    'To: <sip:c@d>',
    'Call-ID: twice',
    'CSeq: 1 OPTIONS',
    '\r\n',
  ].join('\r\n');
  twice.send(options, port, '127.0.0.1');
  twice.send(options, port, '127.0.0.1');
  await until(() => server.layer.counters.retransmissionsReceived === 1);
  const text = await (await fetch(`http://127.0.0.1:${server.httpPort}/metrics`)).text();
  const shown = (name: string, labels: string): string | undefined =>
    new RegExp(`^${name}\\{${labels}[^}]*\\} (\\S+)$`, 'm').exec(text)?.[1];
  t.equal(shown('sip_retransmissions_received_total', 'transport="udp"'), '1');
  t.equal(shown('sip_retransmissions_received_total', 'transport="tcp"'), '0');
  t.equal(shown('sip_transactions', 'side="server",transport="tcp"'), '1');
  t.equal(shown('sip_transactions', 'side="client",transport="tcp"'), '0');
  t.equal(shown('sip_connections', 'transport="tcp"'), '1');
  t.equal(shown('sip_connections', 'transport="udp"'), '0');
  await dialog.bye();
});

t.test('arguments: what is unsupported or wrong is refused with a reason', async (t) => {
  for (const [argv, reason] of [
    [['--external-ip', 'a b'], /an IP address or a host name expected: a b/],
    [['--local-net', '10.0.0.0/33'], /a network like/],
    [['--contact', 'sip:127.0.0.1:5060;transport=tls'], /tls needs --cert-file/],
    [['--contact', '127.0.0.1'], /not a sip URI/],
    [['--port', '70000'], /port from 0/],
    [['--http-handler', 'ftp://x'], /http or https/],
    [['--dance'], /dance/],
  ] as const) {
    t.throws(() => readArguments(argv), { message: reason });
  }
  t.same(
    readArguments(['--contact', 'sip:127.0.0.1:5070;transport=udp,tcp', '--contact', 'sip:*:5080;transport=udp'])
      .listen,
    [
      { transport: 'udp', host: '127.0.0.1', port: 5070 },
      { transport: 'tcp', host: '127.0.0.1', port: 5070 },
      { transport: 'udp', host: '0.0.0.0', port: 5080 },
    ],
  );
});
