import { codecFormat, type LegRate } from '@ringwire/rtp';
import { MediaUnavailableError } from '../errors.js';
import type { AttachmentEvent, AttachmentKind, AttachmentMessage, AttachmentSpec } from './attachments/registry.js';
import { FrameQueue } from './frame-queue.js';
import type {
  LegMedia,
  LegReport,
  LegStats,
  MediaCommand,
  PlayControl,
  PlayItem,
  Side,
  SilenceRules,
} from './protocol.js';

/** What a leg tells its owner. */
export interface LegListener {
  onReport(report: LegReport): void;
  /** The media thread died: the leg is gone. */
  onLost(): void;
}

const STATS_TIMEOUT_MS = 1000;

/** An attachment on a leg, seen from the main thread. */
export class LegAttachment<K extends AttachmentKind = AttachmentKind> {
  /** Resolves when it is put away, whyever: detached, over by itself, leg closed, thread lost. No event follows. */
  readonly ended: Promise<void>;
  readonly #send: (message: AttachmentMessage<K>) => void;
  readonly #detach: () => void;

  constructor(ended: Promise<void>, send: (message: AttachmentMessage<K>) => void, detach: () => void) {
    this.ended = ended;
    this.#send = send;
    this.#detach = detach;
  }

  /** Passes a message. */
  tell(message: AttachmentMessage<K>): void {
    this.#send(message);
  }

  /** Ends it. */
  detach(): void {
    this.#detach();
  }
}

/** One RTP stream, seen from the main thread. Commands are sent and forgotten; what comes of them is reported. */
export class MediaLeg {
  readonly id: number;
  readonly host: string;
  /** RTP port, once {@link opened}. */
  port = 0;
  readonly opened: Promise<void>;
  readonly closed: Promise<void>;
  readonly #post: (command: MediaCommand) => void;
  readonly #listener: LegListener;
  readonly #statsRequests = new Map<number, (stats: LegStats | undefined) => void>();
  readonly #attachments = new Map<
    number,
    { kind: AttachmentKind; onEvent: (event: AttachmentEvent) => void; onEnded: () => void }
  >();
  #isOpen = false;
  #settleOpen: { resolve: () => void; reject: (error: Error) => void } | undefined;
  #settleClosed: () => void = () => undefined;
  #nextId = 1;
  #rateHz: LegRate = 8000;
  #bridgedTo: MediaLeg | undefined;
  #onLeft: (() => void) | undefined;

  constructor(id: number, host: string, listener: LegListener, post: (command: MediaCommand) => void) {
    this.id = id;
    this.host = host;
    this.#listener = listener;
    this.#post = post;
    this.opened = new Promise((resolve, reject) => {
      this.#settleOpen = { resolve, reject };
    });
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
  }

  /** Rate of the leg's codec. */
  get rateHz(): LegRate {
    return this.#rateHz;
  }

  /** Sets codec, direction and peer. */
  configure(media: LegMedia): void {
    this.#post({ type: 'configure', leg: this.id, media });
    const { rateHz } = codecFormat(media.codec);
    if (rateHz === this.#rateHz) return;
    this.#rateHz = rateHz;
    // The queues of a bridge have the best rate that both sides have.
    if (this.#bridgedTo) this.bridge(this.#bridgedTo);
  }

  /** Plays a list; returns the number that its reports carry. */
  play(items: PlayItem[], timeoutMs = 0): number {
    const play = this.#nextId++;
    this.#post({ type: 'play', leg: this.id, play, items, timeoutMs });
    return play;
  }

  /** Ends a list. */
  stopPlay(play: number): void {
    this.#post({ type: 'stopPlay', leg: this.id, play });
  }

  /** Gives a list what was still being fetched when it began. */
  supplyItem(play: number, number: number, item: PlayItem): void {
    this.#post({ type: 'supplyItem', leg: this.id, play, number, item });
  }

  /** Breaks what a list plays now; the list goes on. */
  breakItem(play: number): void {
    this.#post({ type: 'breakItem', leg: this.id, play });
  }

  /** Changes what plays uppermost. */
  controlPlay(control: PlayControl): void {
    this.#post({ type: 'controlPlay', leg: this.id, control });
  }

  /** Puts an attachment on the leg; `onEvent` gets what it reports. */
  attach<K extends AttachmentKind>(
    spec: AttachmentSpec<K>,
    onEvent: (event: AttachmentEvent<K>) => void,
  ): LegAttachment<K> {
    const attachment = this.#nextId++;
    const ended = new Promise<void>((resolve) => {
      // Events come back under the number of the attachment, so that their kind is the spec's.
      this.#attachments.set(attachment, {
        kind: spec.kind,
        onEvent: onEvent as (event: AttachmentEvent) => void,
        onEnded: resolve,
      });
    });
    // A spec of one kind is one of all kinds, which the compiler cannot tell of a type parameter.
    this.#post({ type: 'attach', leg: this.id, attachment, spec: spec as AttachmentSpec });
    return new LegAttachment<K>(
      ended,
      (message) => this.#post({ type: 'tellAttachment', leg: this.id, attachment, message }),
      () => this.#post({ type: 'detach', leg: this.id, attachment }),
    );
  }

  /** Kinds of what is attached, oldest first. */
  attachmentKinds(): AttachmentKind[] {
    return [...this.#attachments.values()].map(({ kind }) => kind);
  }

  /**
   * Sends digits, as RFC 4733 events if the peer has them and `inband` does not ask for tones; `read`: tones in what is heard of the peer.
   */
  sendDtmf(digits: string, durationMs: number, inband = false, side: Side = 'write'): void {
    this.#post({ type: 'sendDtmf', leg: this.id, digits, durationMs, inband, side });
  }

  /** Silences one side. */
  mute(side: Side, on: boolean): void {
    this.#post({ type: 'mute', leg: this.id, side, on });
  }

  /** Makes one side louder or softer by a factor. */
  setVolume(side: Side, gain: number): void {
    this.#post({ type: 'volume', leg: this.id, side, gain });
  }

  /** Sets what is sent where there is nothing. */
  setSilence(silence: SilenceRules): void {
    this.#post({ type: 'silence', leg: this.id, silence });
  }

  /** Keeps what its peer says from whoever it is joined with. */
  withhold(on: boolean): void {
    this.#post({ type: 'withhold', leg: this.id, on });
  }

  /** Exchanges audio with another leg, on whatever thread it is, until {@link leave} on both. */
  bridge(other: MediaLeg): void {
    const rateHz = Math.min(this.#rateHz, other.#rateHz) as LegRate;
    const there = FrameQueue.allocate(rateHz);
    const back = FrameQueue.allocate(rateHz);
    this.join(back, there);
    other.join(there, back);
    this.#bridgedTo = other;
    other.#bridgedTo = this;
  }

  /**
   * Joins the leg with the other ends of two queues; it leaves what it was joined with before. `onLeft` is called once when it
   * leaves these.
   */
  join(incoming: SharedArrayBuffer, outgoing: SharedArrayBuffer, onLeft?: () => void): void {
    this.#endExchange();
    this.#onLeft = onLeft;
    this.#post({ type: 'join', leg: this.id, incoming, outgoing });
  }

  /** Ends this side's part of the exchange. */
  leave(): void {
    this.#endExchange();
    this.#post({ type: 'leave', leg: this.id });
  }

  /** RTP counts; undefined when the leg is gone. */
  stats(): Promise<LegStats | undefined> {
    const request = this.#nextId++;
    this.#post({ type: 'stats', leg: this.id, request });
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#answerStats(request, undefined), STATS_TIMEOUT_MS);
      this.#statsRequests.set(request, (stats) => {
        clearTimeout(timer);
        resolve(stats);
      });
    });
  }

  /** Frees the port; resolves when it is free. */
  close(): Promise<void> {
    this.#endExchange();
    this.#post({ type: 'close', leg: this.id });
    return this.closed;
  }

  /** Takes a report from the thread. */
  receive(report: LegReport): void {
    switch (report.type) {
      case 'opened':
        this.port = report.port;
        this.#isOpen = true;
        this.#settleOpen?.resolve();
        return;
      case 'openFailed':
        this.#settleOpen?.reject(new MediaUnavailableError(report.message, { code: report.code }));
        return;
      case 'stats':
        this.#answerStats(report.request, report.stats);
        return;
      case 'attachmentEvent':
        this.#attachments.get(report.attachment)?.onEvent(report.event);
        return;
      case 'attachmentEnded':
        this.#endAttachment(report.attachment);
        return;
      case 'closed':
        this.#end();
        this.#listener.onReport(report);
        return;
      default:
        this.#listener.onReport(report);
    }
  }

  /** The thread died. Whoever is still opening the leg hears it from {@link opened} alone: it has no leg yet that could be lost. */
  lose(): void {
    this.#settleOpen?.reject(new MediaUnavailableError('the media thread ended'));
    this.#end();
    if (!this.#isOpen) return;
    // Whoever waits for the end of a playback must not wait for ever.
    this.#listener.onReport({ type: 'closed', leg: this.id });
    this.#listener.onLost();
  }

  #endExchange(): void {
    const onLeft = this.#onLeft;
    this.#onLeft = undefined;
    const other = this.#bridgedTo;
    this.#bridgedTo = undefined;
    if (other && other.#bridgedTo === this) other.#bridgedTo = undefined;
    onLeft?.();
  }

  #end(): void {
    this.#endExchange();
    for (const request of [...this.#statsRequests.keys()]) this.#answerStats(request, undefined);
    for (const attachment of [...this.#attachments.keys()]) this.#endAttachment(attachment);
    this.#settleClosed();
  }

  #endAttachment(id: number): void {
    const attachment = this.#attachments.get(id);
    this.#attachments.delete(id);
    attachment?.onEnded();
  }

  #answerStats(request: number, stats: LegStats | undefined): void {
    const answer = this.#statsRequests.get(request);
    this.#statsRequests.delete(request);
    answer?.(stats);
  }
}
