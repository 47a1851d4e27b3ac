import type { LegRate } from '@ringwire/rtp';

/** Audio of a file at the rate of a leg, mono, shared by everything that plays it. */
export interface Clip {
  readonly rateHz: LegRate;
  /** Rate of the file. */
  readonly sourceRateHz: number;
  /** Memory that it takes now, about. */
  readonly heldBytes: number;
  /** Samples; `Infinity` while it is not known. */
  readonly length: number;
  /**
   * Copies up to `count` samples from `position` on to `out` and returns how many. Fewer before {@link length} means that the decoder has not come
   * that far. Tick path: no allocation.
   */
  copy(position: number, out: Int16Array, offset: number, count: number): number;
  /** Resolves when the samples from `position` on can be copied, or the file has ended before; rejects when it cannot be decoded. */
  whenReady(position: number): Promise<void>;
}
