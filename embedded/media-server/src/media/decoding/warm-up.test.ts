import t from 'tap';
import { warmUp, warmUpMp3 } from './warm-up.js';

t.test('what warms the decoders up is sound that they can decode', async (t) => {
  await warmUp();
  // 100 ms at 22.05 kHz, and what the encoder puts before and behind.
  t.ok((await warmUpMp3()) >= 2205);
});
