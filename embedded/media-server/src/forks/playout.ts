import { PcmRing } from '../media/pcm-ring.js';

/** How a mark ended: what was streamed before it has been sent to the caller, or will never be. */
export type MarkOutcome = 'playout' | 'cleared';

/** Marks that may be outstanding, and the length of their names together; those beyond are cleared at once (mod_audio_fork has as many, and forgets those beyond). */
const MAX_MARKS = 30;
const MAX_MARK_NAMES = 64 * 1024;
/** In shared memory ahead of the media thread: what a busy main thread may be late. */
const AHEAD_MS = 500;
/** Streamed ahead of the playing. An application may send a whole answer as fast as it has it, but not without end. */
const MAX_BACKLOG_MS = 5 * 60_000;

/** What a fork's server streams to the caller: kept, fed to the media thread in time, with marks that tell how far it was played. */
export class Playout {
  /** For the media thread. */
  readonly memory: SharedArrayBuffer;
  readonly #ring: PcmRing;
  readonly #onMark: (name: string, outcome: MarkOutcome) => void;
  readonly #maxBacklog: number;
  readonly #chunkSamples: number;
  #chunks: Int16Array[] = [];
  #backlog = 0;
  /** Samples given to the media thread since the start. */
  #written = 0;
  #marks: { name: string; at: number }[] = [];
  #markNames = 0;

  /** `rateHz` is that of everything here; `onMark` is called once for each mark. */
  constructor(rateHz: number, onMark: (name: string, outcome: MarkOutcome) => void) {
    this.memory = PcmRing.allocate((AHEAD_MS * rateHz) / 1000);
    this.#ring = new PcmRing(this.memory);
    this.#maxBacklog = (MAX_BACKLOG_MS * rateHz) / 1000;
    this.#chunkSamples = rateHz / 50;
    this.#onMark = onMark;
  }

  /** Appends samples; false when too much is waiting already and they are dropped. */
  push(pcm: Int16Array): boolean {
    if (this.#backlog + pcm.length > this.#maxBacklog) return false;
    for (let at = 0; at < pcm.length; at += this.#chunkSamples) {
      this.#chunks.push(pcm.slice(at, at + this.#chunkSamples));
    }
    this.#backlog += pcm.length;
    this.pump();
    return true;
  }

  /** Asks to be told when everything pushed so far has been played; one too many is told at once that it is cleared. */
  mark(name: string): void {
    if (this.#marks.length >= MAX_MARKS || this.#markNames + name.length > MAX_MARK_NAMES) {
      this.#onMark(name, 'cleared');
      return;
    }
    this.#marks.push({ name, at: this.#written + this.#backlog });
    this.#markNames += name.length;
  }

  /** Forgets what has not been played; its marks are cleared. */
  clear(): void {
    this.#chunks = [];
    this.#backlog = 0;
    this.#ring.flush();
    this.clearMarks();
  }

  /** Gives up the marks, not the sound. */
  clearMarks(): void {
    this.#markNames = 0;
    for (const { name } of this.#marks.splice(0)) this.#onMark(name, 'cleared');
  }

  /** To be called every 20 ms: feeds the media thread and tells the marks that it has passed. */
  pump(): void {
    let taken = 0;
    while (taken < this.#chunks.length && this.#chunks[taken]!.length <= this.#ring.space) {
      const chunk = this.#chunks[taken++]!;
      this.#ring.write(chunk);
      this.#written += chunk.length;
      this.#backlog -= chunk.length;
    }
    if (taken > 0) this.#chunks.splice(0, taken);
    const played = this.#written - this.#ring.available;
    while (this.#marks.length > 0 && this.#marks[0]!.at <= played) {
      const { name } = this.#marks.shift()!;
      this.#markNames -= name.length;
      this.#onMark(name, 'playout');
    }
  }
}
