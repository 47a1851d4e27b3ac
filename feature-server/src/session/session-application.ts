import { TokenBucket } from '@ringwire/common/limits/token-bucket.js';
import type { HookSpec, VerbSpec } from '@ringwire/verb-specs';
import {
  type Application,
  type Hook,
  type HookReply,
  type HookType,
  type NoticeType,
  toHook,
} from '../app-client/application.js';
import { InvalidApplicationError } from '../errors.js';
import type { ActionResult, AskedReply, CallApplication } from '../verbs/verb.js';
import type { ApplicationWait, WaitSettings } from './application-wait.js';
import type { CallInfo } from './call-info.js';
import type { Journal } from './journal.js';

/** What {@link SessionApplication} needs of its session. */
export interface SessionApplicationOptions {
  application: Application;
  info: Pick<CallInfo, 'commonPayload'>;
  journal: Journal;
  /** @param stopsCurrent whether the verb that runs ends too (it is not the one that asked) */
  replace(verbs: VerbSpec[], stopsCurrent: boolean): void;
  /** The application answers again and again without anything happening. */
  onLoop(reason: string): void;
  /** What the caller hears while the application thinks. */
  wait?: ApplicationWait;
  /** Whether verbs wait behind the one that runs. */
  hasMore?: () => boolean;
  /** An action hook failed for good. */
  onFailure(error: unknown): void;
  /** Tells the application, over its status hook, that an answer could not be used (compat 2.5). */
  reportInvalid(reason: string): void;
}

/** Verb lists that an application may give at once, and for long: more is a redirect loop. */
const VERB_LISTS = { capacity: 100, perSecond: 2 };

/** Hooks that are only told wait for those before them; an application that is too slow for more misses them. */
const MOST_TOLD = 100;

/** A verb's way to the application: payloads are completed here, and answers go to the queue. */
export class SessionApplication implements CallApplication {
  #told: Promise<void> = Promise.resolve();
  #informed: Promise<void> = Promise.resolve();
  #toldWaiting = 0;
  #isDropping = false;
  readonly #verbLists = new TokenBucket(VERB_LISTS);

  constructor(private readonly options: SessionApplicationOptions) {}

  async action(
    spec: { verb?: string; id?: string; actionHook?: HookSpec } & WaitSettings,
    extra: Record<string, unknown>,
    signal: AbortSignal,
  ): Promise<ActionResult> {
    const { actionHook, id } = spec;
    if (actionHook === undefined || signal.aborted) return 'next';
    const payload = { ...this.options.info.commonPayload(), verbId: id, ...extra };
    const hook = toHook(actionHook);
    const { wait, hasMore } = this.options;
    const isHeard = spec.verb === 'gather';
    if (isHeard) wait?.begin(spec);
    const result = await this.#ask(
      () => this.options.application.request('verb:hook', hook, payload, signal),
      signal,
      false,
    );
    // Over a WebSocket the verbs may come later, as a command: what is heard meanwhile ends then.
    const isAwaited = this.isSocket && result === 'next' && !hasMore?.() && !signal.aborted;
    if (isHeard && !isAwaited) await wait?.end();
    return result;
  }

  inform({ actionHook, id }: { id?: string; actionHook?: HookSpec }, extra: Record<string, unknown>): void {
    if (actionHook === undefined) return;
    const { application, info } = this.options;
    const payload = { ...info.commonPayload(), verbId: id, ...extra };
    // Not behind what is told of a room or of speech: an application that is slow with that waits for none of it here.
    const done = application.request('verb:hook', toHook(actionHook), payload).then(
      () => undefined,
      () => undefined,
    );
    this.#informed = Promise.all([this.#informed, done]).then(() => undefined);
  }

  tell(spec: HookSpec, extra: Record<string, unknown>, type: HookType = 'verb:hook'): void {
    const { application, info, journal } = this.options;
    if (this.#toldWaiting >= MOST_TOLD) {
      if (!this.#isDropping) journal.timeline.warn('hook', `${MOST_TOLD} hooks wait to be told: more are left out`);
      this.#isDropping = true;
      return;
    }
    this.#toldWaiting += 1;
    const payload = { ...info.commonPayload(), ...extra };
    // What goes wrong is on the timeline; there is nothing left that could be done about it.
    this.#told = this.#told
      .then(() => application.request(type, toHook(spec), payload))
      .then(
        () => undefined,
        () => undefined,
      )
      .then(() => {
        this.#toldWaiting -= 1;
        this.#isDropping &&= this.#toldWaiting > 0;
      });
  }

  tellAfter(spec: HookSpec, extra: Record<string, unknown>, after: Promise<void>): Promise<void> {
    this.#told = Promise.all([this.#told, after]).then(() => undefined);
    this.tell(spec, extra);
    return this.#told;
  }

  async ask(
    spec: HookSpec,
    extra: Record<string, unknown>,
    signal: AbortSignal,
    type: HookType = 'verb:hook',
  ): Promise<AskedReply | undefined> {
    const { application, info } = this.options;
    const payload = { ...info.commonPayload(), ...extra };
    try {
      const reply = await application.request(type, toHook(spec), payload, signal);
      if (reply.kind === 'verbs') return { verbs: reply.verbs };
      return reply.object ? { object: reply.object } : {};
    } catch {
      // Reported by the application's client.
      return undefined;
    }
  }

  async interrupt(spec: HookSpec, extra: Record<string, unknown>, signal: AbortSignal): Promise<ActionResult> {
    const { application, info } = this.options;
    const payload = { ...info.commonPayload(), ...extra };
    return this.#ask(() => application.request('verb:hook', toHook(spec), payload, signal), signal, true);
  }

  send(type: NoticeType, data: Record<string, unknown>): void {
    this.options.application.send(type, data);
  }

  get isSocket(): boolean {
    return this.options.application.staysOpen;
  }

  /** Resolves when everything that {@link inform} and {@link tell} have sent is answered, or given up. */
  async settled(): Promise<void> {
    await Promise.all([this.#told, this.#informed]);
  }

  async redirect(
    spec: { id?: string; actionHook: HookSpec | Hook },
    signal: AbortSignal,
    { stopsCurrent = false }: { stopsCurrent?: boolean } = {},
  ): Promise<ActionResult> {
    const { application, info } = this.options;
    const hook = toHook(spec.actionHook);
    application.rebase(hook.url);
    const payload = { ...info.commonPayload(), verbId: spec.id };
    return this.#ask(() => application.request('session:redirect', hook, payload, signal), signal, stopsCurrent);
  }

  async #ask(request: () => Promise<HookReply>, signal: AbortSignal, stopsCurrent: boolean): Promise<ActionResult> {
    try {
      const reply = await request();
      // An empty array means no more than no answer does (jambonz).
      if (reply.kind === 'nothing' || reply.verbs.length === 0 || signal.aborted) return 'next';
      if (!this.#verbLists.take()) {
        const { capacity, perSecond } = VERB_LISTS;
        this.options.onLoop(
          `the application redirects in a loop: more than ${capacity} verb lists at once, or ${perSecond} a second`,
        );
        return 'failed';
      }
      this.options.journal.timeline.info('hook', `new verbs: ${namesOf(reply.verbs)}`);
      this.options.replace(reply.verbs, stopsCurrent);
      return 'replaced';
    } catch (error) {
      if (signal.aborted) return 'failed';
      if (error instanceof InvalidApplicationError) this.options.reportInvalid(error.message);
      this.options.onFailure(error);
      return 'failed';
    }
  }
}

/** The verbs' names, for a timeline line. */
export function namesOf(verbs: readonly VerbSpec[]): string {
  return verbs.map(({ verb }) => verb).join(', ') || 'none';
}
