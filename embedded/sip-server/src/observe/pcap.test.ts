import t, { type Test } from 'tap';
import { wireMessage } from './observe-rig.js';
import { addressPair, type PcapMessage, writePcap } from './pcap.js';
import { needsTshark, tshark } from './test-tshark.js';

/** A packet as the file has it. */
interface Packet {
  atUs: number;
  from: string;
  to: string;
  protocol: 'udp' | 'tcp';
  sequence: number;
  payload: string;
}

/** RFC 1071 over a whole header or segment with its pseudo header: 0 when the checksum in it is right. */
function residue(bytes: Buffer): number {
  const even = bytes.length % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(1)]);
  let sum = 0;
  for (let i = 0; i < even.length; i += 2) sum += even.readUInt16BE(i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** Reads a pcap file of raw IP packets, checking every length and checksum. */
function readPcap(t: Test, file: Buffer): Packet[] {
  t.equal(file.readUInt32LE(0), 0xa1b2c3d4, 'magic');
  t.equal(file.readUInt32LE(20), 101, 'raw IP');
  const packets: Packet[] = [];
  for (let at = 24; at < file.length; ) {
    const length = file.readUInt32LE(at + 8);
    t.equal(file.readUInt32LE(at + 12), length);
    const packet = file.subarray(at + 16, at + 16 + length);
    t.equal(packet.length, length, 'whole');
    packets.push({ atUs: file.readUInt32LE(at) * 1e6 + file.readUInt32LE(at + 4), ...readIp(t, packet) });
    at += 16 + length;
  }
  return packets;
}

function readIp(t: Test, packet: Buffer): Omit<Packet, 'atUs'> {
  const isV4 = packet[0]! >> 4 === 4;
  const head = isV4 ? 20 : 40;
  const segment = packet.subarray(head);
  if (isV4) t.equal(packet.readUInt16BE(2), packet.length, 'length of IPv4');
  else t.equal(packet.readUInt16BE(4), segment.length, 'length of IPv6');
  if (isV4) t.equal(residue(packet.subarray(0, 20)), 0, 'checksum of IPv4');
  const [source, target] = isV4
    ? [packet.subarray(12, 16), packet.subarray(16, 20)]
    : [packet.subarray(8, 24), packet.subarray(24, 40)];
  const number = isV4 ? packet[9]! : packet[6]!;
  const pseudo = Buffer.from([0, number, segment.length >> 8, segment.length & 255]);
  t.equal(residue(Buffer.concat([source, target, pseudo, segment])), 0, 'checksum of the segment');
  const isUdp = number === 17;
  if (isUdp) t.equal(segment.readUInt16BE(4), segment.length, 'length of UDP');
  const text = (address: Buffer): string => (isV4 ? address.join('.') : address.toString('hex'));
  return {
    from: `${text(source)}:${segment.readUInt16BE(0)}`,
    to: `${text(target)}:${segment.readUInt16BE(2)}`,
    protocol: isUdp ? 'udp' : 'tcp',
    sequence: isUdp ? 0 : segment.readUInt32BE(4),
    payload: segment.subarray(isUdp ? 8 : 20).toString('latin1'),
  };
}

const AT = 1_800_000_000_123_456;
const request = (rest: Parameters<typeof wireMessage>[1] = {}): PcapMessage =>
  wireMessage(
    ['OPTIONS sip:a SIP/2.0', 'Via: SIP/2.0/UDP 192.0.2.1:5062', 'Call-ID: a', 'CSeq: 1 OPTIONS', 'Content-Length: 0'],
    {
      atUs: AT,
      ...rest,
    },
  );
const response = (message: PcapMessage): PcapMessage => ({ ...message, direction: 'out', atUs: AT + 5_000_000 });

t.test('pcap: a message over UDP is one packet with its time, addresses and bytes', async (t) => {
  const message = request();
  const packets = readPcap(t, writePcap([message, response(message)]));
  const payload = message.bytes.toString('latin1');
  t.same(packets, [
    { atUs: AT, from: '192.0.2.1:5062', to: '192.0.2.9:5060', protocol: 'udp', sequence: 0, payload },
    { atUs: AT + 5_000_000, from: '192.0.2.9:5060', to: '192.0.2.1:5062', protocol: 'udp', sequence: 0, payload },
  ]);
});

t.test('pcap: IPv6, mapped and zoned addresses, and names not looked up, are written in one family', async (t) => {
  const v6 = request({ peer: { host: '2001:db8::1:2' }, local: { host: 'fe80::9%eth0' } });
  const [packet] = readPcap(t, writePcap([v6]));
  t.equal(packet?.from, '20010db8000000000000000000010002:5062');
  t.equal(packet?.to, 'fe800000000000000000000000000009:5060');
  const hex = (from: string, to: string) => Object.values(addressPair(from, to)).map((bytes) => bytes.toString('hex'));
  t.same(hex('::ffff:192.0.2.1', '192.0.2.2'), ['c0000201', 'c0000202']);
  t.same(hex('::', '192.0.2.2'), ['0'.repeat(32), '00000000000000000000ffffc0000202']);
  t.same(hex('example.com', '192.0.2.2'), ['00000000', 'c0000202']);
  t.same(hex('::1', '64:ff9b::192.0.2.33'), ['00000000000000000000000000000001', '0064ff9b0000000000000000c0000221']);
});

t.test('pcap: messages over TCP follow each other in sequence, large ones in several segments', async (t) => {
  const small = request({ peer: { transport: 'tcp' } });
  const large = request({ peer: { transport: 'tcp' }, body: 'x'.repeat(150_000) });
  const packets = readPcap(t, writePcap([small, response(small), large]));
  t.same(new Set(packets.map(({ protocol }) => protocol)), new Set(['tcp']));
  const ours = packets.filter(({ from }) => from === '192.0.2.1:5062');
  let expected = 1;
  for (const { sequence, payload } of ours) {
    t.equal(sequence, expected);
    expected += payload.length;
  }
  t.equal(ours.map(({ payload }) => payload).join(''), `${small.bytes}${large.bytes}`);
});

for (const transport of ['udp', 'tcp', 'tls', 'ws', 'wss'] as const) {
  for (const [host, local] of [
    ['192.0.2.1', '192.0.2.9'],
    ['2001:db8::1', '2001:db8::9'],
  ] as const) {
    t.test(`pcap: tshark reads SIP that came over ${transport} to ${local}, on any port`, needsTshark, async (t) => {
      const peer = { transport, host, port: 40_123 };
      const message = request({
        peer,
        local: { transport, host: local, port: transport === 'wss' ? 443 : transport === 'tls' ? 5061 : 28_001 },
      });
      const fields = ['-T', 'fields', '-e', 'sip.Method', '-e', 'sip.Call-ID', '-e', '_ws.malformed'];
      t.equal(tshark(writePcap([message]), fields), 'OPTIONS\ta\t\n');
    });
  }
}
