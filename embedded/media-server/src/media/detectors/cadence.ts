import { ToneMeter } from './tone-meter.js';

/** A part of a call progress tone: two frequencies (0: none; both 0: silence) for a time. `maxMs` 0 is no limit. */
export interface CadencePart {
  hz: readonly [number, number];
  minMs: number;
  maxMs: number;
}

/** A call progress tone: its parts in their order. It is heard when the last has lasted long enough. */
export interface CadenceTone {
  name: string;
  parts: readonly CadencePart[];
}

const on = (hz1: number, hz2: number, minMs: number, maxMs: number): CadencePart => ({ hz: [hz1, hz2], minMs, maxMs });
const off = (minMs: number, maxMs: number): CadencePart => ({ hz: [0, 0], minMs, maxMs });
const special = (firstHz: number): CadenceTone => ({
  name: 'SIT',
  parts: [on(firstHz, 0, 240, 420), on(1400, 0, 240, 420), on(1800, 0, 240, 420)],
});
const CED: CadenceTone = { name: 'CED_TONE', parts: [on(2100, 0, 500, 0)] };
const CNG: CadenceTone = { name: 'CNG_TONE', parts: [on(1100, 0, 400, 600), off(300, 0)] };

/**
 * Call progress tones by country calling code, as `spandsp_start_tone_detect` names its sets: ITU-T E.180 supplement 2 and E.182,
 * T.30 for CNG and CED. Lengths are nominal ±15 %, at least ±40 ms.
 */
export const CADENCE_SETS: ReadonlyMap<string, readonly CadenceTone[]> = new Map([
  [
    '1',
    [
      CED,
      CNG,
      special(950),
      { name: 'DIAL_TONE', parts: [on(350, 440, 2000, 0)] },
      { name: 'RING_TONE', parts: [on(440, 480, 1200, 0)] },
      { name: 'REORDER_TONE', parts: [on(480, 620, 200, 300), off(180, 340), on(480, 620, 200, 300)] },
      { name: 'BUSY_TONE', parts: [on(480, 620, 425, 575), off(425, 575), on(480, 620, 425, 575)] },
    ],
  ],
  [
    '44',
    [
      CED,
      CNG,
      special(950),
      { name: 'DIAL_TONE', parts: [on(350, 440, 2000, 0)] },
      { name: 'RING_TONE', parts: [on(400, 450, 340, 460), off(160, 240), on(400, 450, 340, 460), off(500, 0)] },
      { name: 'REORDER_TONE', parts: [on(400, 0, 340, 460), off(295, 405), on(400, 0, 180, 270), off(445, 605)] },
      { name: 'BUSY_TONE', parts: [on(400, 0, 315, 435), off(315, 435), on(400, 0, 315, 435), off(315, 435)] },
    ],
  ],
  [
    '49',
    [
      CED,
      CNG,
      special(950),
      { name: 'DIAL_TONE', parts: [on(425, 0, 2000, 0)] },
      { name: 'RING_TONE', parts: [on(425, 0, 850, 1150), off(3000, 0)] },
      { name: 'REORDER_TONE', parts: [on(425, 0, 200, 290), off(200, 290), on(425, 0, 200, 290)] },
      { name: 'BUSY_TONE', parts: [on(425, 0, 425, 575), off(425, 575), on(425, 0, 425, 575)] },
    ],
  ],
]);

const FRAME_MS = 20;
/** Energy that a tone must have of all, and each of two tones of it. */
const MIN_SHARE = 0.6;
const MIN_PART = 0.12;
/** Frames after which a change counts, so that one bad frame ends nothing. */
const HISTORY = 8;

/**
 * Follows the cadence of call progress tones and tells each once per time that it is heard. Feed it frames of 20 ms at 8 kHz. No
 * allocation.
 */
export class CadenceDetector {
  readonly #onTone: (name: string) => void;
  readonly #tones: readonly CadenceTone[];
  readonly #meter: ToneMeter;
  /** Distinct pairs; the index + 1 is what a frame is, 0 is silence and −1 something else. */
  readonly #pairs: (readonly [number, number])[] = [];
  readonly #pairBins: (readonly [number, number])[] = [];
  readonly #partKinds: readonly (readonly number[])[];
  /** What the last stretches were and how long, the newest last. */
  readonly #kinds = new Int8Array(HISTORY).fill(-1);
  readonly #lengthsMs = new Float64Array(HISTORY);
  readonly #told: boolean[];

  constructor(tones: readonly CadenceTone[], onTone: (name: string) => void) {
    this.#onTone = onTone;
    this.#tones = tones;
    const frequencies: number[] = [];
    const binOf = (hz: number): number => {
      if (hz === 0) return -1;
      if (!frequencies.includes(hz)) frequencies.push(hz);
      return frequencies.indexOf(hz);
    };
    this.#partKinds = tones.map(({ parts }) =>
      parts.map(({ hz: [first, second] }) => {
        if (first === 0) return 0;
        const at = this.#pairs.findIndex((pair) => pair[0] === first && pair[1] === second);
        if (at >= 0) return at + 1;
        this.#pairBins.push([binOf(first), binOf(second)]);
        return this.#pairs.push([first, second]);
      }),
    );
    this.#meter = new ToneMeter(frequencies);
    this.#told = tones.map(() => false);
  }

  /** Takes 20 ms. */
  process(frame: Int16Array): void {
    this.#meter.process(frame);
    const kind = this.#classify();
    const last = HISTORY - 1;
    if (this.#kinds[last] === kind) {
      this.#lengthsMs[last]! += FRAME_MS;
    } else {
      this.#kinds.copyWithin(0, 1);
      this.#lengthsMs.copyWithin(0, 1);
      this.#kinds[last] = kind;
      this.#lengthsMs[last] = FRAME_MS;
      this.#mergeBlips();
    }
    for (let i = 0; i < this.#tones.length; i++) {
      const heard = this.#matches(i);
      if (heard && !this.#told[i]) this.#onTone(this.#tones[i]!.name);
      this.#told[i] = heard;
    }
  }

  /** A window across an edge is neither tone nor silence: its frame goes to what came before. */
  #mergeBlips(): void {
    const last = HISTORY - 1;
    const middle = last - 1;
    if (this.#kinds[middle] !== -1 || this.#lengthsMs[middle]! > 2 * FRAME_MS || this.#kinds[last] === -1) return;
    this.#lengthsMs[middle - 1]! += this.#lengthsMs[middle]!;
    this.#kinds.copyWithin(1, 0, middle);
    this.#lengthsMs.copyWithin(1, 0, middle);
    if (this.#kinds[last] !== this.#kinds[middle]) return;
    this.#lengthsMs[last]! += this.#lengthsMs[middle]!;
    this.#kinds.copyWithin(1, 0, middle);
    this.#lengthsMs.copyWithin(1, 0, middle);
  }

  #classify(): number {
    const { shares, isSilent } = this.#meter;
    if (isSilent) return 0;
    let best = -1;
    let bestShare = MIN_SHARE;
    for (let i = 0; i < this.#pairBins.length; i++) {
      const [first, second] = this.#pairBins[i]!;
      const a = shares[first]!;
      const b = second < 0 ? 0 : shares[second]!;
      if (a < MIN_PART || (second >= 0 && b < MIN_PART)) continue;
      if (a + b <= bestShare) continue;
      best = i + 1;
      bestShare = a + b;
    }
    return best;
  }

  #matches(tone: number): boolean {
    const { parts } = this.#tones[tone]!;
    const kinds = this.#partKinds[tone]!;
    let at = HISTORY - parts.length;
    for (let i = 0; i < parts.length; i++, at++) {
      const { minMs, maxMs } = parts[i]!;
      if (this.#kinds[at] !== kinds[i] || this.#lengthsMs[at]! < minMs) return false;
      if (maxMs > 0 && this.#lengthsMs[at]! > maxMs) return false;
    }
    return true;
  }
}
