import { Application, createDecoder, createEncoder } from 'libopus-wasm';
import type { DecoderStock } from './decoder-stock.js';
import { createMp3Decoder } from './mp3-decoder.js';
import { PageMaker } from './page-maker.js';

/** A tenth of a second of a rising tone: MPEG-2 layer III, 22.05 kHz, 16 kbit/s. */
export const SAMPLE_MP3 = Buffer.from(
  '//MgxAAIADbN2UYAAAAjRYjagXd3d+CADAZO3ic0IABwfe8u+CHy4f+XP6wfkfY3+aQOtf/zIsQHCUhK3AGPGAAgcFhZo1mTSE4CaOl9u' +
    'hry3ssq/R2N+r1nP9DMptQqdgCzcvoaxqm8//MgxAkKiFriUc8AANrb9oTEcx1CejSHQLIW0MNRBs5eBEOPUoUoWdUyUS1P9VW7aBWWyf' +
    '/zIMQFCdBrFllQGAIgdtSJ9aal7K1F0mS4WwMBGhNl8VD9BsIocMr87Zban6LbVfT9BKX/8yDEBAmAktwBgXgAa5vA//dG1tUyNbB0RO2' +
    'qmNSagyWt/v0+9PWq91l6B/0JFwJJIIKx//MixAUI2NaMyYpQAB+JQreMQHvEUIEVPwJRIB38QJALzf9CqoV/r/2lg6pMQU1FMy4xMDA=',
  'base64',
);
/** Rates of nearly all MP3 files. */
const USUAL_RATES_HZ = [44_100, 48_000, 24_000];
const OPUS_RATE_HZ = 16_000;
const OPUS_FRAME = 320;
const OPUS_FRAMES = 5;

/** Decodes a little of each compressed format: loading and compiling the libraries takes longer than a caller should wait for the first file. */
export async function warmUp(stock: DecoderStock): Promise<void> {
  await Promise.all([warmUpMp3(stock), warmUpOpus()]);
  for (const fromHz of USUAL_RATES_HZ) for (const toHz of [8000, 16_000] as const) stock.resampler(fromHz, toHz);
  await stock.refill();
}

/** Returns how many samples came of it. */
export async function warmUpMp3(stock: DecoderStock): Promise<number> {
  const decoder = createMp3Decoder(await stock.takeMp3());
  const maker = new PageMaker(8000, stock);
  let samples = 0;
  for await (const { pcm, rateHz } of decoder.push(SAMPLE_MP3)) {
    samples += pcm.length;
    Array.from(maker.push(pcm, rateHz));
  }
  decoder.free();
  return samples;
}

/** Speech and music: libopus has a codec of its own for each. */
async function warmUpOpus(): Promise<void> {
  const decoder = await createDecoder({ sampleRate: 8000, channels: 1 });
  for (const application of [Application.Voip, Application.Audio]) {
    const encoder = await createEncoder({ sampleRate: OPUS_RATE_HZ, channels: 1, application, complexity: 0 });
    const pcm = Int16Array.from({ length: OPUS_FRAME }, (_, i) => 8000 * Math.sin(i * i * 0.001));
    for (let i = 0; i < OPUS_FRAMES; i++) decoder.decode(encoder.encode(pcm, { frameSize: OPUS_FRAME }));
    encoder.free();
  }
  decoder.free();
}
