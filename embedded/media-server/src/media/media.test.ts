import { createCodec, encodeG711, tone } from '@ringwire/rtp';
import t from 'tap';
import { FrameQueue } from './frame-queue.js';
import { ReceiveBuffer } from './receive-buffer.js';
import { TickClock } from './tick-clock.js';

const pcmu = createCodec('PCMU');

t.test('the clock ticks on absolute deadlines, makes up for a short stall and gives up a long one', (t) => {
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
  at(130, 6, 'a stall of 50 ms is made up for');
  t.equal(clock.lateTicks, 1);
  at(1130, 11, 'a stall of a second gives five ticks');
  t.equal(skipped, 45);
  t.equal(clock.skippedTicks, 45);
  at(1141, 12, 'and goes on in step');
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
  t.notOk(buffer.read(frame), 'nothing has begun');
  // Swapped, doubled, and number 6 lost.
  const order = [[0], [2, 1], [], [3, 3], [4], [5], [], [7], [8], [9], [], []];
  order.forEach((arriving, tick) => {
    for (const i of arriving) buffer.write(pcmu, packets[i]!.bytes, 0, 160, packets[i]!.timestamp);
    buffer.read(frame);
    heard.set(frame, tick * 160);
  });
  for (let i = 0; i < 10; i++) {
    const place = heard.subarray((i + 1) * 160, (i + 2) * 160);
    const expected = i === 6 ? new Int16Array(160) : sound.subarray(i * 160, (i + 1) * 160);
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
      buffer.read(frame);
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
      buffer.read(frame);
      if (frame[80] === 0) silent++;
    }
    return silent;
  };
  silentTicks(20);
  for (let i = 0; i < 5; i++) buffer.read(frame);
  for (let i = 0; i < 5; i++) arrive();
  t.equal(silentTicks(50), 0, 'after a stall of 100 ms everything that came late is heard');
  silentTicks(200);
  let left = 0;
  for (; left < 20; left++) {
    buffer.read(frame);
    if (frame[80] === 0) break;
  }
  t.ok(left <= 2, `${left} packets of delay are left`);
  t.end();
});

t.test('frames cross between bridged legs in order, and never pile up', (t) => {
  const memory = FrameQueue.allocate(8000);
  const [writer, reader] = [new FrameQueue(memory), new FrameQueue(memory)];
  const frame = new Int16Array(160);
  t.notOk(reader.pull(frame));
  for (let i = 1; i <= 3; i++) writer.push(new Int16Array(160).fill(i));
  for (let i = 1; i <= 3; i++) {
    t.ok(reader.pull(frame));
    t.equal(frame[0], i);
  }
  for (let i = 10; i < 30; i++) writer.push(new Int16Array(160).fill(i));
  t.ok(reader.pull(frame));
  t.equal(frame[0], 17, 'the reader that was away goes on with the newest that there was room for');
  t.notOk(reader.pull(frame));
  t.end();
});
