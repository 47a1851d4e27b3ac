import type { DialledParty } from '../verbs/verb.js';

/** Parties that talk with each other after whoever called them has transferred his call: they live until one hangs up. */
export class TransferredCalls {
  readonly #pairs = new Map<Promise<void>, () => void>();

  /** @param maxDurationMs - calls longer than this are ended */
  constructor(private readonly maxDurationMs: number) {}

  get count(): number {
    return this.#pairs.size;
  }

  add(one: DialledParty, other: DialledParty): void {
    const pair = new AbortController();
    const over = this.#live(one, other, pair.signal).finally(() => this.#pairs.delete(over));
    this.#pairs.set(over, () => pair.abort());
  }

  /** Resolves when no pair is left. */
  async idle(): Promise<void> {
    while (this.#pairs.size > 0) await Promise.all(this.#pairs.keys());
  }

  endAll(): void {
    for (const end of this.#pairs.values()) end();
  }

  /** Never rejects. */
  async #live(one: DialledParty, other: DialledParty, stop: AbortSignal): Promise<void> {
    let limit: NodeJS.Timeout | undefined;
    const told = new Promise<void>((resolve) => {
      limit = setTimeout(resolve, this.maxDurationMs);
      stop.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([one.ended, other.ended, told]);
    clearTimeout(limit);
    await Promise.all([one.end(), other.end()]);
  }
}
