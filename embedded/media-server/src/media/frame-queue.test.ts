import { findClicks, tone } from '@ringwire/rtp';
import t from 'tap';
import { Exchange, FrameQueue } from './frame-queue.js';

t.test('what a leg is sent dies away when it is parted or the other side is late', async (t) => {
  for (const how of ['parted', 'late'] as const) {
    const [incoming, outgoing] = [FrameQueue.allocate(8000), FrameQueue.allocate(8000)];
    const exchange = new Exchange(incoming, outgoing, 8000);
    const writer = new FrameQueue(incoming);
    // 1,010 Hz does not end at a zero with the frame.
    const sound = tone(1010, 1000, -6);
    const heard = new Int16Array(160 * 8);
    for (let i = 0; i < 8; i++) {
      if (i < 5) writer.push(sound.subarray(160 * (i + 1), 160 * (i + 2)));
      if (i === 5 && how === 'parted') exchange.end();
      const frame = new Int16Array(160);
      t.equal(exchange.pull(frame), i <= 5, `${how}: frame ${i}`);
      heard.set(frame, 160 * i);
    }
    t.ok(Math.abs(heard[799]! - heard[800]!) < 200, 'no step at the edge');
    t.same(findClicks(heard, 3000), []);
    t.equal(exchange.isOver, how === 'parted');
  }
});
