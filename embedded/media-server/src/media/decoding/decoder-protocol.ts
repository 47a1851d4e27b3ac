import type { FileHandle } from 'node:fs/promises';
import type { LegRate } from '@ringwire/rtp';
import type { CompressedFormat } from './audio-format.js';

/** Media thread → decoder thread: decode that file. The open file and what was read of it are given away with it, so that nothing is opened or read twice. */
export interface DecodeJob {
  job: number;
  file: FileHandle;
  /** Its first bytes. */
  head: Uint8Array<ArrayBuffer>;
  format: CompressedFormat;
  rateHz: LegRate;
}

/** Decoder thread → media thread. */
export type DecodeReport =
  /** The next samples; the rate of the file as far as it is known. */
  | { job: number; pcm: Int16Array<ArrayBuffer>; sourceRateHz: number }
  /** It is over; with a problem when not to the file's end. */
  | { job: number; problem?: string };
