import type { DialSpec } from '@ringwire/verb-specs';
import { restOfRound } from '../rounds.js';
import type { DialledParty, VerbContext } from '../verb.js';

/** What the caller hears until somebody answers: the music of the `dial`, or what the callee's side sends ahead of the answer. */
export class RingBack {
  readonly #music = new AbortController();
  #playing: Promise<void>;
  #early: Promise<void> | undefined;
  #isStopped = false;
  #stopping: Promise<void> | undefined;
  #isBridged = false;

  constructor(
    private readonly ctx: VerbContext,
    { dialMusic }: DialSpec,
    signal: AbortSignal,
  ) {
    this.#playing = this.#playMusic(dialMusic, AbortSignal.any([signal, this.#music.signal]));
  }

  /** The callee sends sound before the answer (183 with SDP): the caller hears it. Only the first is taken up. */
  earlyMedia(party: DialledParty, sdp: string): void {
    if (this.#isStopped || this.#early) return;
    this.#early = this.#passOn(party, sdp).catch((err: unknown) => {
      if (this.#isStopped || party.isEnded) return;
      const text = err instanceof Error ? err.message : String(err);
      this.ctx.journal.timeline.warn('media', `early media of the callee is not heard: ${text}`);
    });
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
    await party.endpoint?.modify(sdp);
    if (this.#isStopped) return;
    await this.ctx.call.earlyMedia();
    if (this.#isStopped || party.isEnded) return;
    await this.ctx.dial.bridge(party);
    this.#isBridged = true;
    this.ctx.journal.timeline.info('media', 'the caller hears early media of the callee', { callSid: party.callSid });
  }

  /** `dialMusic` for an answered caller. What cannot be played is no reason not to dial. */
  async #playMusic(dialMusic: string | undefined, signal: AbortSignal): Promise<void> {
    const { ctx } = this;
    if (dialMusic === undefined || !ctx.call.isAnswered) return;
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
