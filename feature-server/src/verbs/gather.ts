import type { GatherSpec } from '@ringwire/verb-specs';
import type { Digit } from '../media/media.js';
import { DigitCollector, type DigitOutcome, type DigitRules } from './digit-collector.js';
import { playAll } from './play.js';
import { opening, secondsToMs } from './quantities.js';
import { speak } from './say.js';
import type { Verb, VerbContext } from './verb.js';

/** jambonz's default wait after the prompt. */
const DEFAULT_TIMEOUT_MS = 15_000;

/** What of `gather` is accepted and does not take effect yet. */
const NOT_AVAILABLE = ['fillerNoise', 'actionHookDelayAction'] as const;

/** Collects digits, with a prompt that a digit may interrupt, and tells the action hook what was pressed. */
export const gather: Verb<GatherSpec> = {
  needs: () => 'media',
  describe: ({ input, say, play }) =>
    [(input ?? ['digits']).join(' and '), say && `say ${opening(say.text)}`, play && `play ${opening(play.url)}`]
      .filter(Boolean)
      .join(', '),
  prepare: async (ctx, { say }) => {
    if (say) await ctx.speech.prepare(say);
  },
  async run(ctx, spec, signal) {
    const input: readonly string[] = spec.input ?? ['digits'];
    if (input.includes('speech')) {
      ctx.journal.timeline.warn('speech', 'gather: no speech recognizer is configured, speech will not be heard');
    }
    const missing = NOT_AVAILABLE.filter((name) => spec[name] !== undefined);
    if (missing.length > 0) {
      ctx.journal.timeline.warn('verb', `gather: ${missing.join(', ')} not available in this version`, { missing });
    }
    const outcome = await new Collection(ctx, spec, input.includes('digits'), signal).run();
    if (!outcome || signal.aborted) return;
    const shown = outcome.reason === 'dtmfDetected' ? `digits "${outcome.digits}"` : 'timeout';
    ctx.journal.timeline.info('verb', `gather: ${shown}`, { ...outcome });
    await ctx.app.action(spec, { ...outcome }, signal);
  },
};

/** One run of a gather: prompt, digits and timers beside each other until the first of them decides. */
class Collection {
  readonly #collector: DigitCollector;
  readonly #rules: DigitRules;
  readonly #prompt = new AbortController();
  readonly #promptSignal: AbortSignal;
  #isPrompting: boolean;
  #overall: NodeJS.Timeout | undefined;
  #interDigit: NodeJS.Timeout | undefined;
  #resolve: (outcome: DigitOutcome | undefined) => void = () => {};

  constructor(
    private readonly ctx: VerbContext,
    private readonly spec: GatherSpec,
    private readonly takesDigits: boolean,
    private readonly signal: AbortSignal,
  ) {
    this.#rules = digitRules(spec);
    this.#collector = new DigitCollector(this.#rules);
    this.#promptSignal = AbortSignal.any([signal, this.#prompt.signal]);
    this.#isPrompting = spec.say !== undefined || spec.play !== undefined;
  }

  /** The outcome; undefined when the gather was aborted. */
  async run(): Promise<DigitOutcome | undefined> {
    const decided = new Promise<DigitOutcome | undefined>((resolve) => {
      this.#resolve = resolve;
    });
    const onAbort = () => this.#resolve(undefined);
    this.signal.addEventListener('abort', onAbort, { once: true });
    if (this.signal.aborted) onAbort();
    const stopListening = this.ctx.media.onDigit((digit) => this.#onDigit(digit));
    const prompting = this.#playPrompt();
    try {
      return await decided;
    } finally {
      stopListening();
      this.signal.removeEventListener('abort', onAbort);
      this.#prompt.abort();
      // The end of the prompt starts a timer: only after it are all timers known.
      await prompting;
      clearTimeout(this.#overall);
      clearTimeout(this.#interDigit);
    }
  }

  async #playPrompt(): Promise<void> {
    try {
      if (this.spec.say) await speak(this.ctx, this.spec.say, this.#promptSignal);
      if (this.spec.play && !this.#promptSignal.aborted) await playAll(this.ctx, this.spec.play, this.#promptSignal);
    } catch (error) {
      if (!this.#promptSignal.aborted) {
        // Without its prompt the gather still listens: the caller may know what to press.
        const text = error instanceof Error ? error.message : String(error);
        this.ctx.journal.timeline.error('verb', `gather: prompt failed: ${text}`);
        this.ctx.journal.log.warn({ err: error }, 'prompt of gather failed');
      }
    }
    this.#isPrompting = false;
    const { timeoutMs } = this.#rules;
    if (timeoutMs !== undefined && !this.signal.aborted) {
      this.#overall = setTimeout(() => this.#resolve(this.#collector.timeout()), timeoutMs);
    }
  }

  #onDigit({ key }: Digit): void {
    const { dtmfBargein, listenDuringPrompt } = this.spec;
    const interrupts = dtmfBargein ?? this.takesDigits;
    if (this.#isPrompting && interrupts && !this.#prompt.signal.aborted) {
      this.ctx.journal.timeline.info('dtmf', `gather: "${key}" interrupts the prompt`);
      this.#prompt.abort();
    }
    if (!this.takesDigits) return;
    if (this.#isPrompting && !interrupts && listenDuringPrompt === false) return;
    clearTimeout(this.#interDigit);
    const next = this.#collector.digit(key);
    if ('outcome' in next) {
      this.#resolve(next.outcome);
    } else if (next.waitMs !== undefined) {
      this.#interDigit = setTimeout(() => this.#resolve(this.#collector.interDigitTimeout()), next.waitMs);
    }
  }
}

function digitRules(spec: GatherSpec): DigitRules {
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
