import type { LegRate } from '@ringwire/rtp';
import type { AttachmentEvent, AttachmentKind, AttachmentSpec } from './attachments/registry.js';
import { FrameQueue } from './frame-queue.js';
import type { MediaLeg } from './media-leg.js';
import type { LegReport, MediaCommand, PlayItem, RoomReport } from './protocol.js';
import type { MemberSettings, RoomCommand, RoomEvent } from './rooms/room-protocol.js';

/** What a room tells its owner of its members; lists and recordings tell those who asked for them. */
export interface RoomListener {
  onEvent(event: Exclude<RoomEvent, { type: 'play' | 'attachmentEvent' | 'attachmentEnded' }>): void;
  /** The media thread died: the room is gone, its members' legs may live. */
  onLost(): void;
}

/** What is to be played in a room. */
export interface RoomPlaySpec {
  items: PlayItem[];
  /** To whom; to all when undefined. */
  member?: number | undefined;
  /** At once, beside the others, instead of after them. */
  async?: boolean;
  /** While it plays the member hears nothing else. */
  alone?: boolean;
}

/** How a list in a room ended. */
export type RoomPlayEnd = Pick<Extract<LegReport, { type: 'playEnded' }>, 'outcome' | 'samples' | 'problem'>;

/** A list that plays in a room, or waits for those before it. */
export interface RoomPlay {
  /** Resolves when it is over, whyever. */
  readonly ended: Promise<RoomPlayEnd>;
  stop(): void;
  pause(on: boolean): void;
  setGain(gain: number): void;
}

/** A recording of a room, or whatever else listens to it. */
export interface RoomAttachment {
  /** Resolves when it is put away, whyever. No event follows. */
  readonly ended: Promise<void>;
  /** While on, nothing of the room reaches it. */
  pause(on: boolean): void;
  detach(): void;
}

interface Member {
  id: number;
  onLeft: (() => void) | undefined;
}

/** A conference room, seen from the main thread. */
export class MediaRoom {
  readonly id: number;
  readonly rateHz: LegRate;
  /** Resolves when it is closed or lost. */
  readonly closed: Promise<void>;
  readonly #listener: RoomListener;
  readonly #post: (command: MediaCommand) => void;
  readonly #members = new Map<MediaLeg, Member>();
  readonly #plays = new Map<number, (end: RoomPlayEnd) => void>();
  readonly #attachments = new Map<number, { onEvent: (event: AttachmentEvent) => void; onEnded: () => void }>();
  #settleClosed: () => void = () => undefined;
  #nextMember = 1;
  #nextId = 1;
  #isClosed = false;

  constructor(id: number, rateHz: LegRate, listener: RoomListener, post: (command: MediaCommand) => void) {
    this.id = id;
    this.rateHz = rateHz;
    this.#listener = listener;
    this.#post = post;
    this.closed = new Promise((resolve) => {
      this.#settleClosed = resolve;
    });
  }

  /** Members now. */
  get size(): number {
    return this.#members.size;
  }

  /**
   * Joins a leg, on whatever thread it is, and returns its member number. It is removed when it leaves, is bridged, joins another room
   * or closes; `onLeft` is called once then.
   */
  add(leg: MediaLeg, settings?: MemberSettings, options: { member?: number; onLeft?: () => void } = {}): number {
    const member = options.member ?? this.#nextMember++;
    const fromMember = FrameQueue.allocate(this.rateHz);
    const toMember = FrameQueue.allocate(this.rateHz);
    leg.join(toMember, fromMember, () => this.#forget(leg));
    this.#members.set(leg, { id: member, onLeft: options.onLeft });
    this.command({ type: 'add', member, fromMember, toMember, ...(settings && { settings }) });
    return member;
  }

  /** Changes how a member takes part. */
  set(member: number, settings: MemberSettings): void {
    this.command({ type: 'member', member, settings });
  }

  /** Parts a leg from the room; ignored when it is not in it. */
  remove(leg: MediaLeg): void {
    if (this.#members.has(leg)) leg.leave();
  }

  /** Plays a list to all or to one member. */
  play({ items, member, async = false, alone = false }: RoomPlaySpec): RoomPlay {
    const play = this.#nextId++;
    const ended = new Promise<RoomPlayEnd>((resolve) => {
      if (this.#isClosed) resolve({ outcome: 'break', samples: 0 });
      else this.#plays.set(play, resolve);
    });
    this.command({ type: 'play', play, member, items, async, alone });
    return {
      ended,
      stop: () => this.command({ type: 'stopPlay', play }),
      pause: (on) => this.command({ type: 'pausePlay', play, on }),
      setGain: (gain) => this.command({ type: 'playGain', play, gain }),
    };
  }

  /** Lets an attachment hear what the room hears; `onEvent` gets what it reports. */
  attach<K extends AttachmentKind>(
    spec: AttachmentSpec<K>,
    onEvent: (event: AttachmentEvent<K>) => void,
  ): RoomAttachment {
    const attachment = this.#nextId++;
    const ended = new Promise<void>((resolve) => {
      // Events come back under the number of the attachment, so that their kind is the spec's.
      if (this.#isClosed) resolve();
      else
        this.#attachments.set(attachment, { onEvent: onEvent as (event: AttachmentEvent) => void, onEnded: resolve });
    });
    this.command({ type: 'attach', attachment, spec: spec as AttachmentSpec });
    return {
      ended,
      pause: (on) => this.command({ type: 'pauseAttachment', attachment, on }),
      detach: () => this.command({ type: 'detach', attachment }),
    };
  }

  /** Sends a command. */
  command(command: RoomCommand): void {
    if (!this.#isClosed) this.#post({ type: 'roomCommand', room: this.id, command });
  }

  /** Parts all members and ends the room; resolves when its recordings are complete. */
  close(): Promise<void> {
    if (this.#isClosed) return this.closed;
    for (const leg of [...this.#members.keys()]) leg.leave();
    this.#isClosed = true;
    this.#post({ type: 'closeRoom', room: this.id });
    return this.closed;
  }

  /** Takes a report from the thread. */
  receive(report: RoomReport): void {
    if (report.type === 'roomClosed') {
      this.#end();
      return;
    }
    const { event } = report;
    switch (event.type) {
      case 'play':
        this.#receivePlay(event.report);
        break;
      case 'attachmentEvent':
        this.#attachments.get(event.attachment)?.onEvent(event.event);
        break;
      case 'attachmentEnded':
        this.#endAttachment(event.attachment);
        break;
      default:
        this.#listener.onEvent(event);
    }
  }

  /** The thread died. */
  lose(): void {
    this.#isClosed = true;
    for (const leg of [...this.#members.keys()]) leg.leave();
    this.#end();
    this.#listener.onLost();
  }

  #forget(leg: MediaLeg): void {
    const member = this.#members.get(leg);
    if (!member) return;
    this.#members.delete(leg);
    this.command({ type: 'remove', member: member.id });
    member.onLeft?.();
  }

  #receivePlay(report: LegReport): void {
    if (report.type !== 'playEnded') return;
    const settle = this.#plays.get(report.play);
    this.#plays.delete(report.play);
    const { outcome, samples, problem } = report;
    settle?.({ outcome, samples, ...(problem === undefined ? {} : { problem }) });
  }

  #end(): void {
    this.#isClosed = true;
    for (const settle of this.#plays.values()) settle({ outcome: 'break', samples: 0 });
    this.#plays.clear();
    for (const attachment of [...this.#attachments.keys()]) this.#endAttachment(attachment);
    this.#settleClosed();
  }

  #endAttachment(id: number): void {
    const attachment = this.#attachments.get(id);
    this.#attachments.delete(id);
    attachment?.onEnded();
  }
}
