import type { HookSpec, SynthesizerSpec } from '@ringwire/verb-specs';
import { BotError } from '../errors.js';
import { playAll } from '../verbs/play.js';
import { opening } from '../verbs/quantities.js';
import { speak } from '../verbs/say.js';
import type { VerbContext } from '../verbs/verb.js';
import { BotEar, type BotEarOptions, type CallerTurn } from './bot-ear.js';

/** What verbs that talk with a bot have in common. */
export interface BotTalkOptions extends BotEarOptions {
  tts?: SynthesizerSpec;
  /** Of the verb. */
  spec: { id?: string; actionHook?: HookSpec; eventHook?: HookSpec };
  /** Events that the event hook hears; absent: all. */
  events?: readonly string[];
  /** Field of the action hook: `lexResult`. */
  resultField: string;
  /** For the timeline: `Lex`. */
  name: string;
}

/** Something to be heard. */
export type BotSaying = { text: string } | { url: string };

/**
 * One conversation of a caller with a bot: what is common to the vendors. Events go to the event hook one after the other and hold
 * nobody up; verbs that it answers end the conversation (`redirect`).
 */
export class BotTalk {
  readonly ear: BotEar;
  #events: Promise<void> = Promise.resolve();
  #isRedirected = false;

  constructor(
    private readonly ctx: VerbContext,
    private readonly options: BotTalkOptions,
    private readonly signal: AbortSignal,
  ) {
    this.ear = new BotEar(ctx, options);
  }

  /** Tells the event hook, unless the application has not asked for this event. */
  event(event: string, fields: Readonly<Record<string, unknown>> = {}): void {
    const { spec, events } = this.options;
    const { eventHook } = spec;
    if (eventHook === undefined || (events !== undefined && !events.includes(event))) return;
    this.#events = this.#events.then(async () => {
      if (this.#isRedirected || this.signal.aborted) return;
      const outcome = await this.ctx.app.interrupt(eventHook, { event, ...fields }, this.signal);
      if (outcome === 'replaced') this.#isRedirected = true;
    });
  }

  /** Speaks; resolves when all is said, or the caller has interrupted: then true. Sound that cannot be had is passed over. */
  async say(sayings: readonly BotSaying[]): Promise<boolean> {
    const interrupted = this.ear.prompting();
    const until = AbortSignal.any([this.signal, interrupted]);
    for (const saying of sayings) {
      if (until.aborted) break;
      try {
        if ('url' in saying) await playAll(this.ctx, { url: saying.url }, until);
        else await speak(this.ctx, { text: saying.text, ...this.#voice() }, until);
      } catch (error) {
        if (until.aborted) break;
        const what = 'url' in saying ? saying.url : saying.text;
        this.ctx.journal.timeline.error('speech', `${opening(what)} cannot be heard: ${messageOf(error)}`);
      }
    }
    this.ear.prompted();
    return interrupted.aborted;
  }

  /** What the caller says next; undefined where the conversation is over. */
  async listen(silenceMs: number | undefined): Promise<CallerTurn | undefined> {
    const turn = await this.ear.next(silenceMs, this.signal);
    if (turn?.kind === 'deaf') throw new BotError(`nobody can listen to the caller: ${turn.reason}`, {});
    return turn;
  }

  /**
   * Runs a conversation and tells its result.
   * @param talk resolves to the result for the action hook; undefined where the signal ended it
   * @param failure the result where the bot, or the recognizer, failed
   */
  async run(talk: () => Promise<string | undefined>, failure: string): Promise<void> {
    let result: string | undefined;
    try {
      result = await talk();
    } catch (error) {
      if (!this.signal.aborted) {
        const text = `${this.options.name}: ${messageOf(error)}`;
        this.ctx.journal.timeline.error('verb', text);
        this.ctx.journal.alert('llm-failure', text);
        result = failure;
      }
    } finally {
      this.ear.close();
    }
    await this.#events;
    const { spec, resultField } = this.options;
    const { app, call, journal } = this.ctx;
    if (this.#isRedirected) return app.inform(spec, { [resultField]: 'redirect' });
    if (call.isOver) return app.inform(spec, { [resultField]: 'caller hungup' });
    // Who replaced the verb has other plans.
    if (this.signal.aborted || result === undefined) return;
    journal.timeline.info('verb', `${this.options.name}: ${result}`);
    await app.action(spec, { [resultField]: result }, this.signal);
  }

  #voice(): { synthesizer?: SynthesizerSpec } {
    const { tts } = this.options;
    return tts ? { synthesizer: tts } : {};
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
