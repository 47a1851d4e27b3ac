import { codecFormat, correlate, createCodec, encodeG711, tone } from '@ringwire/rtp';
import t from 'tap';
import { chirp } from '../test-peer.js';
import { FrameQueue } from './frame-queue.js';
import { FrameReader } from './frame-reader.js';
import { ReceiveBuffer } from './receive-buffer.js';
import { TickClock } from './tick-clock.js';

const pcmu = createCodec('PCMU');

t.test('the clock ticks on absolute deadlines, makes up for a stall step by step and gives up a long one', (t) => {
  let nowMs = 1000;
  let ticks = 0;
  let skipped = 0;
  const clock = new TickClock(
    () => ticks++,
    (count) => {
      skipped += count;
    },
    () => nowMs,
  );
  clock.start();
  t.teardown(() => clock.stop());
  const at = (ms: number, wanted: number, why: string): void => {
    nowMs = 1000 + ms;
    clock.stop();
    clock.poll();
    t.equal(ticks, wanted, why);
  };
  at(10, 0, 'not before its time');
  at(20.4, 1, 'in time');
  at(43, 2, 'three ms late does not move the next');
  at(59.6, 3, 'half a millisecond early is in time');
  at(130, 3, 'after a stall of 50 ms the sockets are read first');
  at(131, 6, 'then it is made up for');
  t.equal(clock.lateTicks, 1);
  at(430, 6, 'after a stall of 300 ms too');
  at(431, 11, 'five ticks at once');
  at(432, 11, 'the sockets again');
  at(433, 16, 'five more');
  at(434, 16, 'and so on');
  at(435, 21, 'until nothing is missing');
  at(441, 22, 'in step');
  t.equal(skipped, 0);
  at(2441, 22, 'of a stall of two seconds');
  at(2442, 27, 'one second is made up for');
  t.equal(skipped, 50);
  t.equal(clock.skippedTicks, 50);
  for (let turn = 1; turn <= 9; turn++) {
    at(2441 + 2 * turn, 22 + turn * 5, 'in turns with the sockets');
    at(2442 + 2 * turn, 27 + turn * 5, 'five by five');
  }
  at(2460.5, 73, 'and the clock is in step');
  t.end();
});

t.test('received audio is put in its place whatever the order of its packets', (t) => {
  const sound = tone(440, 200);
  const packets = Array.from({ length: 10 }, (_, i) => {
    const bytes = new Uint8Array(160);
    encodeG711('PCMU', sound, i * 160, 160, bytes);
    return { bytes, timestamp: (0xffffff00 + i * 160) >>> 0 };
  });
  const buffer = new ReceiveBuffer();
  const heard = new Int16Array(12 * 160);
  const frame = new Int16Array(160);
  t.notOk(buffer.read(frame, 8000), 'nothing has begun');
  // Swapped, doubled, and number 6 lost.
  const order = [[0], [2, 1], [], [3, 3], [4], [5], [], [7], [8], [9], [], []];
  order.forEach((arriving, tick) => {
    for (const i of arriving) buffer.write(pcmu, packets[i]!.bytes, 0, 160, packets[i]!.timestamp);
    buffer.read(frame, 8000);
    heard.set(frame, tick * 160);
  });
  for (let i = 0; i < 10; i++) {
    // What is lost is concealed; the packet after it is faded in.
    if (i === 6) continue;
    const from = i === 7 ? 80 : 0;
    const place = heard.subarray((i + 1) * 160 + from, (i + 2) * 160);
    const expected = sound.subarray(i * 160 + from, (i + 1) * 160);
    const worst = place.reduce((max, sample, k) => Math.max(max, Math.abs(sample - expected[k]!)), 0);
    t.ok(worst < 512, `packet ${i}: worst error ${worst}`);
  }
  t.end();
});

t.test('a sender whose timestamps jump is followed', (t) => {
  const buffer = new ReceiveBuffer();
  const loud = new Uint8Array(160).fill(0x80);
  const frame = new Int16Array(160);
  for (const start of [0, 800_000, 5000]) {
    let heard = false;
    for (let i = 0; i < 12; i++) {
      buffer.write(pcmu, loud, 0, 160, start + i * 160);
      buffer.read(frame, 8000);
      heard ||= frame[80]! > 10_000;
    }
    t.ok(heard, `from ${start}`);
  }
  t.end();
});

t.test('late packets raise the delay, and it falls again when they are in time', (t) => {
  const buffer = new ReceiveBuffer();
  const frame = new Int16Array(160);
  const sound = new Uint8Array(160).fill(0x80);
  let next = 0;
  const arrive = (): void => buffer.write(pcmu, sound, 0, 160, 160 * next++);
  const silentTicks = (ticks: number): number => {
    let silent = 0;
    for (let i = 0; i < ticks; i++) {
      arrive();
      buffer.read(frame, 8000);
      if (frame[80] === 0) silent++;
    }
    return silent;
  };
  silentTicks(20);
  for (let i = 0; i < 5; i++) buffer.read(frame, 8000);
  for (let i = 0; i < 5; i++) arrive();
  t.equal(silentTicks(50), 0, 'after a stall of 100 ms everything that came late is heard');
  silentTicks(200);
  let left = 0;
  for (; left < 20; left++) {
    buffer.read(frame, 8000);
    if (frame[80] === 0) break;
  }
  t.ok(left - 3 <= 2, `${left - 3} packets of delay are left, after which 60 ms are concealed`);
  t.end();
});

t.test('a packet that the network doubles is heard once, however late the double comes', (t) => {
  const buffer = new ReceiveBuffer();
  const frame = new Int16Array(160);
  const heard: number[] = [];
  for (let i = 0; i < 30; i++) {
    const packet = new Uint8Array(160);
    encodeG711('PCMU', new Int16Array(160).fill(50 * 1.2 ** i), 0, 160, packet);
    buffer.write(pcmu, packet, 0, 160, i * 160);
    if (i > 5) buffer.write(pcmu, packet, 0, 160, (i - 4) * 160);
    buffer.read(frame, 8000);
    heard.push(frame[80]!);
  }
  t.ok(
    heard.slice(2).every((sample, i) => sample > heard[i + 1]!),
    `each packet after the one before: ${heard}`,
  );
  t.equal(buffer.latePackets, 0);
  t.end();
});

for (const id of ['G722', 'L16@16000h', 'opus'] as const) {
  t.test(`${id}: packets are decoded in their order, whatever the order in which they come`, async (t) => {
    await codecFormat(id).load?.();
    const { clockHz } = codecFormat(id);
    const [encoder, decoder] = [createCodec(id), createCodec(id)];
    await new Promise((resolve) => setImmediate(resolve));
    const sound = chirp(600, 16000);
    const packets = Array.from({ length: 30 }, (_, i) => {
      const bytes = new Uint8Array(1300);
      return {
        length: encoder.encode(sound, i * 320, 320, bytes, 0),
        bytes,
        timestamp: (0xfffff000 + (i * clockHz) / 50) >>> 0,
      };
    });
    const buffer = new ReceiveBuffer();
    const heard = new Int16Array(32 * 320);
    for (let tick = 0; tick < 32; tick++) {
      // Every second pair is swapped: its later packet comes first, the earlier one just in time.
      const order = tick % 4 === 1 ? [tick + 1] : tick % 4 === 2 ? [tick - 1] : [tick];
      for (const i of order) {
        const packet = packets[i];
        if (packet) buffer.write(decoder, packet.bytes, 0, packet.length, packet.timestamp);
      }
      buffer.read(heard.subarray(tick * 320, (tick + 1) * 320), 16000);
    }
    const match = correlate(heard, sound);
    t.ok(match.coefficient > 0.98, `${match.coefficient} at ${match.lag}`);
    t.equal(buffer.latePackets, 0);
    encoder.close();
    decoder.close();
  });
}

t.test('a change of codec, clock and rate between two packets leaves no gap', (t) => {
  const buffer = new ReceiveBuffer();
  const heard: number[] = [];
  const frame = new Int16Array(320);
  const l16 = createCodec('L16@16000h');
  for (let i = 0; i < 20; i++) {
    const pcm = new Int16Array(320).fill(1000);
    const bytes = new Uint8Array(640);
    if (i < 10) encodeG711('PCMU', pcm, 0, 160, bytes);
    else l16.encode(pcm, 0, 320, bytes, 0);
    // The sender's timestamps go on in the new clock.
    const timestamp = i < 10 ? i * 160 : 1600 + (i - 10) * 320;
    if (i < 10) buffer.write(pcmu, bytes, 0, 160, timestamp);
    else buffer.write(l16, bytes, 0, 640, timestamp);
    buffer.read(frame, 16000);
    heard.push(...frame);
  }
  const silent = heard.slice(320 + 40).filter((sample) => Math.abs(sample) < 500).length;
  t.ok(silent <= 32, `${silent} samples of 19 frames: the filter's delay at most`);
  t.end();
});

t.test('frames cross between bridged legs in order, and never pile up', (t) => {
  const memory = FrameQueue.allocate(8000);
  const writer = new FrameQueue(memory);
  const reader = new FrameReader(new FrameQueue(memory));
  const frame = new Int16Array(160);
  t.notOk(reader.pull(frame));
  for (let i = 1; i <= 3; i++) writer.push(new Int16Array(160).fill(i));
  for (let i = 1; i <= 3; i++) {
    t.ok(reader.pull(frame));
    t.equal(frame[0], i);
  }
  for (let i = 10; i < 30; i++) writer.push(new Int16Array(160).fill(i * 100));
  t.ok(reader.pull(frame));
  t.ok(frame[0]! < 1010, 'what was due');
  t.ok(frame[159]! > 1690, 'fades into the newest that there was room for');
  t.equal(reader.skippedFrames, 6);
  t.notOk(reader.pull(frame));
  t.end();
});
