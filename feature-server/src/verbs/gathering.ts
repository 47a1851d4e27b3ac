import type { GatherSpec } from '@ringwire/verb-specs';
import type { Digit } from '../media/media.js';
import type { EarEvent } from '../speech/ear.js';
import { sttLatency } from '../speech/talkspurts.js';
import { DigitCollector, type DigitOutcome, type DigitRules } from './digit-collector.js';
import { playAll } from './play.js';
import { secondsToMs } from './quantities.js';
import { speak } from './say.js';
import { SpeechCollector, type SpeechOutcome, type SpeechRules, speechRules, wordCount } from './speech-collector.js';
import type { Hearing, VerbContext } from './verb.js';

/** jambonz's default wait after the prompt. */
const DEFAULT_TIMEOUT_MS = 15_000;
/** From the end of speech to its text: so long time that is up waits for it. */
const RESULT_GRACE_MS = 2_500;
/** Nobody who goes on and on keeps a gather from its end for longer. */
const MAX_OVERTIME_MS = 60_000;
const OVERTIME_STEP_MS = 250;

/** What is collected: a `gather`, or the one that goes on in the background. */
export type GatherBody = Omit<GatherSpec, 'verb'> & { verb?: string };

/** How a gather ends; as the action hook is told it. */
export type GatherOutcome =
  | DigitOutcome
  | (SpeechOutcome & Record<string, unknown>)
  | { reason: 'error'; details: { vendor: string; error: string } };

/** For the timeline. */
export function describeOutcome(outcome: GatherOutcome): string {
  if (outcome.reason === 'dtmfDetected') return `digits "${outcome.digits}"`;
  if (outcome.reason === 'error') return `error: ${outcome.details.error}`;
  if (outcome.reason === 'timeout') return 'timeout';
  const heard = `"${outcome.speech.alternatives[0]?.transcript ?? ''}"`;
  return outcome.reason === 'speechDetected' ? heard : `${heard}, not sure enough`;
}

/** What else {@link Gathering} needs to know. */
export interface GatheringOptions {
  signal: AbortSignal;
  /** The first sign of the caller that interrupts: a digit, a word, or a sound. Called once. */
  onBargeIn?: (how: 'dtmf' | 'speech') => void;
}

/** One run of a gather: prompt, digits, speech and timers beside each other until the first of them decides. */
export class Gathering {
  readonly #takesDigits: boolean;
  readonly #takesSpeech: boolean;
  readonly #digits: DigitCollector;
  readonly #digitRules: DigitRules;
  readonly #speech: SpeechCollector;
  readonly #speechRules: SpeechRules;
  readonly #prompt = new AbortController();
  readonly #promptSignal: AbortSignal;
  #isPrompting: boolean;
  #hasDigits = false;
  #hasBargedIn = false;
  #isSpeaking = false;
  #spokeAt = 0;
  /** The key was pressed that ends what is put together. */
  #isEnding = false;
  #listening: Hearing | undefined;
  readonly #timers = new Map<'overall' | 'digit' | 'asr' | 'fast', NodeJS.Timeout>();
  #isDone = false;
  #resolve: (outcome: GatherOutcome | undefined) => void = () => {};

  constructor(
    private readonly ctx: VerbContext,
    private readonly spec: GatherBody,
    private readonly options: GatheringOptions,
  ) {
    const input: readonly string[] = spec.input ?? ['digits'];
    this.#takesDigits = input.includes('digits');
    this.#takesSpeech = input.includes('speech');
    this.#digitRules = digitRules(spec);
    this.#digits = new DigitCollector(this.#digitRules);
    const recognizer = ctx.defaults.recognizerChoice(spec.recognizer).settings.spec;
    this.#speechRules = speechRules(recognizer, spec.speechTimeout);
    this.#speech = new SpeechCollector(this.#speechRules);
    this.#promptSignal = AbortSignal.any([options.signal, this.#prompt.signal]);
    this.#isPrompting = spec.say !== undefined || spec.play !== undefined;
  }

  /** The outcome; undefined when the gather was aborted. */
  async run(): Promise<GatherOutcome | undefined> {
    const { signal } = this.options;
    const decided = new Promise<GatherOutcome | undefined>((resolve) => {
      this.#resolve = (outcome) => {
        this.#isDone = true;
        resolve(outcome);
      };
    });
    const onAbort = () => this.#resolve(undefined);
    signal.addEventListener('abort', onAbort, { once: true });
    if (signal.aborted) onAbort();
    const stopDigits = this.ctx.media.onDigit((digit) => this.#onDigit(digit));
    if (!this.#isPrompting || this.spec.listenDuringPrompt !== false) this.#listen();
    const prompting = this.#playPrompt();
    try {
      return await decided;
    } finally {
      stopDigits();
      signal.removeEventListener('abort', onAbort);
      this.#prompt.abort();
      // The end of the prompt starts a timer and may begin to listen: only after it is everything known.
      await prompting;
      for (const timer of this.#timers.values()) clearTimeout(timer);
      await this.#listening?.close();
    }
  }

  async #playPrompt(): Promise<void> {
    const { say, play } = this.spec;
    try {
      if (say) await speak(this.ctx, say, this.#promptSignal);
      if (play && !this.#promptSignal.aborted) await playAll(this.ctx, play, this.#promptSignal);
    } catch (error) {
      if (!this.#promptSignal.aborted) {
        // Without its prompt the gather still listens: the caller may know what to do.
        const text = error instanceof Error ? error.message : String(error);
        this.ctx.journal.timeline.error('verb', `gather: prompt failed: ${text}`);
        this.ctx.journal.log.warn({ err: error }, 'prompt of gather failed');
      }
    }
    this.#isPrompting = false;
    if (this.#isDone || this.options.signal.aborted) return;
    if (!this.#listening && !this.#hasDigits) this.#listen();
    const { timeoutMs } = this.#digitRules;
    if (timeoutMs !== undefined) this.#start('overall', timeoutMs, () => this.#onTimeout());
  }

  // Digits

  #onDigit({ key }: Digit): void {
    if (this.#isDone) return;
    const interrupts = this.spec.dtmfBargein ?? this.#takesDigits;
    if (interrupts) this.#bargeIn('dtmf', `"${key}"`);
    const endsSpeech = this.#takesSpeech && !this.#hasDigits && key === this.#speechRules.terminationDigit;
    if (endsSpeech) this.#onTerminationDigit();
    if (endsSpeech || !this.#takesDigits) return;
    if (this.#isPrompting && !interrupts && this.spec.listenDuringPrompt === false) return;
    this.#stopListening();
    this.#clear('digit');
    const next = this.#digits.digit(key);
    if ('outcome' in next) this.#resolve(next.outcome);
    else if (next.waitMs !== undefined)
      this.#start('digit', next.waitMs, () => this.#resolve(this.#digits.interDigitTimeout()));
  }

  /** Digits come before speech: from the first on nobody listens any more. */
  #stopListening(): void {
    this.#hasDigits = true;
    this.#clear('asr');
    this.#clear('fast');
    void this.#listening?.close();
  }

  #onTerminationDigit(): void {
    const outcome = this.#speech.complete();
    if (outcome) {
      this.#resolve(outcome);
      return;
    }
    // What was said just before the key may be understood in a moment.
    this.#isEnding = true;
    this.#start('asr', RESULT_GRACE_MS, () => this.#resolve({ reason: 'timeout' }));
  }

  // Speech

  #listen(): void {
    if (!this.#takesSpeech || this.#isDone) return;
    const { bargein, partialResultHook, recognizer } = this.spec;
    const { fastRecognitionMs } = this.#speechRules;
    const needsInterim = bargein || partialResultHook || fastRecognitionMs || this.options.onBargeIn;
    try {
      this.#listening = this.ctx.hearing.listen({
        channels: 'near',
        ...(recognizer && { recognizer }),
        interim: Boolean(needsInterim),
        onEvent: (event) => {
          if (!this.#isDone && !this.#hasDigits) this.#onEar(event);
        },
      });
    } catch (error) {
      // The call has lost its media: it is about to end.
      this.#onDeaf({ type: 'failed', vendor: '', reason: error instanceof Error ? error.message : String(error) });
    }
  }

  #onEar(event: EarEvent): void {
    switch (event.type) {
      case 'speech-start':
        this.#isSpeaking = true;
        this.#clear('asr');
        if ((this.spec.minBargeinWordCount ?? 1) <= 0) this.#bargeInBySpeech('speech');
        break;
      case 'speech-end':
        this.#isSpeaking = false;
        this.#spokeAt = Date.now();
        if (this.#speech.hasParts) this.#startAsrTimer();
        break;
      case 'heard':
        if (event.speech.isFinal) this.#onFinal(event);
        else this.#onInterim(event);
        break;
      case 'failover':
        this.#tellTrouble(event, true);
        break;
      case 'failed':
        this.#tellTrouble(event, false);
        this.#onDeaf(event);
        break;
      case 'vendor-event':
        break;
    }
  }

  #onInterim({ speech }: EarEvent & { type: 'heard' }): void {
    const isNew = this.#speech.interim(speech);
    if (this.spec.partialResultHook !== undefined) this.ctx.app.tell(this.spec.partialResultHook, { speech });
    this.#bargeInByWords(wordCount(speech));
    this.#spokeAt = Date.now();
    if (this.#speech.hasParts) this.#startAsrTimer();
    const { fastRecognitionMs } = this.#speechRules;
    if (fastRecognitionMs && isNew) this.#start('fast', fastRecognitionMs, () => this.#complete());
  }

  #onFinal({ speech, talkspurts }: EarEvent & { type: 'heard' }): void {
    this.#clear('fast');
    this.#spokeAt = 0;
    const words = wordCount(speech);
    const fewest = this.spec.minBargeinWordCount ?? 1;
    if (this.#isPrompting && this.spec.bargein && words < fewest) {
      this.ctx.journal.timeline.info('speech', `gather: ${words} of ${fewest} words, the prompt goes on`);
      return;
    }
    if (words > 0) this.#bargeInByWords(Math.max(words, fewest));
    const outcome = this.#speech.final(speech) ?? (this.#isEnding ? this.#speech.complete() : undefined);
    if (outcome) {
      const latency = this.ctx.defaults.notifiesSttLatency ? sttLatency(talkspurts, Date.now()) : {};
      this.#resolve({ ...outcome, ...latency });
      return;
    }
    if (this.#speech.hasParts && !this.#isSpeaking) this.#startAsrTimer();
  }

  /** What was put together is complete. */
  #complete(): void {
    const outcome = this.#speech.complete();
    if (outcome) this.#resolve(outcome);
  }

  #startAsrTimer(): void {
    const { asrTimeoutMs } = this.#speechRules;
    if (asrTimeoutMs && !this.#isEnding) this.#start('asr', asrTimeoutMs, () => this.#complete());
  }

  #onDeaf({ vendor, reason }: EarEvent & { type: 'failed' }): void {
    const heard = this.#speech.complete();
    if (heard) this.#resolve(heard);
    else if (!this.#takesDigits) this.#resolve({ reason: 'error', details: { vendor, error: reason } });
    else this.ctx.journal.timeline.warn('speech', 'gather: speech will not be heard, digits are still taken');
  }

  #tellTrouble({ vendor, reason }: { vendor: string; reason: string }, failover: boolean): void {
    const { verb = 'gather', id } = this.spec;
    const details = `${vendor}: ${reason}`;
    this.ctx.app.send('jambonz:error', { msg: 'ASR error', details, failover, verb, ...(id !== undefined && { id }) });
  }

  // Both

  #bargeInByWords(words: number): void {
    const fewest = this.spec.minBargeinWordCount ?? 1;
    if (fewest > 0 && words >= fewest) this.#bargeInBySpeech(`${words} words`);
  }

  #bargeInBySpeech(what: string): void {
    if (this.spec.bargein || this.options.onBargeIn) this.#bargeIn('speech', what);
  }

  #bargeIn(how: 'dtmf' | 'speech', what: string): void {
    if (this.#hasBargedIn) return;
    const { stream } = this.ctx;
    if (!this.#isPrompting && !this.options.onBargeIn && !stream.isOpen) return;
    this.#hasBargedIn = true;
    void stream.interrupt();
    this.ctx.journal.timeline.info(how === 'dtmf' ? 'dtmf' : 'speech', `gather: ${what} interrupts`);
    this.#prompt.abort();
    this.ctx.events.status({ verb: 'gather', ...this.spec }, `${how}-bargein-detected`);
    this.options.onBargeIn?.(how);
  }

  /** Time is up; who speaks, or has just spoken, is waited for. */
  #onTimeout(overtimeMs = 0): void {
    const isHeard = this.#takesSpeech && !this.#hasDigits;
    const waits = this.#isSpeaking || Date.now() - this.#spokeAt < RESULT_GRACE_MS || this.#timers.has('asr');
    if (isHeard && waits && overtimeMs < MAX_OVERTIME_MS) {
      this.#start('overall', OVERTIME_STEP_MS, () => this.#onTimeout(overtimeMs + OVERTIME_STEP_MS));
      return;
    }
    this.#resolve((isHeard ? this.#speech.complete() : undefined) ?? this.#digits.timeout());
  }

  #start(name: 'overall' | 'digit' | 'asr' | 'fast', ms: number, fired: () => void): void {
    this.#clear(name);
    this.#timers.set(
      name,
      setTimeout(() => {
        this.#timers.delete(name);
        fired();
      }, ms),
    );
  }

  #clear(name: 'overall' | 'digit' | 'asr' | 'fast'): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

function digitRules(spec: GatherBody): DigitRules {
  const timeoutMs = secondsToMs(spec.timeout) ?? DEFAULT_TIMEOUT_MS;
  const interDigitTimeoutMs = secondsToMs(spec.interDigitTimeout);
  return {
    finishOnKey: spec.finishOnKey ?? '',
    minDigits: spec.numDigits ?? spec.minDigits ?? 1,
    ...(spec.numDigits !== undefined && { numDigits: spec.numDigits }),
    ...(spec.maxDigits !== undefined && { maxDigits: spec.maxDigits }),
    ...(interDigitTimeoutMs && { interDigitTimeoutMs }),
    ...(timeoutMs > 0 && { timeoutMs }),
  };
}
