import type { DialledParty } from '../verbs/call-dial.js';
import type { ChildCall } from './child-calls.js';
import { Party } from './dialled-party.js';

interface Pair {
  parties: readonly DialledParty[];
  end(): void;
}

/** Parties that talk with each other after whoever called them has transferred his call: they live until one hangs up. */
export class TransferredCalls {
  readonly #pairs = new Map<Promise<void>, Pair>();

  /** @param maxDurationMs - calls longer than this are ended */
  constructor(private readonly maxDurationMs: number) {}

  get count(): number {
    return this.#pairs.size;
  }

  add(one: DialledParty, other: DialledParty): void {
    const pair = new AbortController();
    const over = this.#live(one, other, pair.signal).finally(() => this.#pairs.delete(over));
    this.#pairs.set(over, { parties: [one, other], end: () => pair.abort() });
  }

  /** The leg of this sid that a call of this process has placed and given away. */
  find(callSid: string): ChildCall | undefined {
    for (const { parties } of this.#pairs.values()) {
      const party = parties.find((one): one is Party => one instanceof Party && one.callSid === callSid);
      if (party) return party.child;
    }
    return undefined;
  }

  /** Resolves when no pair is left. */
  async idle(): Promise<void> {
    while (this.#pairs.size > 0) await Promise.all(this.#pairs.keys());
  }

  endAll(): void {
    for (const { end } of this.#pairs.values()) end();
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
