import t from 'tap';
import { createRtpPacket, parseRtp, sequenceDelta, timestampDelta, writeRtp } from './packet.js';

t.test('a written packet is read back field by field', (t) => {
  const buffer = Buffer.alloc(64);
  const header = { marker: true, payloadType: 8, sequence: 65535, timestamp: 0xfffffff0, ssrc: 0xdeadbeef };
  const length = writeRtp(buffer, header, Buffer.from([1, 2, 3]));
  const packet = createRtpPacket();
  t.ok(parseRtp(buffer.subarray(0, length), packet));
  t.match(packet, { ...header, payloadOffset: 12, payloadLength: 3 });
  t.end();
});

t.test('CSRCs, extension and padding are not payload', (t) => {
  const datagram = Buffer.concat([
    Buffer.from([0x80 | 0x20 | 0x10 | 2, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]),
    Buffer.alloc(8),
    Buffer.from([0xbe, 0xde, 0, 1, 1, 2, 3, 4]),
    Buffer.from('audio'),
    Buffer.from([0, 0, 3]),
  ]);
  const packet = createRtpPacket();
  t.ok(parseRtp(datagram, packet));
  t.equal(datagram.toString('latin1', packet.payloadOffset, packet.payloadOffset + packet.payloadLength), 'audio');
  t.end();
});

t.test('what is not RTP is refused', (t) => {
  const packet = createRtpPacket();
  const rtcp = Buffer.alloc(28);
  rtcp[0] = 0x80;
  rtcp[1] = 200;
  const longPadding = Buffer.alloc(14);
  longPadding[0] = 0xa0;
  longPadding[13] = 200;
  const cases = [Buffer.alloc(0), Buffer.alloc(11, 0x80), Buffer.alloc(65507, 0), rtcp, longPadding];
  cases.push(
    Buffer.from([0x8f, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]),
    Buffer.from([0x90, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1]),
  );
  for (const datagram of cases) t.notOk(parseRtp(datagram, packet), datagram.subarray(0, 14).toString('hex'));
  t.end();
});

t.test('distances wrap around', (t) => {
  t.equal(sequenceDelta(65535, 0), 1);
  t.equal(sequenceDelta(0, 65535), -1);
  t.equal(timestampDelta(0xffffffff, 159), 160);
  t.end();
});
