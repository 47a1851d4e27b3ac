import { type ErrorFacts, RingwireError } from '../errors.js';

/** A request that gets an error answer: `status` with a body `{ msg }`, and the header `Retry-After` where the facts have `retryAfter` (seconds). */
export class HttpError extends RingwireError {
  readonly code: string;

  constructor(
    readonly status: number,
    message: string,
    facts: ErrorFacts = {},
  ) {
    super(message, facts);
    this.code = `http/${status}`;
  }
}
