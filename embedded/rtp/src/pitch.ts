import type { LegRate } from './codec.js';

/** Shortest and longest pitch that is looked for: 400 Hz to 66 Hz, as G.711 Appendix I does. */
const MIN_PERIOD_MS = 2.5;
const MAX_PERIOD_MS = 15;

/** A pitch that was found. */
export interface Pitch {
  /** Period in samples; 0 when none was found. */
  period: number;
  /** How alike two stretches at that distance are, −1…1. */
  likeness: number;
}

/** Range of {@link findPitch} in samples. */
export function pitchRange(rateHz: LegRate): { min: number; max: number } {
  return { min: (MIN_PERIOD_MS * rateHz) / 1000, max: (MAX_PERIOD_MS * rateHz) / 1000 };
}

/**
 * Finds the distance, from `min` to `max` samples, at which the `window` samples before `end` are most like those before them:
 * coarsely on every second or fourth sample, then finely around the best. Writes into `into`; no allocation. The caller sees to it that
 * `end - window - max` is not negative.
 */
export function findPitch(
  pcm: Int16Array,
  end: number,
  window: number,
  min: number,
  max: number,
  step: number,
  into: Pitch,
): void {
  into.period = 0;
  into.likeness = -1;
  for (let period = min; period <= max; period += step) comparePeriods(pcm, end, window, period, step, into);
  const coarse = into.period;
  into.likeness = -1;
  const to = Math.min(max, coarse + step);
  for (let period = Math.max(min, coarse - step); period <= to; period++)
    comparePeriods(pcm, end, window, period, 1, into);
}

/** Compares the `window` samples before `end` with those `period` earlier, on every `step`th sample; keeps the better in `best`. */
export function comparePeriods(
  pcm: Int16Array,
  end: number,
  window: number,
  period: number,
  step: number,
  best: Pitch,
): void {
  let cross = 0;
  let energy = 0;
  let earlier = 0;
  for (let i = end - window; i < end; i += step) {
    const now = pcm[i]!;
    const before = pcm[i - period]!;
    cross += now * before;
    energy += now * now;
    earlier += before * before;
  }
  const likeness = energy > 0 && earlier > 0 ? cross / Math.sqrt(energy * earlier) : 0;
  // A multiple of the true period is as like, and makes a longer repeat than is needed: it must be clearly better.
  if (likeness <= best.likeness + (best.period > 0 ? 0.001 : 0)) return;
  best.period = period;
  best.likeness = likeness;
}
