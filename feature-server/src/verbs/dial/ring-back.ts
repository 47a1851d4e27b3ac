import type { DialSpec } from '@ringwire/verb-specs';
import type { DialledParty } from '../call-dial.js';
import { restOfRound } from '../rounds.js';
import type { VerbContext } from '../verb.js';

/** What the caller hears until somebody answers: the music of the `dial`, or what the callee's side sends ahead of the answer. */
export class RingBack {
  #music = new AbortController();
  #playing: Promise<void>;
  #early: Promise<void> = Promise.resolve();
  /** Callees that send sound before the answer, in the order in which they began; the caller hears the first. */
  readonly #announcing = new Map<DialledParty, string>();
  #heard: DialledParty | undefined;
  #isStopped = false;
  #stopping: Promise<void> | undefined;
  #isBridged = false;

  constructor(
    private readonly ctx: VerbContext,
    private readonly spec: DialSpec,
    private readonly signal: AbortSignal,
  ) {
    this.#playing = this.#playMusic();
  }

  /** A callee sends sound before the answer (183 with SDP): the caller hears it, of several the first, and the next when that one has failed. */
  earlyMedia(party: DialledParty, sdp: string): void {
    if (this.#isStopped || this.#announcing.has(party)) return;
    this.#announcing.set(party, sdp);
    void party.outcome.then(({ ok }) => {
      if (!ok) this.#silent(party);
    });
    this.#hearNext();
  }

  #hearNext(): void {
    const [next] = this.#announcing;
    if (this.#isStopped || this.#heard || !next) return;
    const [party, sdp] = next;
    this.#heard = party;
    this.#early = this.#early
      .then(() => this.#passOn(party, sdp))
      .catch((err: unknown) => {
        if (this.#isStopped || party.isEnded) return;
        const text = err instanceof Error ? err.message : String(err);
        this.ctx.journal.timeline.warn('media', `early media of the callee is not heard: ${text}`);
      });
  }

  /** Somebody who has announced himself has not answered. */
  #silent(party: DialledParty): void {
    this.#announcing.delete(party);
    if (this.#heard !== party || this.#isStopped) return;
    this.#heard = undefined;
    this.#early = this.#early.then(() => this.#unbridge());
    this.#hearNext();
    if (this.#heard === undefined) {
      this.#music = new AbortController();
      this.#playing = this.#early.then(() => this.#playMusic());
    }
  }

  /** Silence, so that caller and callee can be bridged. Further calls wait for the same; never rejects. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#isStopped = true;
    this.#music.abort();
    await Promise.all([this.#playing, this.#early]);
    await this.#unbridge();
  }

  async #unbridge(): Promise<void> {
    if (!this.#isBridged) return;
    this.#isBridged = false;
    await this.ctx.dial.unbridge().catch((err: unknown) => {
      // The bridge of the two takes its place, or the leg is gone.
      this.ctx.journal.log.debug({ err }, 'early media was not taken apart');
    });
  }

  async #passOn(party: DialledParty, sdp: string): Promise<void> {
    this.#music.abort();
    await this.#playing;
    if (this.#isStopped || party.isEnded) return;
    await party.endpoint?.modify(sdp);
    if (this.#isStopped) return;
    await this.ctx.call.earlyMedia();
    if (this.#isStopped || party.isEnded) return;
    await this.ctx.dial.bridge(party);
    this.#isBridged = true;
    this.ctx.journal.timeline.info('media', 'the caller hears early media of the callee', { callSid: party.callSid });
  }

  /** `dialMusic` for an answered caller. What cannot be played is no reason not to dial. */
  async #playMusic(): Promise<void> {
    const { ctx } = this;
    const { dialMusic } = this.spec;
    if (dialMusic === undefined || !ctx.call.isAnswered || this.#isStopped) return;
    const signal = AbortSignal.any([this.signal, this.#music.signal]);
    try {
      const source = await ctx.media.resolveSource(dialMusic);
      while (!signal.aborted) {
        const startedAt = performance.now();
        await ctx.media.play([source], { signal });
        await restOfRound(startedAt, signal);
      }
    } catch (error) {
      if (signal.aborted) return;
      const text = error instanceof Error ? error.message : String(error);
      ctx.journal.timeline.warn('verb', `dial: dialMusic failed: ${text}`);
    }
  }
}
