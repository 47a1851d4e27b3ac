import { EventEmitter } from 'node:events';
import type { AddressGuard } from '../app-client/address-guard.js';
import { HookForbiddenError, MediaServerError } from '../errors.js';
import { type AudioServerAddress, audioServerAddress } from '../media/audio-server-url.js';
import type { Digit, MediaEndpoint, MediaServer, PlayOptions, PlayResult } from '../media/media.js';
import type { CallMedia } from '../verbs/verb.js';
import type { CallLeg } from './call-leg.js';
import { type HoldChange, HoldNews } from './hold-news.js';
import type { Journal } from './journal.js';
import { LegSeat } from './leg-seat.js';
import { MediaProblems } from './media-problems.js';
import { PlayTurns } from './play-turns.js';

/** What {@link SessionMedia} is made of. */
export interface SessionMediaOptions {
  server: Pick<MediaServer, 'createEndpoint'>;
  leg: CallLeg;
  journal: Journal;
  callSid: string;
  guard: AddressGuard;
  /** Base of relative URLs in `play`. */
  baseUrl(): string;
  /** Whether `play` may name files of the media server's own disk. */
  allowFiles: boolean;
  onLost(reason: string): void;
  /** Somebody else is at the far end of the leg from now on. */
  onReplaced(): void;
}

/** One call's endpoint on the media server, from its order to its end. */
export class SessionMedia implements CallMedia {
  /** Where the call's leg sits at the media server. */
  readonly seat: LegSeat;
  #isClosed = false;
  #isOrdered = false;
  readonly #turns = new PlayTurns();
  readonly #digits = new EventEmitter<{ digit: [Digit] }>();
  readonly #hold = new HoldNews();
  readonly #problems: MediaProblems;

  constructor(private readonly options: SessionMediaOptions) {
    const { server, callSid, leg } = options;
    this.#problems = new MediaProblems(options.journal);
    this.seat = new LegSeat({ server, callSid, leg: () => leg, onMade: (endpoint) => this.#follow(endpoint) });
    options.leg.onDigit((key, durationMs) => {
      const digit = { key, ...(durationMs !== undefined && { durationMs }) };
      this.#onDigit(digit, 'SIP INFO');
      this.seat.passKey(digit);
    });
    options.leg.onModify(async (remoteSdp, isReplaced, parties, isAnswer) => {
      const localSdp = await this.#modify(remoteSdp, isAnswer);
      if (isReplaced) options.onReplaced();
      this.#hold.offered(remoteSdp, parties);
      return localSdp;
    });
  }

  /**
   * Orders the endpoint unless that was done; may be called ahead of need. One that was given back, since the far end was to send elsewhere, is made anew.
   * @throws MediaServerError
   */
  async allocate(): Promise<MediaEndpoint> {
    if (this.seat.endpoint) return this.seat.endpoint;
    const { journal } = this.options;
    const startedAt = performance.now();
    const isFirst = !this.#isOrdered;
    this.#isOrdered = true;
    const endpoint = await this.seat.allocate();
    const ms = Math.round(performance.now() - startedAt);
    if (isFirst) journal.timeline.info('media', `media endpoint ready in ${ms} ms`, { ms });
    return endpoint;
  }

  async anchor(): Promise<void> {
    if (this.seat.isReleased) await this.allocate();
  }

  async play(sources: readonly string[], options: PlayOptions): Promise<PlayResult> {
    return this.#turns.ofVerb(options.signal, () => this.endpoint().play(sources, options));
  }

  async playInTurn(sources: readonly string[], options: PlayOptions): Promise<PlayResult> {
    const { signal } = options;
    return this.#turns.ofStream(signal, async () => (signal.aborted ? {} : this.endpoint().play(sources, options)));
  }

  /** Undefined until it is made. */
  get made(): MediaEndpoint | undefined {
    return this.seat.endpoint;
  }

  endpoint(): MediaEndpoint {
    if (!this.seat.endpoint) throw new MediaServerError('the call has no media');
    return this.seat.endpoint;
  }

  /**
   * Joins the call's sound with another endpoint's.
   * @throws MediaServerError
   */
  async bridge(other: MediaEndpoint): Promise<void> {
    await this.endpoint().bridge(other);
  }

  onDigit(listener: (digit: Digit) => void): () => void {
    this.#digits.on('digit', listener);
    return () => this.#digits.off('digit', listener);
  }

  onHold(listener: (change: HoldChange) => void): () => void {
    return this.#hold.on(listener);
  }

  async resolveSource(url: string): Promise<string> {
    const { allowFiles, guard, baseUrl } = this.options;
    const trimmed = url.trim();
    if (/^(silence|tone)_stream:\/\//i.test(trimmed)) return trimmed;
    const hasScheme = /^[a-z][a-z0-9+.-]*:/i.test(trimmed);
    if (!hasScheme && allowFiles) return trimmed;
    if (!hasScheme || /^https?:/i.test(trimmed)) {
      if (!URL.canParse(trimmed, baseUrl()))
        throw new HookForbiddenError(`"${trimmed}" is not a URL`, { url: trimmed });
      const absolute = new URL(trimmed, baseUrl());
      await guard.checkResolved(absolute);
      return withoutDotsInQuery(absolute).href;
    }
    throw new HookForbiddenError(`audio is played from http, https, silence_stream or tone_stream, not "${trimmed}"`, {
      url: trimmed,
    });
  }

  resolveAudioServer(url: string): Promise<AudioServerAddress> {
    return audioServerAddress(url, this.options.baseUrl(), this.options.guard);
  }

  /** Gives the endpoint back, also one that is still being made. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#digits.removeAllListeners();
    await this.seat.close();
  }

  #follow(endpoint: MediaEndpoint): void {
    this.#problems.of(endpoint);
    endpoint.onDigit((digit) => this.#onDigit(digit, 'RTP'));
    endpoint.onLost((reason) => {
      if (!this.#isClosed) this.options.onLost(reason);
    });
  }

  async #modify(remoteSdp: string, isAnswer = false): Promise<string> {
    if (isAnswer) return this.seat.answered(remoteSdp);
    const sdp = await this.seat.offered(remoteSdp);
    this.options.journal.timeline.info('sip', 're-INVITE answered');
    return sdp;
  }

  #onDigit(digit: Digit, source: string): void {
    this.options.journal.timeline.info('dtmf', `digit ${digit.key}`, { ...digit, source });
    this.#digits.emit('digit', digit);
  }
}

/** The media server takes what follows a URL's last dot for the kind of file: dots of a query are written `%2E`, unless it names the kind itself. */
function withoutDotsInQuery(url: URL): URL {
  if (!url.search.includes('.') || /\.(mp3|wav)$/i.test(url.href)) return url;
  const same = new URL(url);
  same.search = url.search.replaceAll('.', '%2E');
  return same;
}
