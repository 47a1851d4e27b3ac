/**
 * Who may play on a call's channel: verbs as they like, since a playback that comes while another one runs is heard first (FreeSWITCH); streamed
 * speech and what an audio server sends only while no verb plays, and no verb while they do, since what stops one playback of a channel stops all of them.
 */
export class PlayTurns {
  #verbs = 0;
  #waiting = 0;
  #streams = 0;
  readonly #changed = new Set<() => void>();

  /** Plays for a verb, when streamed speech has come to the end of what it plays just now. */
  async ofVerb<T>(signal: AbortSignal, play: () => Promise<T>): Promise<T> {
    this.#waiting += 1;
    await this.#until(() => this.#streams === 0, signal);
    this.#waiting -= 1;
    this.#verbs += 1;
    try {
      return await play();
    } finally {
      this.#verbs -= 1;
      this.#tell();
    }
  }

  /** Plays streamed speech, when no verb plays or waits to. */
  async ofStream<T>(signal: AbortSignal, play: () => Promise<T>): Promise<T> {
    await this.#until(() => this.#verbs === 0 && this.#waiting === 0 && this.#streams === 0, signal);
    this.#streams += 1;
    try {
      return await play();
    } finally {
      this.#streams -= 1;
      this.#tell();
    }
  }

  async #until(isTrue: () => boolean, signal: AbortSignal): Promise<void> {
    while (!isTrue() && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          signal.removeEventListener('abort', done);
          this.#changed.delete(done);
          resolve();
        };
        signal.addEventListener('abort', done, { once: true });
        this.#changed.add(done);
      });
    }
  }

  #tell(): void {
    for (const listener of [...this.#changed]) listener();
  }
}
