import { setImmediate } from 'node:timers/promises';

/** Who may decode next on a thread: files of which nothing is there yet go before those that play already. */
export class DecodeTurns {
  #beginning = 0;

  /** A file begins; the returned function is to be called, once or more, when the first of it is there or it has ended. */
  begin(): () => void {
    this.#beginning++;
    let hasBegun = false;
    return () => {
      if (hasBegun) return;
      hasBegun = true;
      this.#beginning--;
    };
  }

  /** Lets the others decode a block; of a file that has begun, until no other is at its beginning. */
  async next(hasBegun: boolean): Promise<void> {
    do await setImmediate();
    while (hasBegun && this.#beginning > 0);
  }
}
