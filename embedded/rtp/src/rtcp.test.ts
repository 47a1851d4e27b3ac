import t from 'tap';
import { ReceptionStatistics } from './reception-statistics.js';
import {
  createRtcpCompound,
  looksLikeRtcp,
  RTCP_PACKET_BYTES,
  type RtcpReport,
  readRtcp,
  setNtpTime,
  shortNtp,
  writeRtcp,
} from './rtcp.js';
import { RtcpSession } from './rtcp-session.js';

const OURS = 0xdeadbeef;
const THEIRS = 0x01020304;
const FULL: RtcpReport = {
  ssrc: THEIRS,
  sender: {
    ntpSeconds: 0xe0000001,
    ntpFraction: 0x80000000,
    rtpTimestamp: 0xfffffff0,
    packetCount: 7,
    octetCount: 1120,
  },
  block: {
    ssrc: OURS,
    fractionLost: 64,
    cumulativeLost: -3,
    highestSequence: 0x00020001,
    jitterUnits: 17,
    lastSenderReport: 0xabcd1234,
    sinceSenderReport: 65536,
  },
  cname: 'someone',
  isBye: true,
};

function written(report: RtcpReport): Buffer {
  const bytes = Buffer.alloc(RTCP_PACKET_BYTES, 0xff);
  return bytes.subarray(0, writeRtcp(bytes, report));
}

t.test('rtcp: what is written is read again, and stands where RFC 3550 has it', (t) => {
  const bytes = written(FULL);
  t.ok(looksLikeRtcp(bytes));
  t.equal(bytes.length % 4, 0);
  t.equal(bytes.readUInt8(0), 0x81, 'version 2, one block');
  t.equal(bytes.readUInt8(1), 200);
  t.equal(bytes.readUInt16BE(2), 12, 'words less one');
  t.equal(bytes.readUInt32BE(28), OURS);
  t.equal(bytes.readUIntBE(33, 3), 0xfffffd, 'a negative loss in 24 bits');
  t.equal(bytes.readUInt8(53), 202, 'the description follows');
  t.same([...bytes.subarray(60, 62)], [1, 7], 'its first item is the name');
  t.equal(bytes.toString('latin1', 62, 69), 'someone');
  const into = createRtcpCompound();
  t.ok(readRtcp(bytes, bytes.length, OURS, into));
  t.same(into, { ssrc: THEIRS, hasSender: true, sender: FULL.sender, hasBlock: true, block: FULL.block, isBye: true });
  const receiver = written({ ...FULL, sender: undefined, block: undefined, isBye: false, cname: 'x'.repeat(300) });
  t.equal(receiver.readUInt8(1), 201);
  t.ok(readRtcp(receiver, receiver.length, OURS, into), 'a receiver report without blocks, a name that is cut');
  t.same([into.hasSender, into.hasBlock, into.isBye], [false, false, false]);
  t.notOk(readRtcp(bytes, bytes.length, 5, into) && into.hasBlock, 'a block about somebody else is none about us');
  t.end();
});

t.test('rtcp: hostile datagrams are refused, and none throws', (t) => {
  const into = createRtcpCompound();
  const good = written(FULL);
  const isRead = (bytes: Buffer): boolean => readRtcp(bytes, bytes.length, OURS, into);
  const changed = (at: number, value: number): Buffer => {
    const copy = Buffer.from(good);
    copy[at] = value;
    return copy;
  };
  const sdesFirst = Buffer.concat([good.subarray(52), good.subarray(0, 52)]);
  for (const [what, bytes] of [
    ['empty', Buffer.alloc(0)],
    ['a header only', good.subarray(0, 4)],
    ['version 1', changed(0, 0x41)],
    ['version 1 in the second', changed(52, 0x41)],
    ['more blocks than there is room', changed(0, 0x9f)],
    ['a length beyond the datagram', changed(3, 200)],
    ['a length beyond the datagram, in the last', changed(good.length - 5, 9)],
    ['a report that its length cuts short', changed(3, 3)],
    ['padding in the first', changed(0, 0xa1)],
    ['no report first', sdesFirst],
    ['more leavers than there is room', changed(good.length - 8, 0x9f)],
    [
      'padding of no length',
      Buffer.concat([good.subarray(0, good.length - 8), Buffer.from([0xa0, 203, 0, 1, 0, 0, 0, 0])]),
    ],
    ['padding that is longer than its packet', changed(good.length - 8, 0xa1).fill(60, good.length - 1)],
    ['RTP', Buffer.from([0x80, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1])],
  ] as const) {
    t.notOk(isRead(bytes), what);
  }
  for (let length = 0; length < good.length; length++) {
    const ends = [52, good.length - 8, 72];
    if (isRead(good.subarray(0, length)) && !ends.includes(length)) t.fail(`cut to ${length}`);
  }
  let state = 1;
  for (let i = 0; i < 50_000; i++) {
    const bytes = Buffer.from(good);
    for (let n = 0; n < 4; n++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      bytes[(state >>> 8) % bytes.length] = state >>> 24;
    }
    isRead(bytes.subarray(0, (state >>> 4) % (bytes.length + 1)));
  }
  const padded = Buffer.concat([
    good.subarray(0, good.length - 8),
    Buffer.from([0xa1, 203, 0, 2, 1, 2, 3, 4, 0, 0, 0, 4]),
  ]);
  t.ok(isRead(padded), 'padding in the last is right');
  const unknown = Buffer.concat([good.subarray(0, 52), Buffer.from([0x80, 207, 0, 0])]);
  t.ok(isRead(unknown), 'types that nobody knows are passed over');
  t.end();
});

t.test('rtcp: loss, highest sequence number and jitter of what came, part by part', (t) => {
  const session = new RtcpSession(OURS, 'us', () => 0.5);
  const received = new ReceptionStatistics();
  const nothing = { packets: 0, octets: 0, timestamp: 0 };
  const into = createRtcpCompound();
  const report = (): typeof into.block => {
    const bytes = Buffer.alloc(RTCP_PACKET_BYTES);
    const length = session.write(bytes, 0, 1_700_000_000_000, received, THEIRS, nothing);
    t.ok(readRtcp(bytes, length, THEIRS, into));
    t.notOk(into.hasSender, 'who sends nothing is a receiver');
    return { ...into.block };
  };
  // 100 packets over the turn of the sequence, every fourth is lost.
  for (let i = 0; i < 100; i++) {
    if (i % 4 !== 2) received.add((65500 + i) & 0xffff, i * 160, 8000, i * 20 + (i % 2) * 10);
  }
  const first = report();
  t.match(first, { ssrc: THEIRS, fractionLost: 64, cumulativeLost: 25, highestSequence: 0x10000 + 63 });
  t.ok(first.jitterUnits > 30 && first.jitterUnits < 90, `jitter ${first.jitterUnits} of 80 units`);
  for (let i = 100; i < 150; i++) received.add((65500 + i) & 0xffff, i * 160, 8000, i * 20);
  t.match(report(), { fractionLost: 0, cumulativeLost: 25, highestSequence: 0x10000 + 113 });
  // Doubled packets count against the loss, below zero if they must.
  for (let i = 110; i < 150; i++) received.add((65500 + i) & 0xffff, i * 160, 8000, i * 20);
  t.match(report(), { fractionLost: 0, cumulativeLost: -15 });
  // Another stream begins anew.
  received.restart();
  received.add(7, 0, 8000, 10_000);
  received.add(9, 320, 8000, 10_040);
  t.match(report(), { fractionLost: 85, cumulativeLost: 1, highestSequence: 9 });
  received.add(40_000, 0, 8000, 11_000);
  t.match(report(), { fractionLost: 0, cumulativeLost: 0, highestSequence: 40_000 }, 'and so does a jump');
  t.end();
});

t.test('rtcp: two parties measure their round trip, and tell what they sent', (t) => {
  const [a, b] = [new RtcpSession(1, 'a'), new RtcpSession(2, 'b')];
  const received = new ReceptionStatistics();
  received.add(1, 160, 8000, 0);
  const bytes = Buffer.alloc(RTCP_PACKET_BYTES);
  // Not a whole second, so that the fraction counts.
  const startMs = 1_700_000_000_750;
  let length = a.write(bytes, 0, startMs, received, 2, { packets: 50, octets: 8000, timestamp: 77 });
  t.ok(b.receive(bytes, length, startMs + 30));
  t.match(b.heard, { ssrc: 1, hasSender: true, sender: { packetCount: 50, octetCount: 8000, rtpTimestamp: 77 } });
  t.equal(b.peerPackets, 50);
  t.equal(b.roundTripMs, undefined, 'nobody has answered yet');
  // 400 ms later it answers, which takes 50 ms.
  length = b.write(bytes, 0, startMs + 430, received, 1, { packets: 0, octets: 0, timestamp: 0 });
  t.ok(a.receive(bytes, length, startMs + 480));
  t.ok(Math.abs(a.roundTripMs! - 80) < 0.1, `${a.roundTripMs} ms`);
  const report = { ntpSeconds: 0, ntpFraction: 0 };
  setNtpTime(report, 0);
  t.equal(report.ntpSeconds, 2_208_988_800);
  t.equal(shortNtp({ ntpSeconds: 0x12345678, ntpFraction: 0x9abcdef0 }), 0x56789abc);
  // What somebody else says of its stream is not the peer's.
  const other = new RtcpSession(9, 'other');
  const late = Buffer.alloc(RTCP_PACKET_BYTES);
  const lateLength = other.write(late, 0, startMs, received, -1, { packets: 9999, octets: 0, timestamp: 0 }, true);
  t.ok(b.receive(late, lateLength, startMs, 1));
  t.equal(b.peerPackets, 50);
  t.notOk(b.isPeerGone);
  // A report whose times are nonsense changes nothing.
  bytes.writeUInt32BE(5, 24);
  a.receive(bytes, length, startMs + 480);
  t.ok(Math.abs(a.roundTripMs! - 80) < 0.1);
  t.end();
});

t.test('rtcp: reports come at random intervals around the mean, the first after half of it', (t) => {
  let seed = 1;
  const session = new RtcpSession(1, 'a', () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    return seed / 2 ** 32;
  });
  const bytes = Buffer.alloc(RTCP_PACKET_BYTES);
  const received = new ReceptionStatistics();
  t.notOk(session.isDue(1e9), 'none before it is agreed');
  session.schedule(0, 5000);
  const times: number[] = [];
  const sent = { packets: 0, octets: 0, timestamp: 0 };
  const into = createRtcpCompound();
  const kinds: boolean[] = [];
  for (let nowMs = 0; nowMs < 3_600_000; nowMs += 20) {
    if (!session.isDue(nowMs)) continue;
    times.push(nowMs);
    if (times.length === 3) sent.packets = 10;
    const length = session.write(bytes, nowMs, nowMs, received, -1, sent);
    readRtcp(bytes, length, 1, into);
    kinds.push(into.hasSender);
  }
  t.ok(times[0]! >= 1000 && times[0]! <= 3200, `first at ${times[0]} ms`);
  const gaps = times.slice(1).map((time, i) => time - times[i]!);
  t.ok(Math.min(...gaps) >= 2000 && Math.max(...gaps) <= 6200, `${Math.min(...gaps)}…${Math.max(...gaps)} ms`);
  const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
  t.ok(Math.abs(mean - 5000 / (Math.E - 1.5)) < 200, `mean ${mean}: the time that RFC 3550 takes for granted`);
  t.same(kinds.slice(0, 7), [false, false, true, true, false, false, false], 'a sender is one for two intervals');
  session.schedule(0, 0);
  t.notOk(session.isDue(1e9));
  t.end();
});
