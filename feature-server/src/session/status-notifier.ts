import type { Application, Hook } from '../app-client/application.js';
import type { CallInfo } from './call-info.js';

/**
 * Sends a call's status hooks: each with the payload of its moment, one after the other, in the order in which things
 * happened. A slow status server delays later status hooks of this call and nothing else.
 */
export class StatusNotifier {
  #chain: Promise<void>;

  constructor(
    private readonly application: Application,
    private readonly info: CallInfo,
    private hook: Hook | undefined,
    /** Whether another feature server has told the call's last status already, taking ours for dead. */
    private readonly isReported: () => Promise<boolean>,
    /** What is told before. */
    after: Promise<void> = Promise.resolve(),
  ) {
    this.#chain = after;
  }

  /** Replaces the status hook (`redirect.statusHook`); what is queued already goes to the old one. */
  set target(hook: Hook) {
    this.hook = hook;
  }

  get target(): Hook | undefined {
    return this.hook;
  }

  /** Queues the call's present status; `extra` is added to the payload. */
  report(extra: Record<string, unknown> = {}): void {
    const { hook } = this;
    // A WebSocket application hears of it without a hook, too.
    if (!hook && !this.application.staysOpen) return;
    const payload = { ...this.info.commonPayload(), ...extra };
    const isLast = this.info.isOver;
    this.#chain = this.#chain.then(async () => {
      if (isLast && (await this.isReported())) return;
      await this.application.notify(hook, payload);
    });
  }

  /** Resolves when everything queued so far has been sent or has failed for good. */
  flush(): Promise<void> {
    return this.#chain;
  }
}
