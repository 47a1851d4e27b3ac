import t from 'tap';
import { ALAW_TO_LINEAR, decodeG711, encodeG711, LINEAR_TO_ALAW, LINEAR_TO_ULAW, ULAW_TO_LINEAR } from './g711.js';

t.test('every code word survives decoding and encoding', (t) => {
  for (let byte = 0; byte < 256; byte++) {
    t.equal(LINEAR_TO_ALAW[ALAW_TO_LINEAR[byte]! & 0xffff], byte);
    // µ-law has two zeros; the encoder makes only the positive one.
    if (byte !== 0x7f) t.equal(LINEAR_TO_ULAW[ULAW_TO_LINEAR[byte]! & 0xffff], byte);
  }
  t.end();
});

t.test('known values of the standard tables', (t) => {
  t.equal(ULAW_TO_LINEAR[0x00], -32124);
  t.equal(ULAW_TO_LINEAR[0xff], 0);
  t.equal(ALAW_TO_LINEAR[0xd5], 8);
  t.equal(ALAW_TO_LINEAR[0xaa], 32256);
  t.equal(LINEAR_TO_ULAW[0], 0xff);
  t.equal(LINEAR_TO_ALAW[0], 0xd5);
  t.equal(LINEAR_TO_ULAW[32767], 0x80);
  t.equal(LINEAR_TO_ULAW[-32768 & 0xffff], 0x00);
  t.end();
});

t.test('the error of a round trip is bounded by the segment', (t) => {
  const pcm = new Int16Array(65536).map((_, i) => i - 32768);
  const bytes = new Uint8Array(pcm.length);
  const back = new Int16Array(pcm.length);
  for (const codec of ['PCMU', 'PCMA'] as const) {
    encodeG711(codec, pcm, 0, pcm.length, bytes);
    decodeG711(codec, bytes, 0, pcm.length, back);
    const worst = pcm.reduce((max, sample, i) => Math.max(max, Math.abs(sample - back[i]!) - Math.abs(sample) / 30), 0);
    t.ok(worst < 32, `${codec}: ${worst}`);
  }
  t.end();
});
