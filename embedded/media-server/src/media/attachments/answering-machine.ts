import type { LegRate } from '@ringwire/rtp';
import type { Attachment, AttachmentContext } from '../attachment.js';
import { type Beep, BeepDetector } from '../detectors/beep-detector.js';
import { ToneMeter } from '../detectors/tone-meter.js';
import { VoiceDetector } from '../detectors/voice-detector.js';

/** Timers of answering-machine detection, all in ms; {@link DEFAULT_ANSWERING_MACHINE} has what is usual. */
export interface AnsweringMachineSpec {
  /** Nothing said for so long from the start: nobody speaks. */
  noSpeechMs: number;
  /** A greeting at least so long is a machine's. */
  greetingMs: number;
  /** Silence of that length after a shorter greeting: a human, who waits for an answer. */
  afterGreetingMs: number;
  /** A stretch of voice at least so long is a word. */
  minWordMs: number;
  /** Silence of that length parts two words. */
  betweenWordsMs: number;
  /** More words than that are a machine's. */
  maxWords: number;
  /** No result after so long: undecided. */
  decisionMs: number;
  /** Silence of that length after a machine's greeting is its end. */
  greetingEndMs: number;
  /** How long a beep is waited for after a machine was found. */
  beepMs: number;
}

/** Timers that fit most: a human says one or two words and waits. */
export const DEFAULT_ANSWERING_MACHINE: AnsweringMachineSpec = {
  noSpeechMs: 5000,
  greetingMs: 1800,
  afterGreetingMs: 800,
  minWordMs: 100,
  betweenWordsMs: 60,
  maxWords: 5,
  decisionMs: 15_000,
  greetingEndMs: 2000,
  beepMs: 20_000,
};

/**
 * What was found. Exactly one of `human`, `machine`, `fax`, `noSpeech`, `undecided` comes; after `machine` also `greetingEnded` and
 * `beep`, or `noBeep` when the wait for it is over. A beep alone makes it a machine.
 */
export type AnsweringMachineEvent =
  | {
      type: 'human' | 'machine' | 'fax' | 'noSpeech' | 'undecided';
      /** Why, for people. */
      reason: string;
      /** Time since the start. */
      atMs: number;
      words: number;
      /** Voice from the first word to the last. */
      greetingMs: number;
    }
  | { type: 'greetingEnded' | 'noBeep'; atMs: number }
  | ({ type: 'beep'; atMs: number } & Beep);

const FRAME_MS = 20;
const FAX_HZ = [1100, 2100];
/** Steady for 400 ms: CNG lasts 500. */
const FAX_FRAMES = 20;
const FAX_SHARE = 0.7;

/** Decides by level and timers whether a human or a machine has answered; after a machine, waits for the end of its greeting. */
export class AnsweringMachine implements Attachment {
  readonly rateHz: LegRate = 8000;
  ended = false;
  readonly #spec: AnsweringMachineSpec;
  readonly #report: (event: AnsweringMachineEvent) => void;
  readonly #voice: VoiceDetector;
  readonly #fax = new ToneMeter(FAX_HZ);
  readonly #beeps: BeepDetector;
  #nowMs = 0;
  #decided = false;
  #greetingEnded = false;
  #machineMs = 0;
  #faxFrames = 0;
  #words = 0;
  #voiceMs = 0;
  #wordCounted = false;
  /** Loudest frame of voice so far. */
  #loudestDb = -96;
  #silenceMs = 0;
  #firstVoiceMs = -1;
  #lastVoiceMs = 0;

  constructor(spec: AnsweringMachineSpec, context: AttachmentContext<AnsweringMachineEvent>) {
    this.#spec = spec;
    this.#report = (event) => context.report(event);
    this.#voice = new VoiceDetector({ voiceMs: FRAME_MS, silenceMs: FRAME_MS, minLevelDb: -46, marginDb: 8 });
    this.#beeps = new BeepDetector((beep) => this.#beep(beep));
  }

  heardTick(frame: Int16Array): void {
    this.#nowMs += FRAME_MS;
    this.#voice.process(frame);
    this.#count(this.#voice.voiced);
    if (!this.#decided) this.#hearFax(frame);
    if (!this.ended) this.#beeps.process(frame);
    if (this.ended) return;
    if (this.#decided) this.#waitForEnd();
    else this.#decide();
  }

  close(): void {
    this.ended = true;
  }

  #count(voiced: boolean): void {
    const { minWordMs, betweenWordsMs } = this.#spec;
    if (this.#voice.noiseMs > 0) this.#takeBackNoise(this.#voice.noiseMs);
    if (!voiced) {
      this.#silenceMs += FRAME_MS;
      if (this.#silenceMs < betweenWordsMs) return;
      this.#voiceMs = 0;
      this.#wordCounted = false;
      return;
    }
    this.#silenceMs = 0;
    this.#voiceMs += FRAME_MS;
    this.#loudestDb = Math.max(this.#loudestDb, this.#voice.levelDb);
    if (this.#voiceMs < minWordMs) return;
    if (this.#firstVoiceMs < 0) this.#firstVoiceMs = this.#nowMs - this.#voiceMs;
    this.#lastVoiceMs = this.#nowMs;
    if (!this.#wordCounted) this.#words++;
    this.#wordCounted = true;
  }

  /** What was taken for voice last was steady noise, which is known only now; all of it was if nothing has been louder. */
  #takeBackNoise(noiseMs: number): void {
    if (this.#loudestDb <= this.#voice.noiseLimitDb) {
      this.#words = 0;
      this.#firstVoiceMs = -1;
      this.#loudestDb = -96;
    } else if (this.#wordCounted) this.#lastVoiceMs = Math.max(this.#firstVoiceMs, this.#lastVoiceMs - noiseMs);
    this.#voiceMs = 0;
    this.#wordCounted = false;
  }

  #decide(): void {
    const spec = this.#spec;
    if (this.#firstVoiceMs < 0) {
      if (this.#nowMs >= spec.noSpeechMs) this.#result('noSpeech', 'nothing was said');
      return;
    }
    if (this.#words > spec.maxWords) this.#result('machine', 'many words');
    else if (this.#greetingMs >= spec.greetingMs) this.#result('machine', 'long greeting');
    else if (this.#nowMs - this.#lastVoiceMs >= spec.afterGreetingMs)
      this.#result('human', 'short greeting, then silence');
    else if (this.#nowMs >= spec.decisionMs) this.#result('undecided', 'no decision in time');
  }

  #waitForEnd(): void {
    if (!this.#greetingEnded && this.#nowMs - this.#lastVoiceMs >= this.#spec.greetingEndMs) {
      this.#greetingEnded = true;
      this.#report({ type: 'greetingEnded', atMs: this.#nowMs });
    }
    if (this.#nowMs - this.#machineMs < this.#spec.beepMs) return;
    this.ended = true;
    this.#report({ type: 'noBeep', atMs: this.#nowMs });
  }

  #beep(beep: Beep): void {
    // The tones of a fax are no beep.
    if (FAX_HZ.some((hz) => Math.abs(beep.frequencyHz - hz) < hz * 0.02)) return;
    if (!this.#decided) {
      // Ringing and other tones of the network come before anything is said.
      if (this.#words === 0) return;
      this.#result('machine', 'beep');
    }
    this.ended = true;
    this.#report({ type: 'beep', atMs: this.#nowMs, ...beep });
  }

  #hearFax(frame: Int16Array): void {
    this.#fax.process(frame);
    const [cng, ced] = this.#fax.shares;
    this.#faxFrames = cng! > FAX_SHARE || ced! > FAX_SHARE ? this.#faxFrames + 1 : 0;
    if (this.#faxFrames >= FAX_FRAMES) this.#result('fax', 'tone of a fax');
  }

  #result(type: 'human' | 'machine' | 'fax' | 'noSpeech' | 'undecided', reason: string): void {
    this.#decided = true;
    this.#machineMs = this.#nowMs;
    this.ended = type !== 'machine';
    this.#report({ type, reason, atMs: this.#nowMs, words: this.#words, greetingMs: this.#greetingMs });
  }

  get #greetingMs(): number {
    return this.#firstVoiceMs < 0 ? 0 : this.#lastVoiceMs - this.#firstVoiceMs;
  }
}
