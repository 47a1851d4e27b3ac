import { isHold } from '../sip/hold.js';
import type { RequestParties } from './call-leg.js';

/** The far end has put the call on hold, or taken it back. */
export interface HoldChange {
  isHeld: boolean;
  /** From and To of its re-INVITE. */
  from: string;
  to: string;
  /** All its headers. */
  headers?: Readonly<Record<string, string>>;
  /** Its offer. */
  sdp: string;
}

/** Tells when the far end of a leg holds the call. */
export class HoldNews {
  readonly #listeners = new Set<(change: HoldChange) => void>();
  #isHeld = false;

  /** An offer of the far end; empty where it asks for ours. */
  offered(sdp: string, request: RequestParties = { from: '', to: '' }): void {
    const isHeld = isHold(sdp);
    if (isHeld === this.#isHeld) return;
    this.#isHeld = isHeld;
    for (const listener of [...this.#listeners]) listener({ ...request, isHeld, sdp });
  }

  on(listener: (change: HoldChange) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
