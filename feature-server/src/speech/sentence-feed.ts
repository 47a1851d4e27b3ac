import type { SpeechFeed, SpeechFeedListener } from './streaming-synthesizer.js';

/** Pieces that are synthesized ahead: enough that none has to be waited for, and not more text than is heard within a minute. */
const MOST_AHEAD = 4;

/** A piece's sound. */
export interface PieceSound {
  files: readonly string[];
  release(): Promise<void>;
}

/** How a {@link SentenceFeed} comes to sound. */
export interface SentenceFeedOptions {
  /** @throws SynthesisError, which the journal has heard of */
  synthesize(piece: string, signal: AbortSignal): Promise<PieceSound>;
  /** Plays files one after the other. @returns how long they were heard */
  play(files: readonly string[], signal: AbortSignal): Promise<{ ms: number }>;
  /** How long a file sounds; undefined when that cannot be told. */
  lengthOf(file: string): Promise<number | undefined>;
  listener: SpeechFeedListener;
}

interface Piece {
  text: string;
  sound: Promise<PieceSound | undefined>;
  ready: PieceSound | undefined;
}

/** Streamed speech of vendors that speak whole texts: each sentence is a file, made while those before it are heard. */
export class SentenceFeed implements SpeechFeed {
  readonly #pieces: Piece[] = [];
  #stop = new AbortController();
  #running: Promise<void> | undefined;
  /** Resolves when what was dropped has been given back. */
  #dropped: Promise<unknown> = Promise.resolve();
  readonly #heard: string[] = [];
  #isClosed = false;

  constructor(private readonly options: SentenceFeedOptions) {}

  get hasRoom(): boolean {
    return !this.#isClosed && this.#pieces.length < MOST_AHEAD;
  }

  get isEmpty(): boolean {
    return this.#pieces.length === 0 && this.#running === undefined;
  }

  speak(text: string): void {
    if (this.#isClosed) return;
    const { signal } = this.#stop;
    const piece: Piece = { text, ready: undefined, sound: Promise.resolve(undefined) };
    piece.sound = this.options.synthesize(text, signal).then(
      (sound) => {
        piece.ready = sound;
        return sound;
      },
      // Nobody can speak this sentence: what is left is still worth hearing.
      () => undefined,
    );
    this.#pieces.push(piece);
    this.#running ??= this.#run(signal);
  }

  heard(): string {
    return this.#heard.splice(0).join(' ');
  }

  async clear(): Promise<void> {
    this.#stop.abort();
    this.#stop = new AbortController();
    for (const { sound } of this.#pieces.splice(0)) {
      // A vendor may take its time with what nobody wants any more: that is not waited for.
      this.#dropped = Promise.all([this.#dropped, sound.then((made) => made?.release())]);
    }
    await this.#running;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.clear();
    await this.#dropped;
  }

  async #run(signal: AbortSignal): Promise<void> {
    // Also what was given in the same turn of the event loop is there then.
    await Promise.resolve();
    while (!signal.aborted) {
      const first = this.#pieces[0];
      if (!first) break;
      await Promise.race([first.sound, aborted(signal)]);
      if (signal.aborted) break;
      const batch = this.#takeReady();
      if (this.hasRoom) this.options.listener.onRoom();
      await this.#play(batch, signal);
    }
    this.#running = undefined;
    // A clear may have been followed by new text already.
    if (this.#pieces.length > 0) this.#running = this.#run(this.#stop.signal);
    else if (!signal.aborted) this.options.listener.onEmpty();
  }

  /** The first piece, and those after it that are made already: they are played without a gap. */
  #takeReady(): Piece[] {
    const firstOpen = this.#pieces.findIndex(({ ready }, index) => index > 0 && ready === undefined);
    return this.#pieces.splice(0, firstOpen < 0 ? this.#pieces.length : firstOpen);
  }

  async #play(batch: readonly Piece[], signal: AbortSignal): Promise<void> {
    const files = batch.flatMap(({ ready }) => ready?.files ?? []);
    try {
      if (files.length === 0) return;
      const { ms } = await this.options.play(files, signal);
      if (signal.aborted) await this.#noteCut(batch, ms);
      else this.#heard.push(...batch.map(({ text }) => text));
    } catch {
      // The channel is gone, or a file: the session hears of the first by itself.
    } finally {
      await Promise.all(batch.map(({ ready }) => ready?.release()));
    }
  }

  /** Of a cut piece as many words count as heard as fit its share of time. */
  async #noteCut(batch: readonly Piece[], playedMs: number): Promise<void> {
    let leftMs = playedMs;
    for (const { text, ready } of batch) {
      const lengths = await Promise.all((ready?.files ?? []).map((file) => this.options.lengthOf(file)));
      const lengthMs = lengths.reduce<number>((sum, ms) => sum + (ms ?? 0), 0);
      const share = lengthMs > 0 ? Math.min(1, leftMs / lengthMs) : 0;
      const words = text.split(/\s+/);
      const heard = words.slice(0, Math.floor(words.length * share)).join(' ');
      if (heard !== '') this.#heard.push(heard);
      if (share < 1) return;
      leftMs -= lengthMs;
    }
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
