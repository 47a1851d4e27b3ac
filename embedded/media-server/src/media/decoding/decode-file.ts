import type { FileHandle } from 'node:fs/promises';
import { UnplayableFileError } from '../../errors.js';
import type { DecodeTurns } from './decode-turns.js';
import type { DecodeJob } from './decoder-protocol.js';
import type { DecoderStock } from './decoder-stock.js';
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

/** Bytes decoded at a time until the first page is there: an eighth of a second of MP3, so that nothing is decoded that could wait. */
const FIRST_BLOCK_BYTES = 2 * 1024;
/** The same after that: a few milliseconds of work, so that a file that begins need not wait longer. */
const BLOCK_BYTES = 4 * 1024;
/** What is longer is cut: an hour and ten minutes at 8 kHz, in memory while it plays. */
const MAX_SAMPLES = 32 * 1024 * 1024;

/**
 * Decodes a file to pages of {@link PAGE_SAMPLES} at the job's rate, the last one shorter, and closes it. Rejects when it is broken or has no sound.
 * The stock is filled again when its first page is there.
 */
export async function* decodeFile(
  { file, head, format, rateHz }: DecodeJob,
  stock: DecoderStock,
  turns: DecodeTurns,
): AsyncGenerator<{ pcm: Int16Array<ArrayBuffer>; sourceRateHz: number }> {
  const hasBegun = turns.begin();
  const maker = new PageMaker(rateHz, stock);
  let decoder: FileDecoder | undefined;
  let sourceRateHz = rateHz as number;
  try {
    decoder = format === 'mp3' ? createMp3Decoder(await stock.takeMp3()) : createOpusFileDecoder(rateHz);
    for await (const block of blocks(file, head, () => maker.samples > 0)) {
      for await (const audio of decoder.push(block)) {
        sourceRateHz = audio.sourceRateHz ?? audio.rateHz;
        for (const pcm of maker.push(audio.pcm, audio.rateHz)) {
          yield { pcm, sourceRateHz };
          hasBegun();
        }
      }
      if (maker.samples > MAX_SAMPLES) throw new UnplayableFileError('the file is too long');
      await turns.next(maker.samples > 0);
      if (maker.samples > 0) await stock.refill();
    }
    for (const pcm of maker.end()) yield { pcm, sourceRateHz };
    if (maker.samples === 0) throw new UnplayableFileError('the file has no sound that can be decoded');
  } finally {
    hasBegun();
    decoder?.free();
    await file.close();
    void stock.refill();
  }
}

/** The bytes of a file: those that are there already, then those that are read; in small pieces until it has begun. */
async function* blocks(
  file: FileHandle,
  head: Uint8Array<ArrayBuffer>,
  hasBegun: () => boolean,
): AsyncGenerator<Buffer> {
  for (let at = 0; at < head.length; ) {
    const wanted = hasBegun() ? BLOCK_BYTES : FIRST_BLOCK_BYTES;
    const block = Buffer.from(head.buffer, head.byteOffset + at, Math.min(wanted, head.length - at));
    at += block.length;
    yield block;
  }
  for (let at = head.length; ; ) {
    // A new one each time: what the decoders keep of it must outlive the next read.
    const block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    yield block.subarray(0, bytesRead);
  }
}
