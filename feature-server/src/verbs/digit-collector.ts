/** What of `gather` decides when digits are complete. Times in ms; absent means "no such rule". */
export interface DigitRules {
  /** Keys that end the input and are not part of it. */
  finishOnKey: string;
  numDigits?: number;
  /** Fewer digits than this count as none when time is up. */
  minDigits: number;
  maxDigits?: number;
  interDigitTimeoutMs?: number;
  /** Runs from the end of the prompt; absent: waits for ever. */
  timeoutMs?: number;
}

/** How a gather of digits ends. */
export type DigitOutcome = { reason: 'dtmfDetected'; digits: string } | { reason: 'timeout' };

/**
 * Decides when collected digits are complete. Knows no clock: it says which timers should run and is told when they
 * fire, so that its rules can be tried without waiting.
 */
export class DigitCollector {
  #digits = '';

  constructor(private readonly rules: DigitRules) {}

  /** A digit: either the outcome, or the time to wait for the next one. */
  digit(key: string): { outcome: DigitOutcome } | { waitMs: number | undefined } {
    const { rules } = this;
    if (rules.finishOnKey.includes(key)) return { outcome: this.#complete() };
    this.#digits += key;
    const count = this.#digits.length;
    if (count === rules.numDigits || (rules.maxDigits !== undefined && count >= rules.maxDigits)) {
      return { outcome: this.#complete() };
    }
    return { waitMs: count >= rules.minDigits ? rules.interDigitTimeoutMs : undefined };
  }

  /** The caller paused after a digit for longer than allowed; only armed when there are enough digits. */
  interDigitTimeout(): DigitOutcome {
    return this.#complete();
  }

  /** The time after the prompt is over: what is there counts if it is enough. */
  timeout(): DigitOutcome {
    const enough = this.#digits.length >= Math.max(1, this.rules.minDigits);
    return enough ? this.#complete() : { reason: 'timeout' };
  }

  #complete(): DigitOutcome {
    return { reason: 'dtmfDetected', digits: this.#digits };
  }
}
