import type { LegRate } from '@ringwire/rtp';
import type { CompressedFormat } from './audio-format.js';

/** Media thread → decoder thread: decode that file. */
export interface DecodeJob {
  job: number;
  path: string;
  format: CompressedFormat;
  rateHz: LegRate;
}

/** Decoder thread → media thread. */
export type DecodeReport =
  /** The next samples; the rate of the file as far as it is known. */
  | { job: number; pcm: Int16Array<ArrayBuffer>; sourceRateHz: number }
  /** It is over; with a problem when not to the file's end. */
  | { job: number; problem?: string };
