import type { VerbSpec } from '@ringwire/verb-specs';
import { CallGoneError, MediaServerError } from '../errors.js';
import { type VerbRegistry, verbFor } from '../verbs/registry.js';
import type { Verb, VerbContext, VerbNeed } from '../verbs/verb.js';

/** What the runner asks of the session it runs in. */
export interface VerbRunnerOptions {
  ctx: VerbContext;
  registry: VerbRegistry;
  /** Aborts when the call is over. */
  signal: AbortSignal;
  /**
   * Brings the call into the state that a verb needs; `prepare` runs beside it.
   * @throws MediaServerError, CallGoneError
   */
  ensure(need: VerbNeed, prepare: Promise<void>): Promise<void>;
  /** A verb starts, or has ended: for applications that asked to hear of it. */
  onStatus?: (spec: VerbSpec, event: 'starting' | 'finished') => void;
  /** Whether the call goes on when no verbs are left, until there are new ones or it is over. */
  staysOpen?: () => boolean;
  /** No verbs are left, and the application may send some. */
  onIdle?: () => void;
  /** A verb is about to run. */
  beforeVerb?: () => Promise<void>;
  /** Called after each verb, for metrics. */
  onVerb?: (verb: string, outcome: 'done' | 'failed' | 'skipped', ms: number) => void;
}

/** Runs a call's verbs one after the other; the queue may be replaced at any time. */
export class VerbRunner {
  #queue: VerbSpec[] = [];
  #current: AbortController | undefined;
  #wake: () => void = () => {};
  /** Hooks that are being asked for verbs from outside the verb that runs. */
  #expected = 0;

  constructor(private readonly options: VerbRunnerOptions) {}

  /** Whether verbs wait behind the one that runs. */
  get hasMore(): boolean {
    return this.#queue.length > 0;
  }

  /** The verbs that wait. */
  get waiting(): readonly VerbSpec[] {
    return this.#queue;
  }

  /** Replaces everything that waits. `stopCurrent` also ends the verb that runs (it is not the one that asked). */
  replace(verbs: readonly VerbSpec[], { stopCurrent }: { stopCurrent: boolean }): void {
    this.#queue = [...verbs];
    if (stopCurrent) this.#current?.abort();
    this.#wake();
  }

  /** New verbs may come of `work`: until it has settled, the call does not end for want of verbs. */
  expect(work: Promise<unknown>): void {
    this.#expected++;
    const settled = (): void => {
      this.#expected--;
      this.#wake();
    };
    work.then(settled, settled);
  }

  /** Ends the verb that runs and drops what waits, up to the first verb for which `keepAs` says as what it is kept. */
  interrupt(keepAs: (spec: VerbSpec) => VerbSpec | undefined): void {
    while (this.#queue[0]) {
      const kept = keepAs(this.#queue[0]);
      if (kept) {
        this.#queue[0] = kept;
        break;
      }
      this.#queue.shift();
    }
    this.#current?.abort();
  }

  /** Puts verbs behind what waits. */
  append(verbs: readonly VerbSpec[]): void {
    this.#queue.push(...verbs);
    this.#wake();
  }

  /**
   * Runs until the queue is empty or the call is over.
   * @throws MediaServerError when the call cannot get the media that a verb needs
   */
  async run(): Promise<void> {
    const { signal } = this.options;
    while (!signal.aborted) {
      const spec = this.#queue.shift();
      if (spec) await this.#runOne(spec);
      else if (this.#expected > 0 || this.options.staysOpen?.()) await this.#untilWoken();
      else return;
    }
  }

  /** Resolves when there may be verbs again, or the call is over. */
  async #untilWoken(): Promise<void> {
    const { signal, ctx } = this.options;
    ctx.journal.timeline.info('verb', 'no verbs left, the application may send more');
    this.options.onIdle?.();
    let woken = (): void => {};
    const waking = new Promise<void>((resolve) => {
      woken = resolve;
    });
    this.#wake = woken;
    // A call may be idle very often: none of these listeners outlives its turn.
    signal.addEventListener('abort', woken, { once: true });
    try {
      if (!signal.aborted) await waking;
    } finally {
      signal.removeEventListener('abort', woken);
      this.#wake = () => {};
    }
  }

  async #runOne(spec: VerbSpec): Promise<void> {
    const { ctx, registry } = this.options;
    const verb = verbFor(spec, registry);
    if (!verb) {
      const text = `${spec.verb}: verb not available in this version`;
      ctx.journal.timeline.error('verb', text, { verb: spec.verb });
      ctx.journal.alert('verb-not-available', text);
      this.options.onVerb?.(spec.verb, 'skipped', 0);
      return;
    }
    const need = verb.needs(spec);
    const isUnmet =
      (need === 'unanswered call' && ctx.call.isAnswered) || (need === 'answered call' && !ctx.call.isAnswered);
    if (isUnmet) {
      const why = ctx.call.isAnswered ? 'the call is answered already' : 'the call is not answered';
      ctx.journal.timeline.warn('verb', `${spec.verb}: ${why}, the verb is passed over`);
      this.options.onVerb?.(spec.verb, 'skipped', 0);
      return;
    }
    await this.#execute(spec, verb, need);
  }

  async #execute(spec: VerbSpec, verb: Verb<VerbSpec>, need: VerbNeed): Promise<void> {
    const { ctx, signal: callSignal } = this.options;
    const controller = new AbortController();
    this.#current = controller;
    const signal = AbortSignal.any([callSignal, controller.signal]);
    const about = verb.describe?.(spec);
    ctx.journal.timeline.info('verb', about ? `${spec.verb}: ${about}` : spec.verb, { verb: spec.verb, spec });
    const startedAt = performance.now();
    this.options.onStatus?.(spec, 'starting');
    try {
      await this.options.beforeVerb?.();
      await this.options.ensure(need, verb.prepare?.(ctx, spec) ?? Promise.resolve());
      await verb.run(ctx, spec, signal);
      this.#finished(spec, 'done', startedAt, signal.aborted && !verb.endsCall);
    } catch (error) {
      if (signal.aborted || error instanceof CallGoneError) return this.#finished(spec, 'done', startedAt, true);
      if (error instanceof MediaServerError) throw error;
      const text = error instanceof Error ? error.message : String(error);
      ctx.journal.timeline.error('verb', `${spec.verb} failed: ${text}`);
      ctx.journal.log.warn({ err: error, verb: spec.verb }, 'verb failed');
      this.#finished(spec, 'failed', startedAt, false);
    } finally {
      this.#current = undefined;
      this.options.onStatus?.(spec, 'finished');
    }
  }

  #finished(spec: VerbSpec, outcome: 'done' | 'failed', startedAt: number, isCut: boolean): void {
    const { ctx } = this.options;
    const ms = Math.round(performance.now() - startedAt);
    ctx.journal.log.debug({ verb: spec.verb, durMs: ms, outcome, isCut }, 'verb ended');
    ctx.journal.timeline.info('verb', `${spec.verb} ${isCut ? 'was ended' : outcome} after ${ms} ms`, {
      verb: spec.verb,
      outcome,
      ms,
    });
    this.options.onVerb?.(spec.verb, outcome, ms);
  }
}
