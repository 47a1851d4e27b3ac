import { isHold } from '../sip/hold.js';

/** The far end has put the call on hold, or taken it back. */
export interface HoldChange {
  isHeld: boolean;
  /** From and To of its re-INVITE. */
  from: string;
  to: string;
}

/** Tells when the far end of a leg holds the call. */
export class HoldNews {
  readonly #listeners = new Set<(change: HoldChange) => void>();
  #isHeld = false;

  /** An offer of the far end; empty where it asks for ours. */
  offered(sdp: string, { from, to }: { from: string; to: string } = { from: '', to: '' }): void {
    const isHeld = isHold(sdp);
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    for (const listener of [...this.#listeners]) listener({ isHeld, from, to });
  }

  on(listener: (change: HoldChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
