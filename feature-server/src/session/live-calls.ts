import type { CallSession } from './call-session.js';

/** The calls of this process: how many, which, and when the last one is over. */
export class LiveCalls {
  /** Calls that hold media or a dialog. */
  readonly #active = new Map<string, CallSession>();
  /** Every session whose last status hook is not sent yet. */
  readonly #unsettled = new Set<Promise<void>>();

  get count(): number {
    return this.#active.size;
  }

  has(callSid: string): boolean {
    return this.#active.has(callSid);
  }

  /** The session of a call, or of a leg that one has called. */
  find(callSid: string): CallSession | undefined {
    return this.#active.get(callSid) ?? this.sessions().find((session) => session.has(callSid));
  }

  sessions(): CallSession[] {
    return [...this.#active.values()];
  }

  /** Runs a session; it counts until it is released. */
  run(session: CallSession): void {
    this.#active.set(session.callSid, session);
    const settled = session.run().finally(() => {
      this.released(session);
      this.#unsettled.delete(settled);
    });
    this.#unsettled.add(settled);
  }

  released(session: CallSession): void {
    if (this.#active.get(session.callSid) === session) this.#active.delete(session.callSid);
  }

  /** Resolves when no call is left and every last status hook is sent. */
  async idle(): Promise<void> {
    while (this.#unsettled.size > 0) await Promise.allSettled([...this.#unsettled]);
  }
}
