import type { LegRate } from '@ringwire/rtp';
import { FrameQueue } from './frame-queue.js';
import type { MediaLeg } from './media-leg.js';
import type { MediaCommand, RoomReport } from './protocol.js';
import type { RoomCommand, RoomEvent } from './rooms/room.js';

/** What a room tells its owner. */
export interface RoomListener {
  onEvent(event: RoomEvent): void;
  /** The media thread died: the room is gone, its members' legs may live. */
  onLost(): void;
}

/** A conference room, seen from the main thread. */
export class MediaRoom {
  readonly id: number;
  readonly rateHz: LegRate;
  /** Resolves when it is closed or lost. */
  readonly closed: Promise<void>;
  readonly #listener: RoomListener;
  readonly #post: (command: MediaCommand) => void;
  readonly #members = new Map<MediaLeg, number>();
  #settleClosed: () => void = () => undefined;
  #nextMember = 1;

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

  /** Joins a leg, on whatever thread it is, and returns its member number. It is removed when it leaves, is bridged or closes. */
  add(leg: MediaLeg): number {
    const member = this.#nextMember++;
    const fromMember = FrameQueue.allocate(this.rateHz);
    const toMember = FrameQueue.allocate(this.rateHz);
    leg.join(toMember, fromMember, () => {
      this.#members.delete(leg);
      this.command({ type: 'remove', member });
    });
    this.#members.set(leg, member);
    this.command({ type: 'add', member, fromMember, toMember });
    return member;
  }

  /** Parts a leg from the room; ignored when it is not in it. */
  remove(leg: MediaLeg): void {
    if (this.#members.has(leg)) leg.leave();
  }

  /** Sends a command. */
  command(command: RoomCommand): void {
    this.#post({ type: 'roomCommand', room: this.id, command });
  }

  /** Parts all members and ends the room. */
  close(): Promise<void> {
    for (const leg of [...this.#members.keys()]) leg.leave();
    this.#post({ type: 'closeRoom', room: this.id });
    return this.closed;
  }

  /** Takes a report from the thread. */
  receive(report: RoomReport): void {
    if (report.type === 'roomClosed') this.#settleClosed();
    else this.#listener.onEvent(report.event);
  }

  /** The thread died. */
  lose(): void {
    for (const leg of [...this.#members.keys()]) leg.leave();
    this.#settleClosed();
    this.#listener.onLost();
  }
}
