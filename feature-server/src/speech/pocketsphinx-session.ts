import type { Alternative, RecognitionEvent, RecognitionSession } from './recognizer.js';
import { VoiceActivity } from './voice-activity.js';

const RATE_HZ = 16_000;
const SAMPLES_PER_MS = RATE_HZ / 1000;
/** What is kept of the time before speech was noticed: consonants are soft. */
const LEAD_IN_MS = 400;
const VOICE_MS = 80;
/** Pauses between words are shorter. */
const SILENCE_MS = 600;
/** Shorter ones would cut words apart. */
const MIN_SILENCE_MS = 400;
/** Who speaks longer is understood in parts. */
const MAX_UTTERANCE_MS = 20_000;
/** New speech that makes another interim result worth its cost. */
const INTERIM_STEP_MS = 700;
/** After a pause the utterance is probably over: an interim result would only hold up the final one. */
const PAUSE_MS = 150;
const SILENCE_AROUND_MS = 200;
/** A telephone's silence is digital zero, which the model has never heard: noise of this amplitude takes its place. */
const DITHER_AMPLITUDE = 30;

/** What a {@link PocketsphinxSession} is made of. */
export interface PocketsphinxSessionOptions {
  interim: boolean;
  /** Silence that ends an utterance. */
  silenceMs?: number;
  recognize(samples: Int16Array, signal: AbortSignal): Promise<Alternative | undefined>;
  onEvent(event: RecognitionEvent): void;
  onClose(): Promise<void>;
}

/** Cuts a call's sound into utterances and has each of them recognized, in order. */
export class PocketsphinxSession implements RecognitionSession {
  readonly #activity: VoiceActivity;
  readonly #closed = new AbortController();
  #pieces: Int16Array[] = [];
  #length = 0;
  #nextInterimAt = 0;
  #isInterimUnderWay = false;
  #work: Promise<void> = Promise.resolve();
  #waiting = 0;

  constructor(private readonly options: PocketsphinxSessionOptions) {
    this.#activity = new VoiceActivity({
      sampleRate: RATE_HZ,
      voiceMs: VOICE_MS,
      silenceMs: Math.max(options.silenceMs ?? SILENCE_MS, MIN_SILENCE_MS),
    });
  }

  write(samples: Int16Array): void {
    if (this.#closed.signal.aborted) return;
    this.#pieces.push(samples);
    this.#length += samples.length;
    const changes = this.#activity.feed(samples);
    for (const change of changes) {
      if (change === 'start') this.#nextInterimAt = this.#length + INTERIM_STEP_MS * SAMPLES_PER_MS;
      else this.#finish();
    }
    if (!this.#activity.isSpeech) this.#forget(LEAD_IN_MS);
    else if (this.#length > MAX_UTTERANCE_MS * SAMPLES_PER_MS) this.#finish();
    else if (this.options.interim && this.#length >= this.#nextInterimAt) this.#tryInterim();
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#pieces = [];
    await this.#work;
    await this.options.onClose();
  }

  #forget(keepMs: number): void {
    const keep = keepMs * SAMPLES_PER_MS;
    for (let first = this.#pieces[0]; first && this.#length - first.length >= keep; first = this.#pieces[0]) {
      this.#pieces.shift();
      this.#length -= first.length;
    }
  }

  /** The utterance is over: it waits for its turn. */
  #finish(): void {
    const utterance = this.#sound();
    this.#pieces = [];
    this.#length = 0;
    // Who speaks faster than this machine understands loses what it cannot follow.
    if (this.#waiting >= 4) return;
    this.#waiting += 1;
    this.#work = this.#work
      .then(() => this.#understand(utterance, true))
      .finally(() => {
        this.#waiting -= 1;
      });
  }

  #tryInterim(): void {
    if (this.#isInterimUnderWay || this.#waiting > 0 || this.#activity.quietMs > PAUSE_MS) return;
    this.#nextInterimAt = this.#length + INTERIM_STEP_MS * SAMPLES_PER_MS;
    this.#isInterimUnderWay = true;
    this.#work = this.#understand(this.#sound(), false).finally(() => {
      this.#isInterimUnderWay = false;
    });
  }

  /** Never rejects. */
  async #understand(samples: Int16Array, isFinal: boolean): Promise<void> {
    const { recognize, onEvent } = this.options;
    const { signal } = this.#closed;
    try {
      const best = await recognize(samples, signal);
      if (signal.aborted || !best) return;
      onEvent({ type: 'heard', speech: { isFinal, alternatives: [best], languageCode: 'en-US', evt: best } });
    } catch (error) {
      if (signal.aborted) return;
      onEvent({ type: 'failed', reason: error instanceof Error ? error.message : String(error) });
    }
  }

  #sound(): Int16Array {
    const edge = SILENCE_AROUND_MS * SAMPLES_PER_MS;
    const sound = new Int16Array(this.#length + 2 * edge);
    let at = edge;
    for (const piece of this.#pieces) {
      sound.set(piece, at);
      at += piece.length;
    }
    let seed = 1;
    for (let i = 0; i < sound.length; i++) {
      // A linear congruential generator (Numerical Recipes): the same speech is always understood in the same way.
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      const noise = ((seed >>> 16) % (2 * DITHER_AMPLITUDE + 1)) - DITHER_AMPLITUDE;
      sound[i] = Math.max(-32_768, Math.min(32_767, (sound[i] ?? 0) + noise));
    }
    return sound;
  }
}
