/** So much above the threshold is talking at once; less must last for {@link SOFT_FRAMES}. */
const LOUD_MARGIN = 400;
const SOFT_FRAMES = 5;
/** 800 ms below the threshold end talking: pauses between words do not. */
const SILENT_FRAMES = 40;
/** How much of the smoothed score stays from one frame to the next. */
const DECAY = 0.8;

/** What a frame changed. */
export type TalkChange = 'none' | 'started' | 'stopped';

/**
 * Tells from the mean amplitude of each 20 ms whether a member talks. The thresholds are those of FreeSWITCH's conference, so that
 * its users' energy levels mean the same.
 */
export class TalkDetector {
  /** Whether the member talks, pauses between words included. */
  talking = false;
  /** Mean amplitude of the last frame. */
  score = 0;
  /** The score, smoothed over about 100 ms. */
  smoothed = 0;
  /** Frames since talking began. */
  frames = 0;
  #level = 0;
  #raised = false;
  #soft = 0;
  #silent = 0;
  #open = 0;

  /**
   * Mean amplitude from which on a frame counts as speech; 0: everything does, and talking is what exceeds {@link LOUD_MARGIN}. Who
   * has been softer than a raised level is silent at once: there is no pause between words to wait for.
   */
  get level(): number {
    return this.#level;
  }

  set level(level: number) {
    this.#raised ||= level > this.#level;
    this.#level = level;
  }

  /** Whether what it says is to be heard: at once when the level is reached, until a pause of 800 ms. */
  get open(): boolean {
    return this.#open > 0 || this.level === 0;
  }

  /** Takes a frame. No allocation. */
  take(frame: Int16Array): TalkChange {
    let sum = 0;
    for (let i = 0; i < frame.length; i++) sum += Math.abs(frame[i]!);
    const score = Math.floor(sum / frame.length);
    this.score = score;
    this.smoothed = (1 - DECAY) * score + DECAY * this.smoothed;
    if (this.talking) this.frames++;
    const raised = this.#raised;
    this.#raised = false;
    if (score > this.level) return this.#takeSpeech(score);
    if (raised && this.smoothed <= this.level) return this.#stop();
    if (this.#open > 0) this.#open--;
    if (this.#soft > 0) this.#soft--;
    if (!this.talking || ++this.#silent < SILENT_FRAMES) return 'none';
    return this.#stop();
  }

  /** It does not talk. */
  reset(): void {
    this.talking = false;
    this.smoothed = 0;
    this.#soft = 0;
    this.#silent = 0;
    this.#open = 0;
  }

  #stop(): TalkChange {
    const change = this.talking ? 'stopped' : 'none';
    this.reset();
    return change;
  }

  #takeSpeech(score: number): TalkChange {
    this.#open = SILENT_FRAMES;
    if (this.#silent > 0) this.#silent--;
    if (score - this.level < LOUD_MARGIN && ++this.#soft < SOFT_FRAMES) return 'none';
    this.#soft = 0;
    this.#silent = 0;
    if (this.talking) return 'none';
    this.talking = true;
    this.frames = 0;
    return 'started';
  }
}
