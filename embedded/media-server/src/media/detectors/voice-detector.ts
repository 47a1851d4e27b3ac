/** How voice activity is judged. */
export interface VoiceSettings {
  /** Voice that must come before talking begins. */
  voiceMs: number;
  /** Silence that must come before talking ends. */
  silenceMs: number;
  /** Level under which nothing is voice, in dB under full scale (RMS). */
  minLevelDb: number;
  /** How far voice must be above the noise; it ends 3 dB lower, so that a level at the limit does not flutter. */
  marginDb: number;
}

const FRAME_MS = 20;
const HYSTERESIS_DB = 3;
/** The noise floor falls at once to what is quieter, and rises that slowly while something is louder. */
const FLOOR_RISE_DB = 0.05;
const FLOOR_RISE_TALKING_DB = 0.01;
/**
 * What stays this even for so long, smoothed over some 60 ms, is noise, how suddenly it may have begun. Less time or a wider range
 * would take held vowels for noise; more time lets noise pass for voice longer, a narrower range misses noise of few frequencies.
 */
const STEADY_MS = 200;
const STEADY_RANGE_DB = 3;
const STEADY_DECAY = 0.7;
const LOWEST_DB = -80;
/** Nothing above this is background noise. */
const HIGHEST_FLOOR_DB = -30;
/** The first frame is taken for the noise, up to this: it may be speech already. */
const HIGHEST_FIRST_FLOOR_DB = -45;
/** A stop within a word is bridged: a frame of the other kind takes this much off what was gathered. */
const LEAK_MS = 20;

/** RMS level of a frame in dB under full scale, −96 for silence. */
export function levelDb(frame: Int16Array): number {
  let energy = 0;
  for (let i = 0; i < frame.length; i++) energy += frame[i]! * frame[i]!;
  return energy === 0 ? -96 : 10 * Math.log10(energy / frame.length / (32768 * 32768));
}

/**
 * Tells voice from silence and steady noise by level over a noise floor that it learns, with hysteresis in level and time. Feed it frames of 20 ms. No
 * allocation.
 */
export class VoiceDetector {
  /** Whether the party talks: after `voiceMs` of voice, until `silenceMs` of silence. */
  talking = false;
  /** Whether the last frame was voice, at once. */
  voiced = false;
  /** Level of the last frame. */
  levelDb = -96;
  /** How much of what came before this frame, voice or not, has just turned out to be steady noise; else 0. */
  noiseMs = 0;
  /** What is softer than this is that noise. */
  noiseLimitDb = -96;
  readonly #settings: VoiceSettings;
  #floorDb = Number.NaN;
  #gatheredMs = 0;
  #smoothed = 0;
  #steadyMs = 0;
  #steadyLowDb = 0;
  #steadyHighDb = 0;

  constructor(settings: VoiceSettings) {
    this.#settings = settings;
  }

  /** Takes 20 ms; true when {@link talking} has changed. */
  process(frame: Int16Array): boolean {
    const level = levelDb(frame);
    this.levelDb = level;
    if (Number.isNaN(this.#floorDb)) this.#floorDb = Math.min(Math.max(level, LOWEST_DB), HIGHEST_FIRST_FLOOR_DB);
    const { minLevelDb, marginDb, voiceMs, silenceMs } = this.#settings;
    const limit = Math.max(minLevelDb, this.#floorDb + marginDb) - (this.voiced ? HYSTERESIS_DB : 0);
    this.voiced = level > limit;
    this.#hearSteadiness(level);
    if (level < this.#floorDb) this.#floorDb = Math.max(level, LOWEST_DB);
    else
      this.#floorDb = Math.min(this.#floorDb + (this.voiced ? FLOOR_RISE_TALKING_DB : FLOOR_RISE_DB), HIGHEST_FLOOR_DB);
    if (this.voiced !== this.talking) this.#gatheredMs += FRAME_MS;
    else this.#gatheredMs = this.talking ? 0 : Math.max(0, this.#gatheredMs - LEAK_MS);
    if (this.#gatheredMs < (this.talking ? silenceMs : voiceMs) || this.#gatheredMs === 0) return false;
    this.#gatheredMs = 0;
    this.talking = !this.talking;
    return true;
  }

  /** Takes what is steady for the noise, up to the highest floor: louder is voice, or a tone. */
  #hearSteadiness(level: number): void {
    this.noiseMs = 0;
    this.#smoothed = STEADY_DECAY * this.#smoothed + (1 - STEADY_DECAY) * 10 ** (level / 10);
    const smoothedDb = 10 * Math.log10(this.#smoothed);
    this.#steadyLowDb = Math.min(this.#steadyLowDb, smoothedDb);
    this.#steadyHighDb = Math.max(this.#steadyHighDb, smoothedDb);
    this.#steadyMs += FRAME_MS;
    if (this.#steadyHighDb - this.#steadyLowDb > STEADY_RANGE_DB) {
      this.#steadyMs = 0;
      this.#steadyLowDb = smoothedDb;
      this.#steadyHighDb = smoothedDb;
    }
    if (this.#steadyMs < STEADY_MS) return;
    const floorDb = Math.min(this.#steadyLowDb, HIGHEST_FLOOR_DB);
    if (floorDb <= this.#floorDb) return;
    this.#floorDb = floorDb;
    this.noiseLimitDb = floorDb + this.#settings.marginDb;
    if (level > this.noiseLimitDb) return;
    this.voiced = false;
    this.noiseMs = this.#steadyMs;
  }
}
