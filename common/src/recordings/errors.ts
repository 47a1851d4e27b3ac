import { RingwireError } from '../errors.js';

/** A recording could not be stored or read. `retryable` where the storage may think better of it. */
export class StorageError extends RingwireError {
  readonly code = 'recordings/storage';
  override readonly retryable: boolean;

  constructor(
    message: string,
    { retryable, ...facts }: { retryable: boolean; status?: number },
    options?: ErrorOptions,
  ) {
    super(message, facts, options);
    this.retryable = retryable;
  }
}
