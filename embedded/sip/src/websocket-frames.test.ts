import t from 'tap';
import { WebSocketFrames } from './websocket-frames.js';

/** A frame as a client sends it: masked. */
function frame(opcode: number, payloadBytes: number, isLast = true): Buffer {
  const length =
    payloadBytes < 126
      ? Buffer.from([0x80 | payloadBytes])
      : payloadBytes < 65_536
        ? Buffer.from([0x80 | 126, payloadBytes >> 8, payloadBytes & 255])
        : Buffer.from([0x80 | 127, 0, 0, 0, 0, 0, payloadBytes >> 16, (payloadBytes >> 8) & 255, payloadBytes & 255]);
  return Buffer.concat([Buffer.from([(isLast ? 0x80 : 0) | opcode]), length, Buffer.alloc(4 + payloadBytes, 7)]);
}

t.test('ws frames: a message of any length is under way until its last byte, however it is cut', async (t) => {
  for (const size of [0, 1, 125, 126, 65_535, 65_536, 100_000]) {
    for (const step of [1, 3, 1000, 1_000_000]) {
      const frames = new WebSocketFrames();
      const bytes = frame(1, size);
      let wrong = 0;
      for (let at = 0; at < bytes.length; at += step) {
        const isLast = at + step >= bytes.length;
        if (frames.push(bytes.subarray(at, at + step)) !== isLast || frames.isMidMessage === isLast) wrong++;
      }
      t.equal(wrong, 0, `${size} bytes, ${step} at a time`);
    }
  }
});

t.test('ws frames: pings and pongs between the pieces of a message do not complete it', async (t) => {
  const frames = new WebSocketFrames();
  t.equal(frames.push(Buffer.concat([frame(1, 10, false), frame(9, 5), frame(0, 3, false), frame(10, 0)])), false);
  t.equal(frames.isMidMessage, true);
  t.equal(frames.push(frame(0, 4)), true);
  t.equal(frames.isMidMessage, false);
  t.equal(frames.push(Buffer.concat([frame(10, 2), frame(2, 4), frame(1, 8).subarray(0, 5)])), true);
  t.equal(frames.isMidMessage, true);
});
