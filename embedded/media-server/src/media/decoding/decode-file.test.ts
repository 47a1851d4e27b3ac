import { open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { folder } from '../../test-peer.js';
import { HEAD_BYTES } from './audio-format.js';
import { decodeFile } from './decode-file.js';
import { DecodeTurns } from './decode-turns.js';
import type { DecodeJob } from './decoder-protocol.js';
import { DecoderStock } from './decoder-stock.js';
import { SAMPLE_MP3 } from './warm-up.js';

/** A tenth of a second of sound, so many times. */
function mp3(times: number): Buffer {
  return Buffer.concat(Array.from({ length: times }, () => SAMPLE_MP3));
}

/** What is in front of the sound of a file that has its cover with it (ID3v2.4 §3.1). */
function cover(bytes: number): Buffer {
  const tag = Buffer.alloc(10 + bytes);
  tag.write('ID3\x04\x00\x00', 'latin1');
  for (let i = 0; i < 4; i++) tag[6 + i] = (bytes >> (7 * (3 - i))) & 0x7f;
  return tag;
}

/** The job of decoding a file of which `content` is known to begin it, and `onDisk` is there to be read. */
async function jobOf(t: Test, content: Buffer, onDisk: Buffer = content): Promise<DecodeJob> {
  const path = join(await folder(t), 'sound.mp3');
  await writeFile(path, onDisk);
  const head = Uint8Array.from(content.subarray(0, HEAD_BYTES));
  return { job: 1, file: await open(path), head, format: 'mp3', rateHz: 8000 };
}

async function samplesOf(job: DecodeJob, stock: DecoderStock): Promise<number> {
  let samples = 0;
  for await (const { pcm } of decodeFile(job, stock, new DecodeTurns())) samples += pcm.length;
  return samples;
}

t.test('decoding: what was read of a file is not read again, what was not is', async (t) => {
  const stock = new DecoderStock();
  const short = mp3(20);
  t.ok(short.length < HEAD_BYTES);
  const wanted = await samplesOf(await jobOf(t, short), stock);
  t.ok(wanted > 15_000, `${wanted} samples, of 2 s at least`);
  t.equal(await samplesOf(await jobOf(t, short, Buffer.alloc(0)), stock), wanted, 'nothing is there to be read');
  const long = mp3(400);
  t.ok(long.length > HEAD_BYTES);
  const all = await samplesOf(await jobOf(t, long), stock);
  t.ok(Math.abs(all - 20 * wanted) < wanted, `${all} samples`);
});

t.test(
  'decoding: a file takes a decoder that waits, and another takes its place when its beginning is there',
  async (t) => {
    const stock = new DecoderStock();
    await stock.refill();
    t.equal(stock.spares, 2);
    const pages = decodeFile(await jobOf(t, mp3(400)), stock, new DecodeTurns());
    await pages.next();
    t.equal(stock.spares, 1, 'nothing is made before the first of it is there');
    while (stock.spares < 2 && !(await pages.next()).done);
    t.equal(stock.spares, 2);
    await pages.return(undefined);
    t.equal(stock.resampler(22_050, 8000), stock.resampler(22_050, 8000), 'tables are made once');
  },
);

t.test('decoding: a file that begins goes before all that play already, also behind a cover', async (t) => {
  const stock = new DecoderStock();
  await stock.refill();
  const turns = new DecodeTurns();
  const log: string[] = [];
  let isOver = false;
  let tell = (): void => undefined;
  const running = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const decode = async (name: string, job: DecodeJob): Promise<void> => {
    for await (const _page of decodeFile(job, stock, turns)) {
      log.push(name);
      if (log.length > 200) tell();
      if (isOver) return;
    }
  };
  const others = await Promise.all(Array.from({ length: 8 }, () => jobOf(t, mp3(2000))));
  const job = await jobOf(t, Buffer.concat([cover(50_000), mp3(20)]));
  const decoding = others.map((other) => decode('other', other));
  await running;
  const from = log.length;
  await decode('new', job);
  isOver = true;
  await Promise.all(decoding);
  const between = log.slice(from).indexOf('new');
  t.ok(between >= 0);
  // One block of 4 KB is 10 pages of this sound.
  t.ok(between <= 15, `${between} pages of others before its first: a block of one at most`);
});
