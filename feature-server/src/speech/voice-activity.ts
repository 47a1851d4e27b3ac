/** How speech is told from silence. */
export interface VoiceActivityOptions {
  sampleRate: number;
  /** Voice for so long counts as speech. @defaultValue 250 */
  voiceMs?: number;
  /** Silence for so long counts as its end. @defaultValue 150 */
  silenceMs?: number;
  /** 0 to 3: how far voice must stand out from the noise. @defaultValue 2 */
  mode?: number;
}

/** Length of a judged piece. */
const PIECE_MS = 10;
/** What is softer than this (dB of full scale) is never voice. */
const SOFTEST_VOICE_DB = -50;
/** The noise is never taken for softer than this: behind digital silence a crackle would be voice. */
const SOFTEST_NOISE_DB = -65;
/** How far voice stands above the noise, by mode. */
const MARGINS_DB = [6, 9, 12, 16] as const;
/** How fast the idea of the noise follows what is louder than it; what is softer is believed at once. */
const NOISE_RISE_DB = 0.05;
const NOISE_RISE_IN_VOICE_DB = 0.01;
/** Syllables are apart by less than this. */
const GAP_MS = 120;

/** Tells speech from silence by energy over an adapting floor of noise. Knows no clock but the samples it is fed. */
export class VoiceActivity {
  readonly #pieceSamples: number;
  readonly #voiceMs: number;
  readonly #silenceMs: number;
  readonly #marginDb: number;
  #noiseDb = -45;
  #isFirst = true;
  #energy = 0;
  #count = 0;
  #voicedMs = 0;
  #quietMs = 0;
  #isSpeech = false;

  constructor({ sampleRate, voiceMs = 250, silenceMs = 150, mode = 2 }: VoiceActivityOptions) {
    this.#pieceSamples = Math.round((sampleRate * PIECE_MS) / 1000);
    this.#voiceMs = Math.max(PIECE_MS, voiceMs);
    this.#silenceMs = Math.max(PIECE_MS, silenceMs);
    this.#marginDb = MARGINS_DB[Math.min(3, Math.max(0, Math.round(mode)))] ?? 12;
  }

  /** Whether somebody speaks, as far as was fed. */
  get isSpeech(): boolean {
    return this.#isSpeech;
  }

  /** How long it has been quiet, in speech, too. */
  get quietMs(): number {
    return this.#quietMs;
  }

  /** @returns what began or ended in these samples (mono), in order */
  feed(samples: Int16Array): ('start' | 'end')[] {
    const changes: ('start' | 'end')[] = [];
    for (const sample of samples) {
      this.#energy += sample * sample;
      this.#count += 1;
      if (this.#count < this.#pieceSamples) continue;
      const levelDb = 10 * Math.log10(this.#energy / this.#count / (32_768 * 32_768) + 1e-12);
      this.#energy = 0;
      this.#count = 0;
      const change = this.#judge(levelDb);
      if (change) changes.push(change);
    }
    return changes;
  }

  #judge(levelDb: number): 'start' | 'end' | undefined {
    const isVoice = levelDb > Math.max(SOFTEST_VOICE_DB, this.#noiseDb + this.#marginDb);
    this.#followNoise(levelDb, isVoice);
    if (isVoice) {
      this.#voicedMs += PIECE_MS;
      this.#quietMs = 0;
      if (this.#isSpeech || this.#voicedMs < this.#voiceMs) return undefined;
      this.#isSpeech = true;
      return 'start';
    }
    this.#quietMs += PIECE_MS;
    if (this.#quietMs > GAP_MS) this.#voicedMs = 0;
    if (!this.#isSpeech || this.#quietMs < this.#silenceMs) return undefined;
    this.#isSpeech = false;
    return 'end';
  }

  #followNoise(levelDb: number, isVoice: boolean): void {
    const level = Math.max(SOFTEST_NOISE_DB, levelDb);
    if (level < this.#noiseDb || (this.#isFirst && !isVoice)) this.#noiseDb = level;
    else this.#noiseDb += isVoice ? NOISE_RISE_IN_VOICE_DB : NOISE_RISE_DB;
    this.#isFirst = false;
  }
}
