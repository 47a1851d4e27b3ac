import type { ToneCommand, ToneProgram } from './tgml.js';

/** FreeSWITCH's level of a generated tone, in dBm0, and what it takes. */
const DEFAULT_LEVEL_DBM0 = -7;
const MIN_LEVEL_DBM0 = -63;
/** Of digits, when nothing is said. */
const DEFAULT_ON_MS = 250;
const DEFAULT_OFF_MS = 62.5;
/** Amplitude of a sine of 0 dBm0: 3.14 dB under the largest that can be coded (ITU-T G.711 §4). */
const AMPLITUDE_0_DBM0 = 32_767 * 10 ** (-3.15 / 20);
/** Tones fade in and out over this long, so that switching them makes no click. */
const RAMP_SAMPLES = 16;
/** Commands run in one call of `read`: real scripts need a handful, and one that makes next to no sound must not hold up a media thread. */
const MAX_COMMANDS_PER_READ = 3000;
const MAX_FREQUENCIES = 18;
/** Distortion is 78 dB under the tone. */
const SINE = Float64Array.from({ length: 8192 }, (_, i) => Math.sin((2 * Math.PI * i) / 8192));

/** Plays a {@link ToneProgram} sample by sample, in constant memory however long it is. */
export class ToneGenerator {
  readonly #program: ToneProgram;
  readonly #playRateHz: number;
  readonly #phases = new Float64Array(MAX_FREQUENCIES);
  readonly #steps = new Float64Array(MAX_FREQUENCIES);
  #loop = 0;
  #script = 0;
  #run = 0;
  #command = 0;
  /** How often the present tone is still to be played; below zero without end. */
  #repeats = 0;
  #over = false;
  // What commands set; lengths in samples.
  #rateHz = 0;
  #on = 0;
  #off = 0;
  #levelDbm0 = 0;
  #decaySamples = 0;
  #decayDirection = 0;
  #decayDb = 1;
  // The tone that sounds.
  #frequencies = 0;
  #amplitude = 0;
  #toneDbm0 = 0;
  #sinceDecay = 0;
  #at = 0;
  #onSamples = 0;
  #endSamples = 0;

  constructor(program: ToneProgram, rateHz = 8000) {
    this.#program = program;
    this.#playRateHz = rateHz;
    this.#reset();
  }

  /** Writes up to `count` samples at the start of `out` and returns how many: fewer only at the program's end. No allocation. */
  read(out: Int16Array, count: number): number {
    let written = 0;
    let commands = 0;
    while (written < count && !this.#over) {
      if (this.#at < this.#onSamples) {
        out[written++] = this.#sample();
        this.#at++;
      } else if (this.#at < this.#endSamples) {
        out[written++] = 0;
        this.#at++;
      } else if (++commands > MAX_COMMANDS_PER_READ) {
        this.#over = true;
      } else {
        this.#advance();
      }
    }
    return written;
  }

  /** What holds at the start. */
  #reset(): void {
    this.#rateHz = this.#playRateHz;
    this.#on = (DEFAULT_ON_MS * this.#rateHz) / 1000;
    this.#off = (DEFAULT_OFF_MS * this.#rateHz) / 1000;
    this.#levelDbm0 = DEFAULT_LEVEL_DBM0;
    this.#decaySamples = 0;
    this.#decayDirection = 0;
    this.#decayDb = 1;
    this.#repeats = 0;
  }

  /** Runs one command, or goes on to the next script or round. */
  #advance(): void {
    const { scripts, loops } = this.#program;
    const script = scripts[this.#script];
    if (!script) {
      this.#loop++;
      // 0 plays once, as 1 does.
      if (scripts.length === 0 || (loops >= 0 && this.#loop >= loops)) this.#over = true;
      this.#script = 0;
      this.#reset();
      return;
    }
    const command = script.commands[this.#command];
    if (!command || command.kind === 'stop') {
      this.#command = 0;
      if (++this.#run < script.runs) return;
      this.#run = 0;
      this.#script++;
      return;
    }
    if (command.kind === 'set') {
      this.#set(command);
      this.#command++;
      return;
    }
    this.#begin(command);
    if (this.#repeats > 0) this.#repeats--;
    if (this.#repeats === 0) this.#command++;
  }

  #set({ name, value }: Extract<ToneCommand, { kind: 'set' }>): void {
    switch (name) {
      case 'd':
        this.#on = this.#samples(value);
        return;
      case 'w':
        this.#off = this.#samples(value);
        return;
      case 'v':
        if (value <= 0 && value >= MIN_LEVEL_DBM0) this.#levelDbm0 = value;
        return;
      case 'r':
        this.#rateHz = value;
        return;
      case 'l':
        this.#repeats = value;
        return;
      case '+':
        this.#decayDb = value;
        return;
      case '>':
      case '<':
        this.#decaySamples = this.#samples(value);
        this.#decayDirection = name === '>' ? -1 : 1;
    }
  }

  /** Whole milliseconds of the script's rate, which may not be the one at which it is played. */
  #samples(ms: number): number {
    return Math.max(0, ms * Math.trunc(this.#rateHz / 1000));
  }

  #begin({ onMs, offMs, frequenciesHz }: Extract<ToneCommand, { kind: 'tone' }>): void {
    const on = onMs < 0 ? this.#on : this.#samples(onMs);
    const off = offMs < 0 ? this.#off : this.#samples(offMs);
    // What is below zero is no tone; its pause is kept.
    const sounds = frequenciesHz[0]! > 0 && this.#rateHz > 0;
    this.#frequencies = frequenciesHz.length;
    for (let i = 0; i < frequenciesHz.length; i++) {
      this.#phases[i] = 0;
      this.#steps[i] = sounds ? wrap(frequenciesHz[i]! / this.#rateHz) : 0;
    }
    this.#at = 0;
    this.#onSamples = sounds ? Math.round(on) : 0;
    this.#endSamples = this.#onSamples + Math.round(off);
    this.#toneDbm0 = this.#levelDbm0;
    this.#sinceDecay = 0;
    this.#setAmplitude();
  }

  #setAmplitude(): void {
    this.#amplitude = (AMPLITUDE_0_DBM0 * 10 ** (this.#toneDbm0 / 20)) / this.#frequencies;
  }

  #sample(): number {
    if (this.#decayDirection !== 0 && ++this.#sinceDecay >= this.#decaySamples) this.#decay();
    const phases = this.#phases;
    let sum = 0;
    for (let i = 0; i < this.#frequencies; i++) {
      const phase = phases[i]!;
      sum += SINE[(phase * SINE.length) | 0]!;
      const next = phase + this.#steps[i]!;
      phases[i] = next >= 1 ? next - 1 : next;
    }
    const at = this.#at;
    const ramp = Math.min(1, (at + 1) / RAMP_SAMPLES, (this.#onSamples - at) / RAMP_SAMPLES);
    return Math.round(sum * this.#amplitude * ramp);
  }

  #decay(): void {
    const next = this.#toneDbm0 + this.#decayDirection * this.#decayDb;
    if (!(next <= 0 && next >= MIN_LEVEL_DBM0)) return;
    this.#toneDbm0 = next;
    this.#sinceDecay = 0;
    this.#setAmplitude();
  }
}

/** Turns per sample, 0 to 1. */
function wrap(turns: number): number {
  return turns - Math.floor(turns);
}
