import type { PlayResult } from '../../media/media.js';

/** A file that an audio server wants the caller to hear. */
export interface AudioClip {
  file: string;
  /** The server's own name of it. */
  id?: string;
}

/** Clips that wait behind the one that plays; jambonz takes as many. */
const MAX_WAITING = 10;

/** What {@link PlayAudio} is made of. */
export interface PlayAudioOptions {
  /** Plays until the signal aborts. */
  play(file: string, signal: AbortSignal): Promise<PlayResult>;
  /** A clip has been played, or was cut short. */
  done(clip: AudioClip, result: PlayResult): void;
  /** A clip will not be heard. */
  failed(clip: AudioClip, reason: string): void;
}

/** The clips of one audio server (`playAudio`): one after the other, or each in the place of what was before it. */
export class PlayAudio {
  #waiting: AudioClip[] = [];
  #current: AbortController | undefined;
  #isClosed = false;

  constructor(private readonly options: PlayAudioOptions) {}

  /** Plays a clip: behind the others where it is queued, else in their place. */
  add(clip: AudioClip, { isQueued }: { isQueued: boolean }): void {
    if (this.#isClosed) return;
    if (isQueued && this.#waiting.length >= MAX_WAITING) {
      this.options.failed(clip, `${MAX_WAITING} are waiting already`);
      return;
    }
    if (!isQueued) this.clear();
    this.#waiting.push(clip);
    if (!this.#current) void this.#run();
  }

  /** Stops what plays and forgets what waits. */
  clear(): void {
    this.#waiting = [];
    this.#current?.abort();
  }

  /** Nothing is played any more. */
  close(): void {
    this.#isClosed = true;
    this.clear();
  }

  async #run(): Promise<void> {
    for (let clip = this.#waiting.shift(); clip; clip = this.#waiting.shift()) {
      const current = new AbortController();
      this.#current = current;
      try {
        this.options.done(clip, await this.options.play(clip.file, current.signal));
      } catch (error) {
        this.options.failed(clip, error instanceof Error ? error.message : String(error));
      }
    }
    this.#current = undefined;
  }
}
