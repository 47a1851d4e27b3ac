import type { AmdSpec, DialSpec } from '@ringwire/verb-specs';
import type { AmdTask } from '../../amd/answering-machines.js';
import { startAmd } from '../config/amd.js';
import type { Conversation } from '../conversation.js';
import { changeTrack } from '../dub.js';
import { type Listening, startListen } from '../listening/listening.js';
import { decibels } from '../quantities.js';
import { type TranscribeBody, Transcription } from '../transcription.js';
import type { VerbContext } from '../verb.js';

/** What else a `dial` asks for while the two talk: `listen` (or `stream`) and `transcribe` of both, `dub` tracks and `amd` for the callee, `boostAudioSignal`. Never fails the call. */
export class NestedTasks {
  readonly #over = new AbortController();
  #listening: Listening | undefined;
  #transcription: Transcription | undefined;
  readonly #detections: Promise<AmdTask | undefined>[] = [];

  constructor(
    private readonly ctx: VerbContext,
    private readonly spec: DialSpec,
    conversation: Conversation,
  ) {
    const settings = spec.listen ?? spec.stream;
    // Of the caller's leg: he is the near side of it, and the callee what he hears.
    if (settings) this.#listening = startListen(ctx, ctx.media.endpoint(), settings);
    if (spec.transcribe && spec.transcribe.enable !== false) this.#transcribe(spec.transcribe);
    if (spec.boostAudioSignal !== undefined) this.#boost(ctx);
    conversation.onParty(({ verbs }) => {
      if (verbs) {
        if (spec.boostAudioSignal !== undefined) this.#boost(verbs.ctx);
        if (spec.dub) void this.#addTracks(verbs.ctx);
        if (spec.amd) return this.#detect(verbs.ctx, spec.amd);
      }
      return () => {};
    });
  }

  /** Ends what runs, and waits until nothing of it is left; never rejects. */
  async stop(): Promise<void> {
    this.#over.abort();
    if (this.spec.boostAudioSignal !== undefined) {
      // What the caller does next is as loud as it was.
      const { defaults, media, journal } = this.ctx;
      try {
        await media.endpoint().dub.setGain(defaults.gainDb ?? 0);
      } catch (err) {
        journal.log.debug({ err }, 'the gain was not taken back');
      }
    }
    const detections = this.#detections.map(async (started) => (await started)?.stop());
    await Promise.all([this.#listening?.stop(), this.#transcription?.stop(), ...detections]);
  }

  #transcribe(spec: TranscribeBody): void {
    try {
      this.#transcription = new Transcription(this.ctx, spec, { isNested: true, hasTwoParties: true });
    } catch (error) {
      this.#failed('transcribe', error);
    }
  }

  #boost(leg: VerbContext): void {
    const gainDb = decibels(this.spec.boostAudioSignal);
    if (gainDb === undefined) {
      this.ctx.journal.timeline.warn('verb', `dial: "${this.spec.boostAudioSignal}" is no gain in dB`);
      return;
    }
    leg.media
      .endpoint()
      .dub.setGain(gainDb)
      .catch((err: unknown) => this.#failed('boostAudioSignal', err));
  }

  async #addTracks(leg: VerbContext): Promise<void> {
    for (const one of this.spec.dub ?? []) {
      try {
        await changeTrack(leg, leg.media.endpoint(), one, this.#over.signal);
      } catch (error) {
        this.#failed(`dub: ${one.action} ${one.track}`, error);
      }
    }
  }

  /** Who has answered: a human or a machine. @returns what ends that */
  #detect(leg: VerbContext, spec: AmdSpec): () => void {
    const started = startAmd(leg, spec, leg.media.endpoint(), () => ({})).catch((err: unknown) => {
      this.#failed('amd', err);
      return undefined;
    });
    this.#detections.push(started);
    return () => void started.then((task) => task?.stop());
  }

  #failed(what: string, error: unknown): void {
    if (this.#over.signal.aborted) return;
    const text = error instanceof Error ? error.message : String(error);
    this.ctx.journal.timeline.warn('media', `dial: ${what}: ${text}`);
  }
}
