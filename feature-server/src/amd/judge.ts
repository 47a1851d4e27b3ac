import type { AmdSpec } from '@ringwire/verb-specs';
import type { Beep } from '../media/beeps.js';

/** What answering-machine detection tells (compat 1.5): the words of jambonz' `amd.actionHook`. */
export type AmdEvent =
  | {
      type: 'amd_human_detected' | 'amd_machine_detected';
      reason: AmdReason;
      greeting?: string;
      hint?: string;
      language?: string;
    }
  | { type: 'amd_no_speech_detected' | 'amd_decision_timeout' | 'amd_machine_stopped_speaking' | 'amd_tone_timeout' }
  | { type: 'amd_tone_detected'; frequency: number; variance: number }
  | { type: 'amd_error'; error: string }
  | { type: 'amd_stopped' };

/** Why somebody is a human or a machine. */
export type AmdReason = 'hint' | 'digit count' | 'short greeting' | 'long greeting' | 'tone';

/** jambonz' limits (compat 1.3). */
const DEFAULTS = {
  noSpeechTimeoutMs: 5_000,
  decisionTimeoutMs: 15_000,
  toneTimeoutMs: 20_000,
  greetingCompletionTimeoutMs: 2_000,
  thresholdWordCount: 9,
} as const;
/** A word takes so long, with the gap behind it: how long a greeting is, where nobody counts its words. */
const WORD_MS = 330;
/** Who has greeted waits for an answer: a machine speaks on before. */
const HUMAN_PAUSE_MS = 800;
/** Behind its beep a machine is quiet at once (jambonz). */
const AFTER_BEEP_MS = 1_000;

/** A machine that speaks on after its time for a beep, as with music, is listened to no longer than this. */
const ENDLESS_MS = 60_000;

/** How a judge waits; the system's timers but for tests. */
export interface JudgeClock {
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(timer: unknown): void;
  now(): number;
}

const SYSTEM_CLOCK: JudgeClock = {
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
  now: () => performance.now(),
};

/** What {@link AmdJudge} goes by. */
export interface JudgeOptions {
  spec: Pick<AmdSpec, 'thresholdWordCount' | 'digitCount' | 'timers'>;
  /** Phrases of voicemail in a language. */
  hints(language: string): readonly string[];
  onEvent(event: AmdEvent): void;
  /** Called once, when there is nothing left to find out. */
  onDone(): void;
  clock?: JudgeClock;
}

type Waiting = 'no-speech' | 'decision' | 'tone' | 'long' | 'pause' | 'completion' | 'endless';

/**
 * Who has answered, by how long he speaks before he waits, and by what he says where somebody recognizes it. A human greets in a few words and waits;
 * a machine speaks longer, or beeps. After a machine its end of speech and its beep are told, too.
 */
export class AmdJudge {
  readonly #timers = new Map<Waiting, unknown>();
  readonly #limits: Required<NonNullable<AmdSpec['timers']>> & { words: number; digits: number };
  readonly #clock: JudgeClock;
  #verdict: 'human' | 'machine' | undefined;
  /** When he began to speak, by the clock. */
  #firstAt: number | undefined;
  #isSpeaking = false;
  /** Whether `amd_machine_stopped_speaking` was told. */
  #isSilent = false;
  #hasBeeped = false;
  #isDone = false;
  #said = '';
  #language: string | undefined;

  constructor(private readonly options: JudgeOptions) {
    const { timers, thresholdWordCount, digitCount } = options.spec;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    this.#limits = {
      noSpeechTimeoutMs: timers?.noSpeechTimeoutMs ?? DEFAULTS.noSpeechTimeoutMs,
      decisionTimeoutMs: timers?.decisionTimeoutMs ?? DEFAULTS.decisionTimeoutMs,
      toneTimeoutMs: timers?.toneTimeoutMs ?? DEFAULTS.toneTimeoutMs,
      greetingCompletionTimeoutMs: timers?.greetingCompletionTimeoutMs ?? DEFAULTS.greetingCompletionTimeoutMs,
      words: thresholdWordCount ?? DEFAULTS.thresholdWordCount,
      digits: digitCount ?? 0,
    };
    this.#wait('no-speech', this.#limits.noSpeechTimeoutMs, () => this.#finish({ type: 'amd_no_speech_detected' }));
    this.#wait('decision', this.#limits.decisionTimeoutMs, () => this.#finish({ type: 'amd_decision_timeout' }));
    this.#wait('tone', this.#limits.toneTimeoutMs, () => this.#toneTimeout());
  }

  /** Somebody begins to speak. */
  speechStarted(): void {
    if (this.#isDone) return;
    this.#isSpeaking = true;
    this.#stop('no-speech');
    this.#stop('pause');
    this.#stop('completion');
    if (this.#verdict) return;
    // Gaps between words and sentences do not begin it anew.
    this.#firstAt ??= this.#clock.now();
    const leftMs = this.#limits.words * WORD_MS - (this.#clock.now() - this.#firstAt);
    this.#wait('long', Math.max(0, leftMs), () => this.#decide('machine', 'long greeting'));
  }

  /** He is silent. */
  speechEnded(): void {
    if (this.#isDone) return;
    this.#isSpeaking = false;
    this.#stop('long');
    if (this.#verdict === 'machine') this.#awaitCompletion();
    else if (!this.#verdict) this.#wait('pause', HUMAN_PAUSE_MS, () => this.#decide('human', 'short greeting'));
  }

  /** What he has said so far in this utterance, as somebody recognizes it. */
  heard(transcript: string, { isFinal, language }: { isFinal: boolean; language: string }): void {
    if (this.#isDone) return;
    this.#stop('no-speech');
    const text = `${this.#said} ${transcript}`.trim();
    if (isFinal) this.#said = text;
    this.#language = language;
    if (this.#verdict) return;
    const plain = ` ${text
      .toLowerCase()
      .replace(/[^\p{L}\p{N}]+/gu, ' ')
      .trim()} `;
    const hint = this.options.hints(language).find((phrase) => plain.includes(phrase.toLowerCase()));
    const { words, digits } = this.#limits;
    const greeting = text;
    if (hint !== undefined) this.#decide('machine', 'hint', { greeting, hint });
    else if (digits > 0 && (text.match(/\d/g)?.length ?? 0) >= digits)
      this.#decide('machine', 'digit count', { greeting });
    else if (text.split(/\s+/).filter(Boolean).length >= words) this.#decide('machine', 'long greeting', { greeting });
  }

  /** A tone was heard. */
  beeped({ frequencyHz: frequency, variance }: Beep): void {
    if (this.#isDone || this.#hasBeeped || this.#verdict === 'human') return;
    this.#hasBeeped = true;
    this.#stop('tone');
    if (!this.#verdict) this.#decide('machine', 'tone');
    this.options.onEvent({ type: 'amd_tone_detected', frequency, variance });
    if (this.#timers.has('completion') || !this.#isSpeaking) this.#awaitCompletion();
  }

  /** Nobody can say what is said any more: it goes on by sound alone. */
  unheard(error: string): void {
    if (!this.#isDone) this.options.onEvent({ type: 'amd_error', error });
  }

  /** Ends it before it has found out: `amd_stopped`. */
  stop(): void {
    if (!this.#isDone && !this.#verdict) this.#finish({ type: 'amd_stopped' });
    else this.close();
  }

  /** Ends it without a word: the call is over. */
  close(): void {
    this.#isDone = true;
    for (const name of [...this.#timers.keys()]) this.#stop(name);
  }

  #decide(verdict: 'human' | 'machine', reason: AmdReason, heard: { greeting?: string; hint?: string } = {}): void {
    this.#verdict = verdict;
    for (const name of ['no-speech', 'decision', 'long', 'pause'] as const) this.#stop(name);
    const greeting = heard.greeting ?? (this.#said || undefined);
    const event: AmdEvent = {
      type: `amd_${verdict}_detected`,
      reason,
      ...heard,
      ...(greeting !== undefined && { greeting }),
      ...(this.#language !== undefined && { language: this.#language }),
    };
    if (verdict === 'human') {
      this.#finish(event);
      return;
    }
    this.options.onEvent(event);
    if (!this.#isSpeaking) this.#awaitCompletion();
  }

  #awaitCompletion(): void {
    if (this.#isSilent) {
      if (this.#hasBeeped) this.#done();
      return;
    }
    const { greetingCompletionTimeoutMs } = this.#limits;
    const ms = this.#hasBeeped ? Math.min(AFTER_BEEP_MS, greetingCompletionTimeoutMs) : greetingCompletionTimeoutMs;
    this.#wait('completion', ms, () => {
      this.#timers.delete('completion');
      this.options.onEvent({ type: 'amd_machine_stopped_speaking' });
      this.#isSilent = true;
      if (this.#hasBeeped || !this.#timers.has('tone')) this.#done();
    });
  }

  #toneTimeout(): void {
    this.#timers.delete('tone');
    if (this.#verdict !== 'machine') return;
    this.options.onEvent({ type: 'amd_tone_timeout' });
    if (this.#isSilent) this.#done();
    else this.#wait('endless', ENDLESS_MS, () => this.#done());
  }

  #finish(event: AmdEvent): void {
    this.options.onEvent(event);
    this.#done();
  }

  #done(): void {
    this.close();
    this.options.onDone();
  }

  #wait(name: Waiting, ms: number, then: () => void): void {
    this.#stop(name);
    this.#timers.set(name, this.#clock.setTimeout(then, ms));
  }

  #stop(name: Waiting): void {
    this.#clock.clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}
