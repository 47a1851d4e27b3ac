/** Tones fade in and out over this long, so that they begin and end without a click. */
const RAMP_SAMPLES = 16;

const DTMF_ROWS_HZ = [697, 770, 852, 941];
const DTMF_COLUMNS_HZ = [1209, 1336, 1477, 1633];
const DTMF_PAD = '123A456B789C*0#D';

/** The two frequencies of a DTMF digit (ITU-T Q.23), or undefined for another character; `a`–`d` are none where only capitals count. */
export function dtmfFrequencies(digit: string, letters: 'any' | 'upper' = 'any'): [number, number] | undefined {
  const at = DTMF_PAD.indexOf(letters === 'any' ? digit.toUpperCase() : digit);
  if (digit.length !== 1 || at < 0) return undefined;
  return [DTMF_ROWS_HZ[at >> 2]!, DTMF_COLUMNS_HZ[at & 3]!];
}

/** Samples of one tone: for tests and fixtures. Level in dB under full scale. */
export function tone(frequenciesHz: number | number[], durationMs: number, levelDb = -10, rateHz = 8000): Int16Array {
  const frequencies = Array.isArray(frequenciesHz) ? frequenciesHz : [frequenciesHz];
  const out = new Int16Array(Math.round((durationMs * rateHz) / 1000));
  const amplitude = (32_767 * 10 ** (levelDb / 20)) / Math.max(1, frequencies.length);
  for (let at = 0; at < out.length; at++) {
    let sum = 0;
    for (const frequencyHz of frequencies) sum += Math.sin((2 * Math.PI * frequencyHz * at) / rateHz);
    out[at] = Math.round(sum * amplitude * Math.min(1, (at + 1) / RAMP_SAMPLES, (out.length - at) / RAMP_SAMPLES));
  }
  return out;
}
