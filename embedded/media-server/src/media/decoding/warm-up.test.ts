import t from 'tap';
import { DecoderStock } from './decoder-stock.js';
import { warmUp, warmUpMp3 } from './warm-up.js';

t.test('what warms the decoders up is sound that they can decode', async (t) => {
  const stock = new DecoderStock();
  await warmUp(stock);
  t.equal(stock.spares, 2, 'decoders wait for the first files');
  // 100 ms at 22.05 kHz, and what the encoder puts before and behind.
  t.ok((await warmUpMp3(stock)) >= 2205);
});
