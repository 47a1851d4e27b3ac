import { setImmediate } from 'node:timers/promises';
import { UnplayableFileError } from '../../errors.js';
import { openRegularFile } from '../../files/regular-file.js';
import type { DecodeJob } from './decoder-protocol.js';
import { createMp3Decoder } from './mp3-decoder.js';
import { createOpusFileDecoder } from './opus-file-decoder.js';
import { PageMaker } from './page-maker.js';

/** Takes a compressed file apart, bytes as they come. */
export interface FileDecoder {
  /** Decodes what these bytes complete, mono, in order. @throws UnplayableFileError when nothing can come of the rest. */
  push(bytes: Buffer): Iterable<DecodedAudio> | AsyncIterable<DecodedAudio>;
  /** Frees what it holds. */
  free(): void;
}

/** Decoded mono samples, at their rate. */
export interface DecodedAudio {
  pcm: Int16Array;
  rateHz: number;
  /** Rate of the file, when it is another. */
  sourceRateHz?: number;
}

/** Bytes read at first, so that the beginning is there soon: a quarter of a second of MP3. Twice as many each time after that, … */
const FIRST_BLOCK_BYTES = 4 * 1024;
/** … up to a second, a few milliseconds of work. */
const BLOCK_BYTES = 16 * 1024;
/** What is longer is cut: an hour and ten minutes at 8 kHz, in memory while it plays. */
const MAX_SAMPLES = 32 * 1024 * 1024;

/** Decodes a file to pages of {@link PAGE_SAMPLES} at the job's rate, the last one shorter. Rejects when it is broken or has no sound. */
export async function* decodeFile(
  job: DecodeJob,
): AsyncGenerator<{ pcm: Int16Array<ArrayBuffer>; sourceRateHz: number }> {
  const decoder = job.format === 'mp3' ? await createMp3Decoder() : createOpusFileDecoder(job.rateHz);
  const { file } = await openRegularFile(job.path).catch((error: unknown) => {
    decoder.free();
    throw error;
  });
  const maker = new PageMaker(job.rateHz);
  let sourceRateHz = job.rateHz as number;
  try {
    const block = Buffer.alloc(BLOCK_BYTES);
    for (let wanted = FIRST_BLOCK_BYTES; ; wanted = Math.min(wanted * 2, BLOCK_BYTES)) {
      const { bytesRead } = await file.read(block, 0, wanted);
      if (bytesRead === 0) break;
      // A copy: what the decoders keep of it must outlive the next read.
      for await (const audio of decoder.push(Buffer.from(block.subarray(0, bytesRead)))) {
        sourceRateHz = audio.sourceRateHz ?? audio.rateHz;
        for (const pcm of maker.push(audio.pcm, audio.rateHz)) yield { pcm, sourceRateHz };
      }
      if (maker.samples > MAX_SAMPLES) throw new UnplayableFileError('the file is too long');
      await setImmediate();
    }
    for (const pcm of maker.end()) yield { pcm, sourceRateHz };
    if (maker.samples === 0) throw new UnplayableFileError('the file has no sound that can be decoded');
  } finally {
    decoder.free();
    await file.close();
  }
}
