import { frameSamples, type LegRate } from '@ringwire/rtp';
import { FrameQueue } from '../frame-queue.js';

/** A room that is wanted: plain data, it crosses to the media thread. */
export interface RoomSpec {
  /** Rate of its mix and of all its members' queues. */
  rateHz: LegRate;
}

/** What a room may be told. To add something: a variant here and its case in {@link Room.obey}. */
export type RoomCommand =
  /** From the member's leg, and to it. */
  | { type: 'add'; member: number; fromMember: SharedArrayBuffer; toMember: SharedArrayBuffer }
  | { type: 'remove'; member: number };

/** What a room reports. */
export type RoomEvent = { type: 'memberAdded'; member: number } | { type: 'memberRemoved'; member: number };

interface Member {
  id: number;
  from: FrameQueue;
  to: FrameQueue;
  frame: Int16Array;
}

/**
 * A conference room on one media thread: each member hears the sum of all others. Its members' legs may live on any thread; they
 * are joined by two queues each, as in a bridge.
 */
export class Room {
  readonly id: number;
  readonly rateHz: LegRate;
  readonly #report: (event: RoomEvent) => void;
  readonly #sum: Int32Array;
  readonly #out: Int16Array;
  #members: Member[] = [];

  constructor(id: number, spec: RoomSpec, report: (event: RoomEvent) => void) {
    this.id = id;
    this.rateHz = spec.rateHz;
    this.#report = report;
    this.#sum = new Int32Array(frameSamples(spec.rateHz));
    this.#out = new Int16Array(frameSamples(spec.rateHz));
  }

  /** Obeys one command. */
  obey(command: RoomCommand): void {
    switch (command.type) {
      case 'add':
        this.#add(command);
        break;
      case 'remove':
        this.#members = this.#members.filter((member) => member.id !== command.member);
        this.#report({ type: 'memberRemoved', member: command.member });
    }
  }

  /** Called every 20 ms, after all legs of the thread have received and before they send: no await, no closures, no allocation. */
  tick(): void {
    const members = this.#members;
    const sum = this.#sum;
    sum.fill(0);
    for (let m = 0; m < members.length; m++) {
      const { frame, from } = members[m]!;
      if (!from.pull(frame)) frame.fill(0);
      for (let i = 0; i < frame.length; i++) sum[i]! += frame[i]!;
    }
    const out = this.#out;
    for (let m = 0; m < members.length; m++) {
      const { frame, to } = members[m]!;
      for (let i = 0; i < frame.length; i++) {
        const others = sum[i]! - frame[i]!;
        out[i] = others > 32767 ? 32767 : others < -32768 ? -32768 : others;
      }
      to.push(out);
    }
  }

  /** Ends it. */
  async close(): Promise<void> {
    this.#members = [];
  }

  #add({ member, fromMember, toMember }: Extract<RoomCommand, { type: 'add' }>): void {
    this.#members.push({
      id: member,
      from: new FrameQueue(fromMember),
      to: new FrameQueue(toMember),
      frame: new Int16Array(frameSamples(this.rateHz)),
    });
    this.#report({ type: 'memberAdded', member });
  }
}
