/** Where a reference was found in a recording. */
export interface Match {
  /** Index in the recording at which the reference starts; negative when its beginning is missing. */
  lag: number;
  /** Normalised correlation at that place, 0…1: above 0.9 is the same audio through G.711. */
  coefficient: number;
}

/** A stretch of samples. */
export interface Stretch {
  start: number;
  length: number;
}

/** Root mean square of a stretch. */
export function rms(pcm: Int16Array, start = 0, end: number = pcm.length): number {
  let sum = 0;
  for (let i = start; i < end; i++) sum += pcm[i]! * pcm[i]!;
  return end > start ? Math.sqrt(sum / (end - start)) : 0;
}

/** Amplitude (0…32767) of the sine of `frequencyHz` in a stretch, by Goertzel's algorithm. */
export function goertzel(
  pcm: Int16Array,
  frequencyHz: number,
  rateHz = 8000,
  start = 0,
  end: number = pcm.length,
): number {
  const omega = (2 * Math.PI * frequencyHz) / rateHz;
  const coefficient = 2 * Math.cos(omega);
  let previous = 0;
  let beforeThat = 0;
  for (let i = start; i < end; i++) {
    const current = pcm[i]! + coefficient * previous - beforeThat;
    beforeThat = previous;
    previous = current;
  }
  const power = previous * previous + beforeThat * beforeThat - coefficient * previous * beforeThat;
  return end > start ? (2 * Math.sqrt(Math.max(0, power))) / (end - start) : 0;
}

/** Part of a stretch's energy, 0…1, that lies in the sine of `frequencyHz`: near 1 for a pure tone. 0 for silence. */
export function toneShare(
  pcm: Int16Array,
  frequencyHz: number,
  rateHz = 8000,
  start = 0,
  end: number = pcm.length,
): number {
  const level = rms(pcm, start, end);
  if (level < 1) return 0;
  return Math.min(1, goertzel(pcm, frequencyHz, rateHz, start, end) ** 2 / 2 / level ** 2);
}

/**
 * Finds where `reference` lies in `recording`: the lag with the highest cross-correlation (by FFT) and the normalised
 * coefficient over the overlap there.
 */
export function correlate(recording: Int16Array, reference: Int16Array): Match {
  let size = 1;
  while (size < recording.length + reference.length) size *= 2;
  const a = { re: new Float64Array(size), im: new Float64Array(size) };
  const b = { re: new Float64Array(size), im: new Float64Array(size) };
  for (let i = 0; i < recording.length; i++) a.re[i] = recording[i]!;
  for (let i = 0; i < reference.length; i++) b.re[i] = reference[i]!;
  fourier(a.re, a.im);
  fourier(b.re, b.im);
  // a · conj(b), conjugated: a second forward transform then acts as the inverse for the real part.
  for (let i = 0; i < size; i++) {
    const re = a.re[i]! * b.re[i]! + a.im[i]! * b.im[i]!;
    const im = a.im[i]! * b.re[i]! - a.re[i]! * b.im[i]!;
    a.re[i] = re;
    a.im[i] = -im;
  }
  fourier(a.re, a.im);
  let best = 0;
  for (let i = 1; i < size; i++) if (a.re[i]! > a.re[best]!) best = i;
  const lag = best < recording.length ? best : best - size;
  return { lag, coefficient: correlationAt(recording, reference, lag) };
}

/** Normalised correlation, −1…1, of the overlap when `reference` starts at `lag` of `recording`. */
export function correlationAt(recording: Int16Array, reference: Int16Array, lag: number): number {
  const from = Math.max(0, -lag);
  const to = Math.min(reference.length, recording.length - lag);
  let cross = 0;
  let energyA = 0;
  let energyB = 0;
  for (let i = from; i < to; i++) {
    const a = recording[lag + i]!;
    const b = reference[i]!;
    cross += a * b;
    energyA += a * a;
    energyB += b * b;
  }
  return energyA > 0 && energyB > 0 ? cross / Math.sqrt(energyA * energyB) : 0;
}

/** Stretches of at least `minSamples` in which no sample exceeds `threshold`. */
export function findSilences(
  pcm: Int16Array,
  minSamples: number,
  threshold = 64,
  start = 0,
  end: number = pcm.length,
): Stretch[] {
  const found: Stretch[] = [];
  let from = start;
  for (let i = start; i <= end; i++) {
    if (i < end && Math.abs(pcm[i]!) <= threshold) continue;
    if (i - from >= minSamples) found.push({ start: from, length: i - from });
    from = i + 1;
  }
  return found;
}

/**
 * Places where `recording` departs from `reference` (which starts at `lag` in it): windows of `windowSamples` whose difference
 * has more energy than `tolerance` of the reference's overall energy. Lost packets, repeats and clicks all show here.
 */
export function findDepartures(
  recording: Int16Array,
  reference: Int16Array,
  lag: number,
  windowSamples = 80,
  tolerance = 0.1,
): Stretch[] {
  const allowed = rms(reference) ** 2 * tolerance;
  const found: Stretch[] = [];
  for (let start = 0; start + windowSamples <= reference.length; start += windowSamples) {
    let energy = 0;
    for (let i = start; i < start + windowSamples; i++) {
      const difference = (recording[lag + i] ?? 0) - reference[i]!;
      energy += difference * difference;
    }
    if (energy / windowSamples <= allowed) continue;
    const last = found[found.length - 1];
    if (last && last.start + last.length === start) last.length += windowSamples;
    else found.push({ start, length: windowSamples });
  }
  return found;
}

/** Indexes of clicks: sample steps larger than `jump` that the ten samples around do not have. For tones and speech, not noise. */
export function findClicks(pcm: Int16Array, jump = 8000): number[] {
  const found: number[] = [];
  for (let i = 6; i < pcm.length - 6; i++) {
    const step = Math.abs(pcm[i]! - pcm[i - 1]!);
    if (step <= jump) continue;
    let usual = 0;
    // The neighbouring steps belong to the click itself: a single wrong sample steps away and back.
    for (let k = -5; k <= 5; k++) if (Math.abs(k) > 1) usual = Math.max(usual, Math.abs(pcm[i + k]! - pcm[i + k - 1]!));
    if (step > usual * 2) found.push(i);
  }
  return found;
}

/** In-place radix-2 FFT; the length is a power of two. */
function fourier(re: Float64Array, im: Float64Array): void {
  const size = re.length;
  for (let i = 1, j = 0; i < size; i++) {
    let bit = size >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) {
      [re[i], re[j]] = [re[j]!, re[i]!];
      [im[i], im[j]] = [im[j]!, im[i]!];
    }
  }
  for (let length = 2; length <= size; length *= 2) {
    const half = length / 2;
    for (let k = 0; k < half; k++) {
      const angle = (-2 * Math.PI * k) / length;
      const cos = Math.cos(angle);
      const sin = Math.sin(angle);
      for (let i = k; i < size; i += length) {
        const j = i + half;
        const tempRe = re[j]! * cos - im[j]! * sin;
        const tempIm = re[j]! * sin + im[j]! * cos;
        re[j] = re[i]! - tempRe;
        im[j] = im[i]! - tempIm;
        re[i] = re[i]! + tempRe;
        im[i] = im[i]! + tempIm;
      }
    }
  }
}
