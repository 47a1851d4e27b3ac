import type { AudioCodec, CodecFormat } from './codec.js';

// ITU-T G.722 (09/2012), 64 kbit/s (mode 1). Names in capitals in comments are the blocks of its clause 6; tables are numbered
// as there. All arithmetic is that of the recommendation: 16-bit values, products shifted, sums saturated.

/** Every second coefficient of the 24 of the quadrature mirror filters (table 11); the others are the same backwards. */
const QMF = Int32Array.of(3, -11, 12, 32, -210, 951, 3876, -805, 362, -156, 53, -11);
/** Decision levels of the lower band's quantiser (table 14). */
const LOW_LEVELS = Int32Array.of(
  0,
  35,
  72,
  110,
  150,
  190,
  233,
  276,
  323,
  370,
  422,
  473,
  530,
  587,
  650,
  714,
  786,
  858,
  940,
  1023,
  1121,
  1219,
  1339,
  1458,
  1612,
  1765,
  1980,
  2195,
  2557,
  2919,
);
/** Codewords of those intervals for negative and positive differences (table 14). */
const LOW_NEGATIVE = [
  0, 63, 62, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4,
];
const LOW_POSITIVE = [
  0, 61, 60, 59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 49, 48, 47, 46, 45, 44, 43, 42, 41, 40, 39, 38, 37, 36, 35, 34, 33,
  32,
];
/** Inverse quantisers: 6 bits for the lower band's output, 4 bits for its predictor, 2 bits for the higher band (tables 15–17). */
const INVERSE_6 = Int32Array.of(
  -136,
  -136,
  -136,
  -136,
  -24808,
  -21904,
  -19008,
  -16704,
  -14984,
  -13512,
  -12280,
  -11192,
  -10232,
  -9360,
  -8576,
  -7856,
  -7192,
  -6576,
  -6000,
  -5456,
  -4944,
  -4464,
  -4008,
  -3576,
  -3168,
  -2776,
  -2400,
  -2032,
  -1688,
  -1360,
  -1040,
  -728,
  24808,
  21904,
  19008,
  16704,
  14984,
  13512,
  12280,
  11192,
  10232,
  9360,
  8576,
  7856,
  7192,
  6576,
  6000,
  5456,
  4944,
  4464,
  4008,
  3576,
  3168,
  2776,
  2400,
  2032,
  1688,
  1360,
  1040,
  728,
  432,
  136,
  -432,
  -136,
);
const INVERSE_4 = Int32Array.of(
  0,
  -20456,
  -12896,
  -8968,
  -6288,
  -4240,
  -2584,
  -1200,
  20456,
  12896,
  8968,
  6288,
  4240,
  2584,
  1200,
  0,
);
const INVERSE_2 = Int32Array.of(-7408, -1616, 7408, 1616);
/** What a codeword does to the logarithmic scale factor: lower band by its upper 4 bits, higher band (tables 18, 21). */
const LOW_LOG_STEP = Int32Array.of(-60, 3042, 1198, 538, 334, 172, 58, -30, 3042, 1198, 538, 334, 172, 58, -30, -60);
const HIGH_LOG_STEP = Int32Array.of(798, -214, 798, -214);
/** Antilogarithm: 2^(i/32) · 2048 (table 19). */
const ANTILOG = Int32Array.of(
  2048,
  2093,
  2139,
  2186,
  2233,
  2282,
  2332,
  2383,
  2435,
  2489,
  2543,
  2599,
  2656,
  2714,
  2774,
  2834,
  2896,
  2960,
  3025,
  3091,
  3158,
  3228,
  3298,
  3371,
  3444,
  3520,
  3597,
  3676,
  3756,
  3838,
  3922,
  4008,
);
const LOW_LOG_MAX = 18432;
const HIGH_LOG_MAX = 22528;
/** Decision level of the higher band's quantiser (table 20). */
const HIGH_LEVEL = 564;
const FILTER_TAPS = 24;

function saturate(value: number): number {
  return value > 32767 ? 32767 : value < -32768 ? -32768 : value;
}

/** Adaptive predictor and scale factor of one sub-band; the same in encoder and decoder. */
class Band {
  /** Predicted value (SL, SH). */
  predicted = 0;
  /** Quantiser scale factor (DETL, DETH). */
  scale: number;
  #logScale = 0;
  readonly #logMax: number;
  readonly #logShift: number;
  #zeroPart = 0;
  #a1 = 0;
  #a2 = 0;
  #r1 = 0;
  #r2 = 0;
  #p1 = 0;
  #p2 = 0;
  readonly #b = new Int32Array(6);
  /** The last six quantised differences, the newest first, doubled and saturated as FILTEZ wants them. */
  readonly #d = new Int32Array(6);

  /** `logShift` is 8 for the lower band and 10 for the higher. */
  constructor(scale: number, logMax: number, logShift: number) {
    this.scale = scale;
    this.#logMax = logMax;
    this.#logShift = logShift;
  }

  /** LOGSCL, SCALEL or LOGSCH, SCALEH: moves the scale factor. */
  rescale(step: number): void {
    const moved = ((this.#logScale * 127) >> 7) + step;
    const log = moved < 0 ? 0 : moved > this.#logMax ? this.#logMax : moved;
    this.#logScale = log;
    const shift = this.#logShift - (log >> 11);
    const mantissa = ANTILOG[(log >> 6) & 31]!;
    this.scale = (shift < 0 ? mantissa << -shift : mantissa >> shift) << 2;
  }

  /** Takes the quantised difference and predicts the next value. */
  update(difference: number): void {
    const p0 = saturate(this.#zeroPart + difference);
    const r0 = saturate(this.predicted + difference);
    this.#updatePoles(p0);
    this.#updateZeros(difference);
    this.#r2 = this.#r1;
    this.#r1 = r0;
    this.#p2 = this.#p1;
    this.#p1 = p0;
    this.#predict();
  }

  /** UPPOL2, UPPOL1. */
  #updatePoles(p0: number): void {
    const sameAs1 = p0 >> 15 === this.#p1 >> 15;
    const sameAs2 = p0 >> 15 === this.#p2 >> 15;
    const fourA1 = saturate(this.#a1 << 2);
    const turned = sameAs1 ? Math.min(-fourA1, 32767) : fourA1;
    const a2 = (sameAs2 ? 128 : -128) + (turned >> 7) + ((this.#a2 * 32512) >> 15);
    this.#a2 = a2 > 12288 ? 12288 : a2 < -12288 ? -12288 : a2;
    const a1 = saturate((sameAs1 ? 192 : -192) + ((this.#a1 * 32640) >> 15));
    const limit = saturate(15360 - this.#a2);
    this.#a1 = a1 > limit ? limit : a1 < -limit ? -limit : a1;
  }

  /** UPZERO, DELAYA, FILTEZ. */
  #updateZeros(difference: number): void {
    const b = this.#b;
    const d = this.#d;
    const gain = difference === 0 ? 0 : 128;
    let zeros = 0;
    let newer = saturate(2 * difference);
    for (let i = 0; i < 6; i++) {
      const older = d[i]!;
      // Same signs: their exclusive or has no sign bit.
      const coefficient = saturate(((older ^ difference) < 0 ? -gain : gain) + ((b[i]! * 32640) >> 15));
      b[i] = coefficient;
      d[i] = newer;
      zeros += (coefficient * newer) >> 15;
      newer = older;
    }
    this.#zeroPart = saturate(zeros);
  }

  /** FILTEP, PREDIC. */
  #predict(): void {
    const poles = saturate(((this.#a1 * saturate(2 * this.#r1)) >> 15) + ((this.#a2 * saturate(2 * this.#r2)) >> 15));
    this.predicted = saturate(poles + this.#zeroPart);
  }
}

const newLow = (): Band => new Band(32, LOW_LOG_MAX, 8);
const newHigh = (): Band => new Band(8, HIGH_LOG_MAX, 10);

/** Samples filtered at a time: 20 ms. */
const BLOCK_SAMPLES = 320;
/** Samples of the past that the filters need. */
const PAST = FILTER_TAPS - 2;

class G722Encoder {
  readonly #low = newLow();
  readonly #high = newHigh();
  /** The past, then the block. */
  readonly #samples = new Int32Array(PAST + BLOCK_SAMPLES);

  /** Encodes up to a block, an even number of samples. */
  encode(pcm: Int16Array, pcmOffset: number, count: number, out: Uint8Array, offset: number): void {
    const samples = this.#samples;
    for (let i = 0; i < count; i++) samples[PAST + i] = pcm[pcmOffset + i]!;
    for (let at = 0; at < count; at += 2) {
      let even = 0;
      let odd = 0;
      for (let i = 0; i < 12; i++) {
        odd += samples[at + 2 * i]! * QMF[i]!;
        even += samples[at + 2 * i + 1]! * QMF[11 - i]!;
      }
      // 12 bits of filter gain, one for the sum of two, one because the bands have 15 bits.
      const low = this.#encodeLow((even + odd) >> 14);
      out[offset + (at >> 1)] = (this.#encodeHigh((even - odd) >> 14) << 6) | low;
    }
    samples.copyWithin(0, count, count + PAST);
  }

  #encodeLow(sample: number): number {
    const band = this.#low;
    const difference = saturate(sample - band.predicted);
    const magnitude = difference >= 0 ? difference : ~difference;
    let interval = 1;
    while (interval < 30 && magnitude >= (LOW_LEVELS[interval]! * band.scale) >> 12) interval++;
    const codeword = difference < 0 ? LOW_NEGATIVE[interval]! : LOW_POSITIVE[interval]!;
    updateLow(band, codeword >> 2);
    return codeword;
  }

  #encodeHigh(sample: number): number {
    const band = this.#high;
    const difference = saturate(sample - band.predicted);
    const magnitude = difference >= 0 ? difference : ~difference;
    const isLarge = magnitude >= (HIGH_LEVEL * band.scale) >> 12;
    const codeword = (difference < 0 ? 0 : 2) + (isLarge ? 0 : 1);
    updateHigh(band, codeword);
    return codeword;
  }
}

/** INVQAL and what follows: the predictor sees 4 of the 6 bits, so that the lower ones may be robbed for data. */
function updateLow(band: Band, upperBits: number): void {
  const difference = (band.scale * INVERSE_4[upperBits]!) >> 15;
  band.rescale(LOW_LOG_STEP[upperBits]!);
  band.update(difference);
}

function updateHigh(band: Band, codeword: number): number {
  const difference = (band.scale * INVERSE_2[codeword]!) >> 15;
  band.rescale(HIGH_LOG_STEP[codeword]!);
  band.update(difference);
  return difference;
}

class G722Decoder {
  readonly #low = newLow();
  readonly #high = newHigh();
  /** Sums and differences of the bands: the past, then the block. */
  readonly #bands = new Int32Array(PAST + BLOCK_SAMPLES);

  /** Decodes up to a block of codewords, two samples each. */
  decode(bytes: Uint8Array, offset: number, count: number, pcm: Int16Array, pcmOffset: number): void {
    const bands = this.#bands;
    const low = this.#low;
    const high = this.#high;
    for (let k = 0; k < count; k++) {
      const codeword = bytes[offset + k]!;
      const lowBits = codeword & 63;
      const lowOut = limit15(low.predicted + ((low.scale * INVERSE_6[lowBits]!) >> 15));
      updateLow(low, lowBits >> 2);
      const highOut = limit15(high.predicted + updateHigh(high, codeword >> 6));
      const at = 2 * k;
      bands[PAST + at] = lowOut + highOut;
      bands[PAST + at + 1] = lowOut - highOut;
      let first = 0;
      let second = 0;
      for (let i = 0; i < 12; i++) {
        second += bands[at + 2 * i]! * QMF[i]!;
        first += bands[at + 2 * i + 1]! * QMF[11 - i]!;
      }
      pcm[pcmOffset + at] = saturate(first >> 11);
      pcm[pcmOffset + at + 1] = saturate(second >> 11);
    }
    bands.copyWithin(0, 2 * count, 2 * count + PAST);
  }
}

/** LIMIT: the bands have 15 bits. */
function limit15(value: number): number {
  return value > 16383 ? 16383 : value < -16384 ? -16384 : value;
}

class G722AudioCodec implements AudioCodec {
  readonly #encoder = new G722Encoder();
  readonly #decoder = new G722Decoder();

  constructor(readonly format: CodecFormat) {}

  encode(pcm: Int16Array, pcmOffset: number, samples: number, out: Uint8Array, offset: number): number {
    const whole = samples & ~1;
    for (let at = 0; at < whole; at += BLOCK_SAMPLES) {
      const count = Math.min(BLOCK_SAMPLES, whole - at);
      this.#encoder.encode(pcm, pcmOffset + at, count, out, offset + (at >> 1));
    }
    return whole >> 1;
  }

  decode(payload: Uint8Array, offset: number, length: number, pcm: Int16Array, pcmOffset: number): number {
    const bytes = Math.min(length, (pcm.length - pcmOffset) >> 1);
    for (let at = 0; at < bytes; at += BLOCK_SAMPLES / 2) {
      const count = Math.min(BLOCK_SAMPLES / 2, bytes - at);
      this.#decoder.decode(payload, offset + at, count, pcm, pcmOffset + 2 * at);
    }
    return bytes * 2;
  }

  close(): void {
    // Nothing is held.
  }
}

/** G.722 at 64 kbit/s; its RTP clock is 8000 by an old mistake (RFC 3551 §4.5.2). */
export const G722: CodecFormat = {
  name: 'G722',
  clockHz: 8000,
  rateHz: 16000,
  channels: 1,
  payloadType: 9,
  packetMs: [10, 20, 30, 40, 60],
  maxPayloadBytes: (packetMs) => packetMs * 8,
  create: () => new G722AudioCodec(G722),
};
