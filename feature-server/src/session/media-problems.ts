import { maskText } from '@ringwire/common';
import type { MediaEndpoint, MediaProblem } from '../media/media.js';
import type { Journal } from './journal.js';

/** Different ones that a call tells of. */
const MAX_TOLD = 100;

/** Tells what could not be played on a call; the same once only, for what repeats fails again and again. */
export class MediaProblems {
  readonly #told = new Set<string>();

  constructor(private readonly journal: Journal) {}

  /** Listens to an endpoint as long as that lives. */
  of(endpoint: MediaEndpoint): void {
    endpoint.onProblem((problem) => this.#tell(problem));
  }

  #tell({ text, isOfTrack }: MediaProblem): void {
    const told = `${isOfTrack} ${text}`;
    if (this.#told.has(told) || this.#told.size >= MAX_TOLD) return;
    this.#told.add(told);
    const { timeline } = this.journal;
    if (!isOfTrack) {
      // Where it was all that there was to be heard, the verb fails and says so.
      timeline.warn('media', `media server: ${text}`);
      return;
    }
    timeline.error('media', `dub: ${text}`);
    this.journal.alert('play-url-notfound', `audio could not be played on a track: ${maskText(text)}`);
  }
}
