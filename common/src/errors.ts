/** Facts that make an error useful in a log line or an answer: field names, statuses, elapsed milliseconds. */
export type ErrorFacts = Readonly<Record<string, unknown>>;

/**
 * Root of every error that Ringwire raises on purpose.
 *
 * Match on `instanceof` inside a package and on {@link RingwireError.code} across processes; never on the text.
 */
export abstract class RingwireError extends Error {
  /** Stable, kebab-case, with the subject before the slash: `sip/transaction-timeout`, `config/invalid`. */
  abstract readonly code: string;
  /** Whether the same request may succeed when it is made again. */
  readonly retryable: boolean = false;
  /** What was wrong and where, for logs and for the timeline. */
  readonly facts: ErrorFacts;

  constructor(message: string, facts: ErrorFacts = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.facts = facts;
  }
}

/** Our own code asked for something at a moment when it cannot be had (a closed connection, an ended call). */
export class InvalidStateError extends RingwireError {
  readonly code = 'ringwire/invalid-state';
}
