import { type CodecId, codecFormat, correlate, goertzel, type LegRate, resample } from '@ringwire/rtp';
import { chirp } from './test-peer.js';

/** Codecs that the media server speaks. */
export const CODECS: readonly CodecId[] = ['PCMU', 'PCMA', 'G722', 'opus', 'L16@16000h', 'L16@8000h'];

/** Loads what phones need to speak all of them. */
export async function loadCodecs(): Promise<void> {
  await Promise.all(CODECS.map((id) => codecFormat(id).load?.()));
}

/**
 * How well each 300 ms of what was said are found in what was heard; the median, because a pause of a busy machine spoils what is
 * around it, while a wrong codec spoils all. At 16 kHz always, where the filters' delays are whole samples.
 */
export function resemblance(heard: Int16Array, said: Int16Array, rateHz: LegRate): number {
  const [found, wanted] = [resample(heard, rateHz, 16000), resample(said, rateHz, 16000)];
  const parts: number[] = [];
  for (let at = 0; at + 4800 <= wanted.length; at += 4800) {
    parts.push(correlate(found, wanted.subarray(at, at + 4800)).coefficient);
  }
  return parts.sort((a, b) => a - b)[parts.length >> 1] ?? 0;
}

/** A sweep that every codec carries: from 300 Hz, four parts of {@link resemblance}. */
export const speech = (rateHz: LegRate, seed = 1): Int16Array => chirp(1200, rateHz, seed);

/** Level of a tone in the last half second, in dB against −20 dBFS: the median of 50 ms, which a lost packet does not change. */
export function levelOf(heard: Int16Array, hz: number, rateHz: LegRate): number {
  const length = rateHz / 20;
  const levels = Array.from({ length: 10 }, (_, i) => {
    const end = heard.length - i * length;
    return end < length ? 0 : goertzel(heard, hz, rateHz, end - length, end);
  });
  return 20 * Math.log10(levels.sort((one, other) => one - other)[5]! / (32767 * 10 ** (-20 / 20)));
}
