import type { MediaEndpoint } from '../media/media.js';

/** A caller who was taken out of a queue and comes to him who took him. */
export interface QueuedCaller {
  callSid: string;
  endpoint: MediaEndpoint;
  /** Aborts when he can talk no more: he has hung up, or his application does something else with him. */
  gone: AbortSignal;
  /** The two have talked with each other, or could not. */
  done(outcome: 'bridged' | 'error'): void;
}

/** Those of this process who have taken somebody out of a queue and wait for him, by the id of their claim. */
export class Meetings {
  readonly #open = new Map<string, (caller: QueuedCaller) => void>();

  get count(): number {
    return this.#open.size;
  }

  /** Whether somebody waits with this claim. */
  has(claimId: string): boolean {
    return this.#open.has(claimId);
  }

  /** Brings a caller; false where nobody waits for him any more. */
  bring(claimId: string, caller: QueuedCaller): boolean {
    const take = this.#open.get(claimId);
    if (!take) return false;
    this.#open.delete(claimId);
    take(caller);
    return true;
  }

  /** Waits for the caller that a claim was for, so long at most; undefined where he does not come, or the signal aborts. */
  expect(claimId: string, waitMs: number, signal: AbortSignal): Promise<QueuedCaller | undefined> {
    return new Promise((resolve) => {
      const end = (caller?: QueuedCaller): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', giveUp);
        this.#open.delete(claimId);
        resolve(caller);
      };
      const giveUp = (): void => end();
      const timer = setTimeout(giveUp, waitMs);
      if (signal.aborted) return end();
      signal.addEventListener('abort', giveUp, { once: true });
      this.#open.set(claimId, end);
    });
  }
}
