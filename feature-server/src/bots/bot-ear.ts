import type { RecognizerSpec } from '@ringwire/verb-specs';
import type { VerbContext } from '../verbs/verb.js';

/** What a caller says, or does, when it is his turn. */
export type CallerTurn =
  | { kind: 'speech'; transcript: string; speech: Readonly<Record<string, unknown>> }
  | { kind: 'digits'; digits: string }
  /** Nothing within the time that was given. */
  | { kind: 'silence' }
  /** Nobody can listen. */
  | { kind: 'deaf'; reason: string };

/** How a bot listens. */
export interface BotEarOptions {
  recognizer?: Partial<RecognizerSpec>;
  /** Speech while a prompt is heard ends it and counts; else it is not heard. */
  bargein: boolean;
  /** Keys count as turns. */
  takesDigits: boolean;
}

/** Keys that follow one another within this time are one input. */
const INTER_DIGIT_MS = 3000;
/** Digits of one input: more are of nobody who means it. */
const MAX_DIGITS = 64;

/**
 * Listens to a caller for a conversation, turn by turn. Between turns, while the bot thinks, what is said last is kept; while the bot
 * speaks it counts only with barge-in.
 */
export class BotEar {
  readonly #close: (() => void)[] = [];
  #mode: 'waiting' | 'prompting' | 'thinking' = 'thinking';
  #prompt: AbortController | undefined;
  #pending: CallerTurn | undefined;
  #deaf: string | undefined;
  #resolve: ((turn: CallerTurn) => void) | undefined;
  #digits = '';
  #digitTimer: NodeJS.Timeout | undefined;

  constructor(
    ctx: VerbContext,
    private readonly options: BotEarOptions,
  ) {
    const { recognizer, bargein, takesDigits } = options;
    const listening = ctx.hearing.listen({
      ...(recognizer && { recognizer }),
      interim: bargein,
      channels: 'near',
      onEvent: (event) => {
        if (event.type === 'failed') this.#onDeaf(event.reason);
        if (event.type !== 'heard') return;
        const transcript = event.speech.alternatives[0]?.transcript.trim();
        if (transcript) this.#onSpeech(transcript, event.speech.isFinal, { ...event.speech });
      },
    });
    this.#close.push(() => void listening.close());
    if (takesDigits) this.#close.push(ctx.media.onDigit(({ key }) => this.#onDigit(key)));
  }

  /** A signal that ends a prompt when the caller speaks into it, or presses a key; until {@link prompted} the ear is that of a listener. */
  prompting(): AbortSignal {
    this.#mode = 'prompting';
    this.#prompt = new AbortController();
    return this.#prompt.signal;
  }

  /** The prompt is over: what is said from now on counts. */
  prompted(): void {
    this.#mode = 'thinking';
    this.#prompt = undefined;
  }

  /**
   * What the caller says next; what has been said meanwhile comes at once.
   * @param silenceMs after which he has said nothing; absent: he has all the time
   * @returns undefined where the signal aborted
   */
  async next(silenceMs: number | undefined, signal: AbortSignal): Promise<CallerTurn | undefined> {
    if (signal.aborted) return undefined;
    if (this.#deaf !== undefined) return { kind: 'deaf', reason: this.#deaf };
    const pending = this.#pending;
    this.#pending = undefined;
    if (pending) {
      this.#mode = 'thinking';
      return pending;
    }
    this.#mode = 'waiting';
    let timer: NodeJS.Timeout | undefined;
    let onAbort = (): void => {};
    try {
      return await new Promise<CallerTurn | undefined>((resolve) => {
        this.#resolve = resolve;
        onAbort = () => resolve(undefined);
        signal.addEventListener('abort', onAbort, { once: true });
        if (silenceMs !== undefined) timer = setTimeout(() => resolve({ kind: 'silence' }), silenceMs);
      });
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      this.#resolve = undefined;
      this.#mode = 'thinking';
    }
  }

  /** Ends it all. */
  close(): void {
    clearTimeout(this.#digitTimer);
    for (const close of this.#close) close();
  }

  #onSpeech(transcript: string, isFinal: boolean, speech: Record<string, unknown>): void {
    if (this.#mode === 'prompting') {
      if (!this.options.bargein) return;
      this.#prompt?.abort();
    }
    if (isFinal) this.#take({ kind: 'speech', transcript, speech });
  }

  #onDigit(key: string): void {
    if (this.#mode === 'prompting') this.#prompt?.abort();
    clearTimeout(this.#digitTimer);
    if (key !== '#') this.#digits += key;
    if (key === '#' || this.#digits.length >= MAX_DIGITS) this.#takeDigits();
    else this.#digitTimer = setTimeout(() => this.#takeDigits(), INTER_DIGIT_MS);
  }

  #takeDigits(): void {
    const digits = this.#digits;
    this.#digits = '';
    if (digits !== '') this.#take({ kind: 'digits', digits });
  }

  #onDeaf(reason: string): void {
    this.#deaf = reason;
    this.#resolve?.({ kind: 'deaf', reason });
  }

  #take(turn: CallerTurn): void {
    if (this.#resolve) this.#resolve(turn);
    else this.#pending = turn;
  }
}
