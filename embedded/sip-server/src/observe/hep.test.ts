import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@ringwire/common/log/logger.js';
import t, { type Test } from 'tap';
import { connectApp, until, uriOf } from '../test-rig.js';
import { encodeHep, parseHomerAddress } from './hep.js';
import { HepSender, type HepTarget } from './hep-sender.js';
import { metric, startObserved, startPhone, wireMessage } from './observe-rig.js';

const IDENTITY = { agentId: 2001, authKey: 'myHep', nodeName: 'edge' };
const AT = 1_800_000_000_123_456;
const SIP = ['OPTIONS sip:a SIP/2.0', 'Call-ID: a@b', 'CSeq: 1 OPTIONS', 'Content-Length: 0'];
const logger = createLogger({ name: 'test', level: 'silent' });

/** The chunks of a HEP 3 packet by vendor and type; fails on any wrong length. */
function decodeHep(packet: Buffer): Map<number, Buffer> {
  if (packet.toString('latin1', 0, 4) !== 'HEP3') throw new Error('no HEP3');
  if (packet.readUInt16BE(4) !== packet.length) throw new Error('wrong length');
  const chunks = new Map<number, Buffer>();
  let at = 6;
  while (at < packet.length) {
    const [vendor, type, length] = [packet.readUInt16BE(at), packet.readUInt16BE(at + 2), packet.readUInt16BE(at + 4)];
    if (vendor !== 0 || length < 6 || at + length > packet.length) throw new Error('wrong chunk');
    chunks.set(type, packet.subarray(at + 6, at + length));
    at += length;
  }
  return chunks;
}

const hex = (chunks: Map<number, Buffer>): Record<number, string> =>
  Object.fromEntries([...chunks].map(([type, value]) => [type, value.toString('hex')]));

t.test('HEP: every chunk of a message over IPv4 and UDP is as the format says', async (t) => {
  const message = wireMessage(SIP, { atUs: AT });
  const chunks = decodeHep(encodeHep(message, message.bytes, IDENTITY)!);
  t.same(hex(chunks), {
    1: '02',
    2: '11',
    3: 'c0000201',
    4: 'c0000209',
    7: '13c6',
    8: '13c4',
    9: '6b49d200',
    10: '0001e240',
    11: '01',
    12: '000007d1',
    14: Buffer.from('myHep').toString('hex'),
    15: message.bytes.toString('hex'),
    17: Buffer.from('a@b').toString('hex'),
    19: Buffer.from('edge').toString('hex'),
  });
});

t.test('HEP: IPv6, TCP, our own messages and X-CID', async (t) => {
  const message = wireMessage([...SIP, 'X-CID: outer'], {
    atUs: AT,
    peer: { transport: 'tls', host: '2001:db8::1' },
    local: { host: '2001:db8::9' },
  });
  const chunks = decodeHep(
    encodeHep({ ...message, direction: 'out' }, message.bytes, { ...IDENTITY, authKey: undefined })!,
  );
  t.match(hex(chunks), {
    1: '0a',
    2: '06',
    5: '20010db8000000000000000000000009',
    6: '20010db8000000000000000000000001',
  });
  t.equal(chunks.get(17)?.toString(), 'outer', 'inner legs are tied to the outer one');
  t.equal(chunks.has(14), false);
  t.equal(chunks.has(3), false);
});

t.test('HEP: a message too large for a packet is refused, one that just fits is not', async (t) => {
  const overhead = encodeHep(wireMessage(SIP), Buffer.alloc(0), IDENTITY)!.length;
  t.ok(encodeHep(wireMessage(SIP), Buffer.alloc(65_507 - overhead), IDENTITY));
  t.equal(encodeHep(wireMessage(SIP), Buffer.alloc(65_508 - overhead), IDENTITY), undefined);
});

t.test('HEP: addresses of Homer as drachtio takes them, and IPv6', async (t) => {
  t.same(parseHomerAddress('192.0.2.1'), { host: '192.0.2.1', port: 9060 });
  t.same(parseHomerAddress('homer.example.com:9061'), { host: 'homer.example.com', port: 9061 });
  t.same(parseHomerAddress('[::1]:9060'), { host: '::1', port: 9060 });
  for (const wrong of ['', ':9060', '::1', 'a:b', 'a:70000', 'a:0', '[a]:1', 'a b']) {
    t.equal(parseHomerAddress(wrong), undefined, wrong);
  }
});

const hasSngrep = spawnSync('sngrep', ['-V']).status === 0;

/** Bytes that wait in the UDP socket bound to a port of IPv4; undefined while there is none. */
function waitingAt(port: number): number | undefined {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = readFileSync('/proc/net/udp', 'latin1').split('\n');
  const fields = lines.map((line) => line.trim().split(/\s+/)).find(([, address]) => address?.endsWith(local));
  return fields && Number.parseInt(fields[4]!.split(':')[1]!, 16);
}

/** A UDP port of loopback that is free now. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  await once(socket, 'close');
  return port;
}

t.test(
  'HEP: sngrep reads the packets and writes down what was in them',
  hasSngrep ? {} : { skip: 'sngrep is not installed' },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'ringwire-hep-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'out.pcap');
    const port = await freePort();
    const args = ['-N', '-q', '-L', `udp:127.0.0.1:${port}`, '-O', file];
    const sngrep = spawn('sngrep', args, { stdio: 'ignore', env: { ...process.env, TERM: 'xterm' } });
    t.teardown(() => sngrep.kill('SIGKILL'));
    const exited = once(sngrep, 'exit');
    const sender = new HepSender({ host: '127.0.0.1', port, protocol: 'udp' }, IDENTITY, logger);
    t.teardown(() => sender.close());
    await until(() => sender.isReady && waitingAt(port) !== undefined);
    const message = wireMessage([...SIP, 'From: <sip:a@b>;tag=1', 'To: <sip:c@d>'], { atUs: AT });
    sender.take(message);
    await until(() => sender.counters.sent === 1 && waitingAt(port) === 0);
    sngrep.kill('SIGINT');
    await exited;
    const written = readFileSync(file);
    t.ok(written.includes(message.bytes), 'the message');
    t.ok(written.includes(Buffer.from('c0000201c000020913c613c4', 'hex')), 'addresses and ports');
    t.equal(written.readUInt32LE(24), Math.floor(AT / 1e6), 'time');
  },
);

/** A Homer that keeps what comes. */
async function startHomer(t: Test, protocol: 'udp' | 'tcp', host = '127.0.0.1') {
  const packets: Array<Map<number, Buffer>> = [];
  if (protocol === 'udp') {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    socket.bind(0, host);
    await once(socket, 'listening');
    t.teardown(() => socket.close());
    socket.on('message', (packet) => packets.push(decodeHep(packet)));
    return { packets, port: socket.address().port };
  }
  let rest = Buffer.alloc(0);
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      rest = Buffer.concat([rest, chunk]);
      while (rest.length >= 6 && rest.length >= rest.readUInt16BE(4)) {
        packets.push(decodeHep(rest.subarray(0, rest.readUInt16BE(4))));
        rest = rest.subarray(rest.readUInt16BE(4));
      }
    });
  });
  server.listen(0, host);
  await once(server, 'listening');
  t.teardown(() => server.close());
  return { packets, port: (server.address() as AddressInfo).port };
}

for (const [protocol, host] of [
  ['udp', '127.0.0.1'],
  ['udp', '[::1]'],
  ['tcp', '127.0.0.1'],
] as const) {
  t.test(`HEP: Homer gets every message of a call over ${protocol} at ${host}, secrets masked`, async (t) => {
    const homer = await startHomer(t, protocol, host.replace(/[[\]]/g, ''));
    const flags = ['--homer', `${host}:${homer.port}`, '--homer-id', '7', '--homer-protocol', protocol];
    const { server } = await startObserved(t, flags);
    // What comes before the socket is there is dropped and counted: wait until it is.
    const refusing = await startPhone(t);
    await until(() => server.observer.hep!.isReady);
    await connectApp(t, server, (srf) => srf.invite((_req, res) => res.send(486)));
    const authorization = 'Digest username="a", realm="b", nonce="c", uri="sip:d", response="0123456789abcdef"';
    const call = refusing.invite({ uri: uriOf(server), headers: { Authorization: authorization } });
    t.match(await call.answered.catch((err: unknown) => err), { status: 486 });
    const lines = () => homer.packets.map((chunks) => chunks.get(15)!.toString().split(' ').slice(0, 2).join(' '));
    for (const line of [/^INVITE/, /^SIP\/2.0 100/, /^SIP\/2.0 486/, /^ACK/])
      await until(() => lines().some((l) => line.test(l)));
    t.same(new Set(homer.packets.map((chunks) => chunks.get(17)!.toString())).size, 1, 'one call');
    t.equal(homer.packets[0]!.get(12)!.readUInt32BE(), 7);
    t.match(homer.packets[0]!.get(15)!.toString(), 'response="xxxxxxxxxxxxxxxx"');
    t.ok((await metric(server, 'sip_hep_packets_total', { result: 'sent' }))! >= 4);
  });
}

for (const protocol of ['udp', 'tcp'] as const) {
  t.test(`HEP: a dead Homer over ${protocol} hurts no call, and what it misses is counted`, async (t) => {
    const { server } = await startObserved(t, [
      '--homer',
      '127.0.0.1:1',
      '--homer-id',
      '7',
      '--homer-protocol',
      protocol,
    ]);
    await connectApp(t, server, (srf) => srf.invite((_req, res) => res.send(486)));
    const phone = await startPhone(t);
    for (let i = 0; i < 3; i++)
      t.match(await phone.invite({ uri: uriOf(server) }).answered.catch((err: unknown) => err), { status: 486 });
    await until(() => server.observer.hep!.counters.dropped > 0);
    t.ok((await metric(server, 'sip_hep_packets_total', { result: 'dropped' }))! > 0);
  });
}

t.test('HEP: a Homer that does not read costs bounded memory; one that comes back is found again', async (t) => {
  const sockets: Socket[] = [];
  const stuck = createServer((socket) => {
    sockets.push(socket.on('error', () => {}));
    socket.pause();
  });
  stuck.listen(0, '127.0.0.1');
  await once(stuck, 'listening');
  const { port } = stuck.address() as AddressInfo;
  const target: HepTarget = { host: '127.0.0.1', port, protocol: 'tcp' };
  const sender = new HepSender(target, IDENTITY, logger, 10);
  t.teardown(() => sender.close());
  await until(() => sockets.length === 1);
  const message = wireMessage(SIP, { body: 'x'.repeat(60_000) });
  for (let i = 0; i < 2_000 && sender.counters.dropped === 0; i++) {
    sender.take(message);
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.ok(sender.counters.dropped > 0, 'what does not fit is dropped');
  t.ok(sender.waitingBytes <= 4 * 1024 * 1024, `${sender.waitingBytes} bytes wait`);
  sockets[0]!.destroy();
  await until(() => sockets.length === 2);
  const got = once(sockets[1]!, 'data');
  sockets[1]!.resume();
  sender.take(wireMessage(SIP));
  t.equal(
    decodeHep((await got)[0] as Buffer)
      .get(17)
      ?.toString(),
    'a@b',
  );
  stuck.close();
});
