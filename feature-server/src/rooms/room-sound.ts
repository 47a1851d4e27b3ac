/** What is played to everybody in a conference, as a whole. */
export interface RoomSoundOrder {
  /** Plays it; resolves when it has ended, rejects when it cannot be heard. */
  play(signal: AbortSignal): Promise<void>;
  /** Ends what plays to all, and drops what waits, instead of waiting behind it. */
  replaces: boolean;
}

/** More than these waiting for each other is a flood. */
const MOST_WAITING = 20;

/** One after the other: what members' commands have everybody in a conference hear. */
export class RoomSound {
  #last: Promise<void> = Promise.resolve();
  #waiting = 0;
  #stop = new AbortController();

  /**
   * Has something played, behind what plays already.
   * @param over aborts when nobody is there any more to whom it belongs
   * @returns undefined where too much waits; else resolves when it has ended, was stopped, or dropped. Rejects with what `play` does.
   */
  order({ play, replaces }: RoomSoundOrder, over: AbortSignal): Promise<void> | undefined {
    // What it drops still counts for a moment: who replaces has room of his own.
    if (this.#waiting >= (replaces ? 2 * MOST_WAITING : MOST_WAITING)) return undefined;
    if (replaces) {
      this.#stop.abort();
      this.#stop = new AbortController();
    }
    const signal = AbortSignal.any([over, this.#stop.signal]);
    this.#waiting += 1;
    const ended = this.#last
      .then(() => (signal.aborted ? undefined : play(signal)))
      .finally(() => {
        this.#waiting -= 1;
      });
    // Who asked for it hears of its failure; the next one comes all the same.
    this.#last = ended.catch(() => {});
    return ended;
  }
}
