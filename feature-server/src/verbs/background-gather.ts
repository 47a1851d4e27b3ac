import type { BargeInSpec, VerbSpec } from '@ringwire/verb-specs';
import type { SessionCommand } from '../control/commands.js';
import type { BackgroundTask } from '../session/background-tasks.js';
import { describeOutcome, Gathering } from './gathering.js';
import type { VerbContext } from './verb.js';

/** Its name among the background tasks. */
export const BACKGROUND_GATHER = 'bargeIn';

/**
 * The gather of `config.bargeIn`: listens while verbs run. What it collects goes to its action hook, whose verbs replace everything that
 * runs and waits. A WebSocket application's verbs are dropped at the first sign of the caller (compat 1.3.6).
 */
export class BackgroundGather implements BackgroundTask {
  #run: AbortController | undefined;
  #running: Promise<void> = Promise.resolve();
  #isStopped = false;
  /** Hooks go out in order, and what they answer counts whoever listens meanwhile. */
  #told: Promise<unknown> = Promise.resolve();
  readonly #over = new AbortController();

  constructor(
    private readonly ctx: VerbContext,
    private readonly spec: BargeInSpec,
  ) {
    this.resume();
  }

  /** What was collected so far does not go along. */
  continuation(): SessionCommand[] {
    return [{ command: 'config', spec: { bargeIn: { ...this.spec, enable: true } } }];
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    if (this.ctx.call.isOver) this.#over.abort();
    await this.suspend();
  }

  /** Listens no more until it is resumed. */
  async suspend(): Promise<void> {
    this.#run?.abort();
    this.#run = undefined;
    await this.#running;
  }

  /** Begins anew. */
  resume(): void {
    if (this.#isStopped || this.#run) return;
    const run = new AbortController();
    this.#run = run;
    this.#running = this.#gather(run.signal);
  }

  async #gather(signal: AbortSignal): Promise<void> {
    const { ctx, spec } = this;
    const { input = ['speech'], actionHook, sticky, enable: _enable, partialResultHook: _partial, ...rules } = spec;
    do {
      const gathering = new Gathering(
        ctx,
        { ...rules, verb: 'config', input, timeout: 0 },
        { signal, onBargeIn: () => this.#onBargeIn() },
      );
      const outcome = await gathering.run().catch((err: unknown) => {
        ctx.journal.log.warn({ err }, 'the gather in the background failed');
        return undefined;
      });
      if (!outcome || signal.aborted) break;
      ctx.journal.timeline.info('verb', `bargeIn: ${describeOutcome(outcome)}`, { ...outcome });
      if (actionHook !== undefined) {
        this.#told = this.#told.then(() => ctx.app.interrupt(actionHook, { ...outcome }, this.#over.signal));
        ctx.queue.expect(this.#told);
      }
      if (outcome.reason === 'error') break;
    } while (sticky && !signal.aborted);
    if (!signal.aborted) ctx.background.ended(BACKGROUND_GATHER, this);
  }

  #onBargeIn(): void {
    if (this.ctx.app.isSocket) this.ctx.queue.interrupt(withoutEndOfBargeIn);
  }
}

/**
 * Verbs are dropped up to a `config` that switches barge-in off. It is kept without that: what the caller has begun to say is still to be
 * heard to its end.
 */
function withoutEndOfBargeIn(verb: VerbSpec): VerbSpec | undefined {
  if (verb.verb !== 'config' || verb.bargeIn?.enable !== false) return undefined;
  const { bargeIn: _bargeIn, ...rest } = verb;
  return rest;
}
