import type { LegRate } from './codec.js';
import { comparePeriods, type Pitch } from './pitch.js';

/** Shortest piece that is left out or repeated. */
const MIN_PIECE_MS = 2.5;
/** The same where there is nothing to hear. */
const MIN_QUIET_PIECE_MS = 1;
/** Two pieces less alike than this are joined audibly… */
const MIN_LIKENESS = 0.6;
/** …unless there is nothing to hear: root mean square below −50 dBov. */
const QUIET_SQUARE = 100 ** 2;

const pitch: Pitch = { period: 0, likeness: 0 };

/**
 * Makes a stretch of audio shorter by one pitch period, without a click: two neighbouring periods become one. Changes the first
 * `count` samples of `pcm` in place and returns how many are left; all of them when no two periods are alike. At most `maxPiece` samples
 * are left out. No allocation.
 */
export function shorten(pcm: Int16Array, count: number, rateHz: LegRate, maxPiece: number, urgent = false): number {
  const period = findPiece(pcm, count, rateHz, maxPiece, urgent);
  if (period === 0) return count;
  for (let i = 0; i < period; i++) {
    const part = (i + 1) / (period + 1);
    pcm[i] = Math.round(pcm[i]! * (1 - part) + pcm[i + period]! * part);
  }
  pcm.copyWithin(period, period * 2, count);
  return count - period;
}

/**
 * Makes a stretch longer by one pitch period, which is heard twice. Changes `pcm` in place, which must have room, and returns how many
 * samples there are now; `count` when no two periods are alike. At most `maxPiece` samples are added. No allocation.
 */
export function lengthen(pcm: Int16Array, count: number, rateHz: LegRate, maxPiece: number, urgent = false): number {
  const period = findPiece(pcm, count, rateHz, Math.min(maxPiece, pcm.length - count), urgent);
  if (period === 0) return count;
  pcm.copyWithin(period * 2, period, count);
  // Before: first, second, rest. After: first, second fading into first, second, rest.
  for (let i = 0; i < period; i++) {
    const part = (i + 1) / (period + 1);
    pcm[period + i] = Math.round(pcm[period * 2 + i]! * (1 - part) + pcm[i]! * part);
  }
  return count + period;
}

function findPiece(pcm: Int16Array, count: number, rateHz: LegRate, maxPiece: number, urgent: boolean): number {
  const min = (MIN_PIECE_MS * rateHz) / 1000;
  const max = Math.min(count >> 1, Math.floor(maxPiece));
  if (max < (MIN_QUIET_PIECE_MS * rateHz) / 1000) return 0;
  if (isQuiet(pcm, count)) return max;
  if (max < min) return 0;
  const step = rateHz / 4000;
  pitch.period = 0;
  pitch.likeness = -1;
  for (let period = min; period <= max; period += step) comparePeriods(pcm, period * 2, period, period, step, pitch);
  const coarse = pitch.period;
  pitch.likeness = -1;
  const to = Math.min(max, coarse + step);
  for (let period = Math.max(min, coarse - step); period <= to; period++) {
    comparePeriods(pcm, period * 2, period, period, 1, pitch);
  }
  return urgent || pitch.likeness >= MIN_LIKENESS ? pitch.period : 0;
}

function isQuiet(pcm: Int16Array, count: number): boolean {
  let energy = 0;
  for (let i = 0; i < count; i++) energy += pcm[i]! * pcm[i]!;
  return energy < QUIET_SQUARE * count;
}
