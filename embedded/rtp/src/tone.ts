import { ToneSyntaxError } from './errors.js';

/** One step of a tone program: sound, then silence. */
export interface ToneStep {
  onMs: number;
  offMs: number;
  /** Sine waves that sound together; none is silence. */
  frequenciesHz: number[];
  /** Level of each sine in dB under full scale. */
  levelDb: number;
}

/** A parsed tone description. */
export interface ToneProgram {
  steps: ToneStep[];
  /** How often the steps are played; −1 is for ever. */
  loops: number;
}

/** FreeSWITCH's default level of a generated tone. */
const DEFAULT_LEVEL_DB = -7;
const MAX_FREQUENCIES = 8;
const MAX_STEPS = 64;
/** Tones fade in and out over this long, so that switching them makes no click. */
const RAMP_SAMPLES = 16;

/**
 * Parses the subset of FreeSWITCH's TGML that telephony tones use: `%(on,off,f1[,f2…])` steps, `v=` level in dB, `l=`/`L=`
 * loops of the steps so far, separated by `;`, and `loops=` at the end: `v=-7;%(100,100,400);loops=3`. Digits `0-9*#A-D` outside
 * brackets are DTMF tones of 100 ms.
 *
 * @throws ToneSyntaxError for anything else.
 */
export function parseToneStream(description: string): ToneProgram {
  const program: ToneProgram = { steps: [], loops: 1 };
  let levelDb = DEFAULT_LEVEL_DB;
  for (const part of description.split(';').map((piece) => piece.trim())) {
    if (part === '') continue;
    const setting = /^([a-zA-Z]+)=(-?\d+)$/.exec(part);
    if (setting) {
      const [, name, value] = setting;
      if (name === 'v') levelDb = Math.min(0, Math.max(-63, Number(value)));
      else if (name === 'loops' || name === 'l' || name === 'L') program.loops = Number(value) || 1;
      else throw new ToneSyntaxError(`unknown tone setting ${name}`);
      continue;
    }
    parseSteps(part, levelDb, program.steps);
  }
  if (program.steps.length === 0) throw new ToneSyntaxError('the tone description has no tone');
  if (program.steps.every((step) => step.onMs + step.offMs === 0)) throw new ToneSyntaxError('the tone has no length');
  return program;
}

const DTMF_ROWS_HZ = [697, 770, 852, 941];
const DTMF_COLUMNS_HZ = [1209, 1336, 1477, 1633];
const DTMF_PAD = '123A456B789C*0#D';

/** The two frequencies of a DTMF digit (ITU-T Q.23), or undefined for another character. */
export function dtmfFrequencies(digit: string): [number, number] | undefined {
  const at = DTMF_PAD.indexOf(digit.toUpperCase());
  if (digit.length !== 1 || at < 0) return undefined;
  return [DTMF_ROWS_HZ[at >> 2]!, DTMF_COLUMNS_HZ[at & 3]!];
}

/** Plays a {@link ToneProgram} sample by sample. */
export class ToneGenerator {
  readonly #program: ToneProgram;
  readonly #rateHz: number;
  #loop = 0;
  #step = 0;
  #at = 0;

  constructor(program: ToneProgram, rateHz = 8000) {
    this.#program = program;
    this.#rateHz = rateHz;
  }

  /** Writes up to `count` samples at the start of `out` and returns how many: fewer only at the program's end. No allocation. */
  read(out: Int16Array, count: number): number {
    const { steps, loops } = this.#program;
    let written = 0;
    while (written < count) {
      if (loops >= 0 && this.#loop >= loops) break;
      const step = steps[this.#step]!;
      const on = (step.onMs * this.#rateHz) / 1000;
      const total = on + (step.offMs * this.#rateHz) / 1000;
      if (this.#at >= total) {
        this.#at = 0;
        this.#step++;
        if (this.#step === steps.length) {
          this.#step = 0;
          this.#loop++;
        }
        continue;
      }
      out[written++] = this.#at < on ? toneSample(step, this.#at, on, this.#rateHz) : 0;
      this.#at++;
    }
    return written;
  }
}

/** Samples of one tone: for tests and fixtures. Level in dB under full scale. */
export function tone(frequenciesHz: number | number[], durationMs: number, levelDb = -10, rateHz = 8000): Int16Array {
  const frequencies = Array.isArray(frequenciesHz) ? frequenciesHz : [frequenciesHz];
  const out = new Int16Array(Math.round((durationMs * rateHz) / 1000));
  const step = { onMs: durationMs, offMs: 0, frequenciesHz: frequencies, levelDb };
  for (let i = 0; i < out.length; i++) out[i] = toneSample(step, i, out.length, rateHz);
  return out;
}

function toneSample(step: ToneStep, at: number, onSamples: number, rateHz: number): number {
  const amplitude = (32767 * 10 ** (step.levelDb / 20)) / Math.max(1, step.frequenciesHz.length);
  const ramp = Math.min(1, (at + 1) / RAMP_SAMPLES, (onSamples - at) / RAMP_SAMPLES);
  let sum = 0;
  for (let i = 0; i < step.frequenciesHz.length; i++) {
    sum += Math.sin((2 * Math.PI * step.frequenciesHz[i]! * at) / rateHz);
  }
  return Math.round(sum * amplitude * ramp);
}

function parseSteps(part: string, levelDb: number, steps: ToneStep[]): void {
  let rest = part;
  while (rest !== '') {
    const step = /^%\(\s*(\d+)\s*,\s*(\d+)\s*((?:,\s*\d+(?:\.\d+)?\s*)*)\)/.exec(rest);
    const digit = dtmfFrequencies(rest[0]!);
    if (steps.length >= MAX_STEPS) throw new ToneSyntaxError(`more than ${MAX_STEPS} tones`);
    if (step) {
      const frequenciesHz = step[3]!.split(',').map(Number).filter(Boolean);
      if (frequenciesHz.length > MAX_FREQUENCIES) throw new ToneSyntaxError(`more than ${MAX_FREQUENCIES} frequencies`);
      steps.push({ onMs: Number(step[1]), offMs: Number(step[2]), frequenciesHz, levelDb });
      rest = rest.slice(step[0].length).trimStart();
    } else if (digit) {
      steps.push({ onMs: 100, offMs: 50, frequenciesHz: digit, levelDb });
      rest = rest.slice(1).trimStart();
    } else {
      throw new ToneSyntaxError(`cannot read tone at ${JSON.stringify(rest.slice(0, 20))}`);
    }
  }
}
