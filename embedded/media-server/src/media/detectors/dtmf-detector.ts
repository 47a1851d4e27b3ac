/** Rate that the detector works at. */
export const DETECTOR_RATE_HZ = 8000;

/** A key that was heard. */
export interface HeardDigit {
  digit: string;
  durationMs: number;
}

const FREQUENCIES_HZ = [697, 770, 852, 941, 1209, 1336, 1477, 1633];
const PAD = '123A456B789C*0#D';
const BINS = 8;
/** Length of a block. What is known of a tone is renewed after each. */
const BLOCK = 40;
const BLOCK_MS = 5;
/** Blocks that a digit must fill: 30 ms, so that every tone of 40 ms does and none of 24 ms can. */
const WINDOW = 6;
/** Weights of the blocks in the narrow filter: a triangle lets little of the other group through. */
const WEIGHTS = [1, 2, 3, 2, 1];
const WEIGHT_SUM = 9;
/** Between the 1.5 % that must be taken and the 3.5 % that must not (Q.24). */
const MAX_OFFSET = 0.022;
/** Amplitude of −27 dBm0, where full scale is +3.17 dBm0: between the −25 that must be taken and the −29 that need not. */
const MIN_AMPLITUDE = 32767 * 10 ** (-30.17 / 20);
/** Least energy that two such tones have in a block. Quieter blocks are not looked at. */
const MIN_BLOCK_ENERGY = BLOCK * MIN_AMPLITUDE ** 2 * 0.3;
/** High group above low group by at most 6 dB, below it by at most 10: Q.24 wants 4 and 8. */
const MAX_TWIST = 10 ** (6 / 10);
const MIN_TWIST = 10 ** (-10 / 10);
/** Part of all energy that the two tones must have. Speech rarely comes near; noise 12 dB below the tones does. */
const MIN_SHARE = 0.9;
/** A block at the window's edge must have this part of the mean energy, else the tone is shorter than the window. */
const MIN_EDGE = 0.45;
/** A held tone is there as long as a block has this part of its power… */
const MIN_HELD = 0.15;
/** …and goes when that many blocks have not: 15 ms, so that gaps of 10 ms are bridged and gaps of 40 ms always seen. */
const END_BLOCKS = 3;

/** Twice the cosine of what each frequency turns per sample: the factor of Goertzel's recursion. */
const FACTOR = new Float64Array(BINS);
/** What each frequency turns per sample, and over a block but for its last sample, backwards. */
const STEP_COS = new Float64Array(BINS);
const STEP_SIN = new Float64Array(BINS);
const BACK_COS = new Float64Array(BINS);
const BACK_SIN = new Float64Array(BINS);
/** Phase that each frequency gains over a block. */
const TURN_COS = new Float64Array(BINS);
const TURN_SIN = new Float64Array(BINS);
for (let bin = 0; bin < BINS; bin++) {
  const omega = (2 * Math.PI * FREQUENCIES_HZ[bin]!) / DETECTOR_RATE_HZ;
  FACTOR[bin] = 2 * Math.cos(omega);
  STEP_COS[bin] = Math.cos(omega);
  STEP_SIN[bin] = -Math.sin(omega);
  BACK_COS[bin] = Math.cos(omega * (BLOCK - 1));
  BACK_SIN[bin] = -Math.sin(omega * (BLOCK - 1));
  TURN_COS[bin] = Math.cos(omega * BLOCK);
  TURN_SIN[bin] = -Math.sin(omega * BLOCK);
}

/**
 * Hears DTMF digits in 8 kHz audio, within the limits of ITU-T Q.24: frequencies off by 1.5 % are taken, by 3.5 % not; 40 ms on and
 * 40 ms off are enough; tones down to −25 dBm0; the high group 4 dB above to 8 dB below the low one.
 *
 * Every 5 ms the audio is correlated with the eight frequencies. Six such blocks give power and, by how the phase turns, the exact
 * frequency of the strongest of each group; these two must explain nearly all energy. No allocation but for a heard digit.
 */
export class DtmfDetector {
  readonly #onDigit: (digit: HeardDigit) => void;
  readonly #block = new Float64Array(BLOCK);
  #filled = 0;
  /** Correlations of the last blocks, oldest first in turn: `slot * BINS + bin`. */
  readonly #re = new Float64Array(WINDOW * BINS);
  readonly #im = new Float64Array(WINDOW * BINS);
  readonly #energy = new Float64Array(WINDOW);
  #slot = 0;
  #quietBlocks = WINDOW;
  #row = -1;
  #column = -1;
  #heldPower = 0;
  #heldBlocks = 0;
  #missingBlocks = 0;
  /** What {@link DtmfDetector.#measure} has found last. */
  #power = 0;

  constructor(onDigit: (digit: HeardDigit) => void) {
    this.#onDigit = onDigit;
  }

  /** The digit that is sounding now. */
  get digit(): string | undefined {
    return this.#row < 0 ? undefined : PAD[this.#row * 4 + this.#column];
  }

  /** Takes samples, however many. A digit is told when it has ended. */
  process(pcm: Int16Array): void {
    let at = 0;
    while (at < pcm.length) {
      const count = Math.min(BLOCK - this.#filled, pcm.length - at);
      for (let i = 0; i < count; i++) this.#block[this.#filled + i] = pcm[at + i]!;
      this.#filled += count;
      at += count;
      if (this.#filled < BLOCK) return;
      this.#filled = 0;
      this.#processBlock();
    }
  }

  /** Ends a digit that is sounding. */
  flush(): void {
    if (this.#row >= 0) this.#end();
  }

  #processBlock(): void {
    const block = this.#block;
    let energy = 0;
    for (let i = 0; i < BLOCK; i++) energy += block[i]! * block[i]!;
    const slot = this.#slot;
    this.#energy[slot] = energy;
    const base = slot * BINS;
    this.#slot = slot + 1 === WINDOW ? 0 : slot + 1;
    if (energy < MIN_BLOCK_ENERGY) {
      for (let bin = 0; bin < BINS; bin++) this.#re[base + bin] = this.#im[base + bin] = 0;
      this.#quietBlocks++;
      if (this.#row >= 0) this.#miss();
      return;
    }
    this.#quietBlocks = this.#quietBlocks >= WINDOW ? 0 : this.#quietBlocks;
    this.#correlate(0, base);
    this.#correlate(4, base + 4);
    if (this.#row >= 0) this.#follow(base);
    this.#look();
  }

  /**
   * Correlates the block with the four frequencies from `first` on: Goertzel's recursion, one multiplication per sample and
   * frequency, four at a time so that each need not wait for the others.
   */
  #correlate(first: number, at: number): void {
    const block = this.#block;
    const f0 = FACTOR[first]!;
    const f1 = FACTOR[first + 1]!;
    const f2 = FACTOR[first + 2]!;
    const f3 = FACTOR[first + 3]!;
    let [a0, a1, a2, a3] = [0, 0, 0, 0];
    let [b0, b1, b2, b3] = [0, 0, 0, 0];
    for (let i = 0; i < BLOCK; i += 2) {
      const even = block[i]!;
      b0 = even + f0 * a0 - b0;
      b1 = even + f1 * a1 - b1;
      b2 = even + f2 * a2 - b2;
      b3 = even + f3 * a3 - b3;
      const odd = block[i + 1]!;
      a0 = odd + f0 * b0 - a0;
      a1 = odd + f1 * b1 - a1;
      a2 = odd + f2 * b2 - a2;
      a3 = odd + f3 * b3 - a3;
    }
    this.#store(first, at, a0, b0);
    this.#store(first + 1, at + 1, a1, b1);
    this.#store(first + 2, at + 2, a2, b2);
    this.#store(first + 3, at + 3, a3, b3);
  }

  /** Turns the last two states of a recursion into the correlation, with the phase as it is at the block's start. */
  #store(bin: number, at: number, last: number, before: number): void {
    const re = last - STEP_COS[bin]! * before;
    const im = -STEP_SIN[bin]! * before;
    this.#re[at] = re * BACK_COS[bin]! - im * BACK_SIN[bin]!;
    this.#im[at] = re * BACK_SIN[bin]! + im * BACK_COS[bin]!;
  }

  /** Whether the digit that sounds goes on in the newest block. */
  #follow(base: number): void {
    const row = base + this.#row;
    const column = base + 4 + this.#column;
    const rowPower = this.#re[row]! ** 2 + this.#im[row]! ** 2;
    const columnPower = this.#re[column]! ** 2 + this.#im[column]! ** 2;
    const least = this.#heldPower * MIN_HELD;
    if (rowPower + columnPower < least) {
      this.#miss();
      return;
    }
    this.#heldBlocks += this.#missingBlocks + 1;
    this.#missingBlocks = 0;
  }

  #miss(): void {
    if (++this.#missingBlocks >= END_BLOCKS) this.#end();
  }

  #end(): void {
    const digit = PAD[this.#row * 4 + this.#column]!;
    const durationMs = this.#heldBlocks * BLOCK_MS;
    this.#row = -1;
    this.#onDigit({ digit, durationMs });
  }

  /** Looks whether the window holds a digit from end to end. */
  #look(): void {
    let energy = 0;
    for (let i = 0; i < WINDOW; i++) energy += this.#energy[i]!;
    const least = (energy / WINDOW) * MIN_EDGE;
    for (let i = 0; i < WINDOW; i++) if (this.#energy[i]! < least) return;
    if (energy < MIN_BLOCK_ENERGY * WINDOW) return;
    const row = this.#strongest(0);
    const column = this.#strongest(4) - 4;
    if (row === this.#row && column === this.#column) return;
    const rowPower = this.#measure(row);
    if (rowPower < 0) return;
    const columnPower = this.#measure(4 + column);
    if (columnPower < 0) return;
    const twist = columnPower / rowPower;
    if (twist > MAX_TWIST || twist < MIN_TWIST) return;
    // Powers are of amplitudes; a sine's energy over n samples is n·amplitude²/2.
    const share = ((rowPower + columnPower) * BLOCK * WINDOW) / 2 / energy;
    if (share < MIN_SHARE) return;
    if (this.#row >= 0) this.#end();
    this.#row = row;
    this.#column = column;
    this.#heldPower = ((rowPower + columnPower) * BLOCK * BLOCK) / 4;
    this.#heldBlocks = WINDOW;
    this.#missingBlocks = 0;
  }

  /** The strongest bin of a group of four, over the window's newest five blocks. */
  #strongest(first: number): number {
    let best = first;
    let bestPower = -1;
    for (let bin = first; bin < first + 4; bin++) {
      this.#filter(bin, 1);
      const power = this.#filteredRe * this.#filteredRe + this.#filteredIm * this.#filteredIm;
      if (power > bestPower) {
        bestPower = power;
        best = bin;
      }
    }
    return best;
  }

  /** Squared amplitude of the tone near a bin; −1 when it is too quiet or its frequency is not that of the digit. */
  #measure(bin: number): number {
    this.#filter(bin, 0);
    const re = this.#filteredRe;
    const im = this.#filteredIm;
    this.#filter(bin, 1);
    // How far the phase turned over one block beyond what the nominal frequency turns.
    const crossRe = this.#filteredRe * re + this.#filteredIm * im;
    const crossIm = this.#filteredIm * re - this.#filteredRe * im;
    const turn = Math.atan2(crossIm, crossRe);
    const offsetHz = (turn * DETECTOR_RATE_HZ) / (2 * Math.PI * BLOCK);
    if (Math.abs(offsetHz) > FREQUENCIES_HZ[bin]! * MAX_OFFSET) return -1;
    const seen = Math.hypot(crossRe, crossIm) * 4;
    const gain = BLOCK * WEIGHT_SUM * response(turn);
    this.#power = seen / (gain * gain);
    return this.#power < MIN_AMPLITUDE * MIN_AMPLITUDE ? -1 : this.#power;
  }

  #filteredRe = 0;
  #filteredIm = 0;

  /**
   * Correlation with a bin over five blocks, `first` 0 for the oldest five and 1 for the newest, with the phase as if all began at
   * the first of them.
   */
  #filter(bin: number, first: number): void {
    const turnCos = TURN_COS[bin]!;
    const turnSin = TURN_SIN[bin]!;
    let cos = 1;
    let sin = 0;
    // The older five are turned from the same origin as the newer, so that only the offset is left between them.
    if (first === 1) {
      cos = turnCos;
      sin = turnSin;
    }
    let sumRe = 0;
    let sumIm = 0;
    let slot = this.#slot + first;
    if (slot >= WINDOW) slot -= WINDOW;
    for (let k = 0; k < WEIGHTS.length; k++) {
      const re = this.#re[slot * BINS + bin]!;
      const im = this.#im[slot * BINS + bin]!;
      const weight = WEIGHTS[k]!;
      sumRe += weight * (re * cos - im * sin);
      sumIm += weight * (re * sin + im * cos);
      const nextCos = cos * turnCos - sin * turnSin;
      sin = cos * turnSin + sin * turnCos;
      cos = nextCos;
      if (++slot === WINDOW) slot = 0;
    }
    this.#filteredRe = sumRe;
    this.#filteredIm = sumIm;
  }
}

/** Gain of the narrow filter for a tone whose phase turns by `turn` per block beyond the nominal. */
function response(turn: number): number {
  const perSample = turn / BLOCK;
  const block = Math.abs(turn) < 1e-6 ? 1 : Math.sin(turn / 2) / (BLOCK * Math.sin(perSample / 2));
  return block * ((3 + 4 * Math.cos(turn) + 2 * Math.cos(2 * turn)) / WEIGHT_SUM);
}
