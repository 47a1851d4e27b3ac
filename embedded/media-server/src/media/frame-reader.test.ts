import { correlate, createCodec, findClicks, findSilences, rms } from '@ringwire/rtp';
import t from 'tap';
import { Exchange, FrameQueue } from './frame-queue.js';
import { FrameReader } from './frame-reader.js';
import { ReceiveBuffer } from './receive-buffer.js';
import { random, voice } from './test-voice.js';

const FRAME = 160;

t.test('frame reader: a frame too much is taken out without being heard', (t) => {
  const memory = FrameQueue.allocate(8000);
  const writer = new FrameQueue(memory);
  const reader = new FrameReader(new FrameQueue(memory));
  const sound = voice(10);
  const heard = new Int16Array(sound.length);
  const frames = sound.length / FRAME;
  // The writer is two frames ahead from the second second on.
  let written = 0;
  for (let tick = 0; tick < frames; tick++) {
    const target = Math.min(frames, tick + (tick >= 50 ? 3 : 1));
    for (; written < target; written++) writer.push(sound.subarray(written * FRAME, (written + 1) * FRAME));
    reader.pull(heard.subarray(tick * FRAME, (tick + 1) * FRAME));
  }
  t.equal(reader.skippedFrames, 2);
  t.same(findClicks(heard, 6000), []);
  const end = sound.subarray(8 * 8000, 9 * 8000);
  const match = correlate(heard, end);
  t.ok(match.coefficient > 0.98, `${match.coefficient}`);
  // So many frames ahead was the writer that what is left out makes the end come earlier.
  t.ok(Math.abs(match.lag - (8 * 8000 - 2 * FRAME)) < 60, `${(match.lag - 8 * 8000) / 8} ms`);
  t.end();
});

t.test('frame reader: after a pause of the reader it goes on with the newest, without a click', (t) => {
  const memory = FrameQueue.allocate(8000);
  const writer = new FrameQueue(memory);
  const reader = new FrameReader(new FrameQueue(memory));
  const sound = voice(20);
  const heard: number[] = [];
  const frame = new Int16Array(FRAME);
  let readAtMs = 0;
  for (let index = 0; index * FRAME < sound.length; index++) {
    writer.push(sound.subarray(index * FRAME, (index + 1) * FRAME));
    // Every second it is away for 80 ms to 140 ms, and does not make up for it.
    const isAway = index % 50 >= 20 && index % 50 < 24 + (Math.floor(index / 50) % 4);
    if (isAway) continue;
    readAtMs += 20;
    if (reader.pull(frame)) heard.push(...frame);
  }
  const pcm = Int16Array.from(heard);
  t.ok(reader.skippedFrames > 60, `${reader.skippedFrames} frames left out`);
  t.same(findClicks(pcm, 6000), []);
  const match = correlate(pcm, sound.subarray(sound.length - 2000));
  t.ok(Math.abs(pcm.length - (match.lag + 2000)) <= 40, 'it ends without delay');
  t.ok(readAtMs > 0);
  t.end();
});

t.test(
  'bridge: four minutes between peers whose clocks differ by 400 ppm, on threads whose ticks wander: no clicks, no holes',
  (t) => {
    const seconds = 240;
    const said = [voice(seconds), voice(seconds).reverse()] as const;
    const ppm = [200, -200] as const;
    const next = random(5);
    const codec = createCodec('PCMU');
    const queues = [FrameQueue.allocate(8000), FrameQueue.allocate(8000)] as const;
    const legs = [0, 1].map((side) => ({
      buffer: new ReceiveBuffer(),
      exchange: new Exchange(queues[side]!, queues[1 - side]!, 8000),
      heard: new Int16Array(8000 * seconds),
      packetsIn: 0,
      ticks: 0,
      /** When its thread ticks next: every 20 ms, up to 8 ms late, once in a while 60 ms. */
      nextMs: 7 * side,
    }));
    const packet = new Uint8Array(FRAME);
    const frame = new Int16Array(FRAME);
    const end = seconds * 50 - 10;
    while (legs.some(({ ticks }) => ticks < end)) {
      const side = legs[0]!.nextMs <= legs[1]!.nextMs ? 0 : 1;
      const leg = legs[side]!;
      const nowMs = leg.nextMs;
      // What its peer has sent by now, by its own clock, with a jitter of up to 6 ms.
      for (;;) {
        const atMs = leg.packetsIn * 20 * (1 - ppm[side]! / 1e6) + next() * 6;
        if (atMs >= nowMs || (leg.packetsIn + 1) * FRAME > said[side]!.length) break;
        codec.encode(said[side]!, leg.packetsIn * FRAME, FRAME, packet, 0);
        leg.buffer.write(
          codec,
          packet,
          0,
          FRAME,
          leg.packetsIn * FRAME,
          leg.packetsIn & 0xffff,
          Math.max(0, nowMs - atMs),
        );
        leg.packetsIn++;
      }
      leg.buffer.read(frame, 8000);
      leg.exchange.push(frame);
      frame.fill(0);
      leg.exchange.pull(frame);
      if (leg.ticks < end) leg.heard.set(frame, leg.ticks * FRAME);
      leg.ticks++;
      leg.nextMs = leg.ticks * 20 + 7 * side + (leg.ticks % 700 === 0 ? 60 : next() * 8);
    }
    for (const side of [0, 1] as const) {
      const { heard } = legs[side]!;
      const other = said[1 - side]!;
      t.same(findClicks(heard, 7000), [], `side ${side}: clicks`);
      const level = rms(heard.subarray(8000, heard.length - 8000)) / rms(other);
      t.ok(level > 0.97 && level < 1.03, `side ${side}: level ${level}`);
      const last = (seconds - 10) * 8000;
      const match = correlate(heard.subarray(last), other.subarray(last + 8000, last + 12_000));
      const delayMs = (match.lag - 8000) / 8 + (1 - 2 * side) * 0.0002 * (seconds - 9) * 1000 * -1;
      t.ok(match.coefficient > 0.9, `side ${side}: likeness at the end ${match.coefficient}`);
      t.ok(delayMs > -60 && delayMs < 100, `side ${side}: ${delayMs} ms at the end`);
      // The voice has pauses of its own, but none so long.
      t.same(findSilences(heard.subarray(8000, heard.length - 8000), 8000, 0), [], `side ${side}: holes`);
      t.comment(
        `side ${side}: stretched ${legs[1 - side]!.buffer.stretchedMs} ms, likeness ${match.coefficient}, ${delayMs} ms`,
      );
    }
    t.end();
  },
);
