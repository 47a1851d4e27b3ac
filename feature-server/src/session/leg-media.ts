import { EventEmitter } from 'node:events';
import { MediaServerError } from '../errors.js';
import type { Digit, MediaEndpoint, PlayOptions, PlayResult } from '../media/media.js';
import type { CallMedia } from '../verbs/verb.js';
import type { HoldChange, HoldNews } from './hold-news.js';
import type { LegSeat } from './leg-seat.js';
import { PlayTurns } from './play-turns.js';

/** The sound of a leg that a call has placed. */
export class LegMedia implements CallMedia {
  readonly #digits = new EventEmitter<{ digit: [Digit] }>();
  readonly #turns = new PlayTurns();

  constructor(
    private readonly options: {
      seat: LegSeat;
      hold: HoldNews;
      /** Where sources and servers are looked up: they are those of the same application. */
      call: Pick<CallMedia, 'resolveSource' | 'resolveAudioServer'>;
    },
  ) {}

  /** Digits from RTP and from SIP INFO alike. */
  pressed(digit: Digit): void {
    this.#digits.emit('digit', digit);
  }

  endpoint(): MediaEndpoint {
    const { endpoint } = this.options.seat;
    if (!endpoint) throw new MediaServerError('the leg has no media');
    return endpoint;
  }

  async anchor(): Promise<void> {
    const { seat } = this.options;
    if (seat.isReleased) await seat.allocate();
  }

  async play(sources: readonly string[], options: PlayOptions): Promise<PlayResult> {
    return this.#turns.ofVerb(options.signal, () => this.endpoint().play(sources, options));
  }

  async playInTurn(sources: readonly string[], options: PlayOptions): Promise<PlayResult> {
    const { signal } = options;
    return this.#turns.ofStream(signal, async () => (signal.aborted ? {} : this.endpoint().play(sources, options)));
  }

  onDigit(listener: (digit: Digit) => void): () => void {
    this.#digits.on('digit', listener);
    return () => this.#digits.off('digit', listener);
  }

  onHold(listener: (change: HoldChange) => void): () => void {
    return this.options.hold.on(listener);
  }

  /** Nobody hears of digits any more. */
  close(): void {
    this.#digits.removeAllListeners();
  }

  resolveSource(url: string): Promise<string> {
    return this.options.call.resolveSource(url);
  }

  resolveAudioServer(url: string): ReturnType<CallMedia['resolveAudioServer']> {
    return this.options.call.resolveAudioServer(url);
  }
}
