/** How a thing that only one of the two hears came to its end. `displaced`: by another one; `stopped`: with the bridge. */
export type AsideOutcome = 'done' | 'displaced' | 'stopped';

/** The bridge that is opened for an aside, and closed after it. */
export interface AsideBridge {
  /** @throws MediaServerError */
  open(): Promise<void>;
  /** Nothing where nobody is left to be bridged. @throws MediaServerError */
  close(): Promise<void>;
}

interface Running {
  stop: AbortController;
  isDisplaced: boolean;
  done: Promise<void>;
}

/**
 * What one of two who talk with each other hears alone: a whisper, music while it is held. One at a time; meanwhile the other hears
 * silence.
 */
export class Asides {
  #running: Running | undefined;
  #isClosed = false;

  constructor(private readonly bridge: AsideBridge) {}

  /** Whether one of the two hears something of its own. */
  get isBusy(): boolean {
    return this.#running !== undefined;
  }

  /**
   * Does something beside the bridge. What `yields` waits for another aside, what does not takes the place of one.
   * @throws what `work` throws, and MediaServerError where the two could not be taken apart or joined again
   */
  async run(
    work: (signal: AbortSignal) => Promise<void>,
    signal: AbortSignal,
    { yields = false }: { yields?: boolean } = {},
  ): Promise<AsideOutcome> {
    while (this.#running && !this.#isClosed && !signal.aborted) {
      if (!yields) this.#displace(this.#running);
      await this.#running.done;
    }
    if (this.#isClosed || signal.aborted) return 'stopped';
    const stop = new AbortController();
    let tellDone = (): void => {};
    const running: Running = { stop, isDisplaced: false, done: new Promise((resolve) => (tellDone = resolve)) };
    this.#running = running;
    try {
      await this.bridge.open();
      const both = AbortSignal.any([signal, stop.signal]);
      try {
        if (!both.aborted) await work(both);
      } finally {
        await this.bridge.close();
      }
    } finally {
      this.#running = undefined;
      tellDone();
    }
    if (running.isDisplaced) return 'displaced';
    return stop.signal.aborted || signal.aborted ? 'stopped' : 'done';
  }

  /** Ends what runs; resolves when the two are bridged again, or are not to be. */
  async stop(): Promise<void> {
    const running = this.#running;
    running?.stop.abort();
    await running?.done;
  }

  /** Ends what runs, and lets nothing begin any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.stop();
  }

  #displace(running: Running): void {
    running.isDisplaced = true;
    running.stop.abort();
  }
}
