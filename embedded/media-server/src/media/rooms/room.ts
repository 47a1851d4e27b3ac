import { frameSamples, type LegRate } from '@ringwire/rtp';
import { AttachmentSet } from '../attachment-set.js';
import { createAttachment } from '../attachments/registry.js';
import type { ClipCache } from '../audio-clip.js';
import { Player } from '../player.js';
import { saturate } from '../ramp.js';
import { PlayQueue } from './play-queue.js';
import { RoomMember } from './room-member.js';
import type { RoomCommand, RoomEvent, RoomSpec } from './room-protocol.js';

/** What a room needs of its thread. */
export interface RoomContext {
  clips: ClipCache;
  report: (event: RoomEvent) => void;
}

/** A member takes the floor when its smoothed score is above this … */
const FLOOR_TAKEN_ABOVE = 300;
/** … and that of the member who has it is below this. */
const FLOOR_LOST_BELOW = 100;
const FRAME_MS = 20;

/** A recording, or whatever else listens to a room. */
interface Listener {
  set: AttachmentSet;
  paused: boolean;
}

/**
 * A conference room on one media thread: each member hears the sum of all others. Its members' legs may live on any thread; they
 * are joined by two queues each, as in a bridge, so that none can hold up the room.
 */
export class Room {
  readonly id: number;
  readonly rateHz: LegRate;
  readonly #context: RoomContext;
  readonly #plays: PlayQueue;
  readonly #listeners = new Map<number, Listener>();
  /** What all members say, and what is played to the room. */
  readonly #sum: Int32Array;
  readonly #own: Int32Array;
  /** The sum in 16 bits: what a member hears who says nothing. */
  readonly #mixed: Int16Array;
  readonly #out: Int16Array;
  #members: RoomMember[] = [];
  #floor: RoomMember | undefined;
  #waiting = false;

  constructor(id: number, spec: RoomSpec, context: RoomContext) {
    const length = frameSamples(spec.rateHz);
    this.id = id;
    this.rateHz = spec.rateHz;
    this.#context = context;
    this.#plays = new PlayQueue(length);
    this.#sum = new Int32Array(length);
    this.#own = new Int32Array(length);
    this.#mixed = new Int16Array(length);
    this.#out = new Int16Array(length);
  }

  /** Obeys one command; what concerns a member, list or recording that is gone is ignored. */
  obey(command: RoomCommand): void {
    switch (command.type) {
      case 'add':
        this.#add(command);
        break;
      case 'remove':
        this.#remove(command.member);
        break;
      case 'member':
        this.#find(command.member)?.set(command.settings);
        if (command.settings.unheard) this.#resolveUnheard();
        break;
      case 'waiting':
        this.#waiting = command.on;
        break;
      case 'floor':
        this.#giveFloor(command.member);
        break;
      case 'play':
        this.#play(command);
        break;
      case 'stopPlay':
        this.#eachQueue((queue) => queue.stop(command.play));
        break;
      case 'pausePlay':
        this.#eachQueue((queue) => queue.pause(command.play, command.on));
        break;
      case 'playGain':
        this.#eachQueue((queue) => queue.setGain(command.play, command.gain));
        break;
      case 'attach':
        this.#attach(command);
        break;
      case 'pauseAttachment': {
        const listener = this.#listeners.get(command.attachment);
        if (listener) listener.paused = command.on;
        break;
      }
      case 'detach':
        this.#listeners.get(command.attachment)?.set.remove(command.attachment);
    }
  }

  /** Called every 20 ms, after all legs of the thread have received and before they send: no await, no closures, no allocation but for events. */
  tick(): void {
    const members = this.#members;
    const sum = this.#sum;
    sum.fill(0);
    let gone = false;
    for (let m = 0; m < members.length; m++) {
      const member = members[m]!;
      member.take(!this.#waiting);
      if (member.contributes) add(sum, member.frame);
      if (member.change !== 'none') this.#reportTalking(member);
      if (member.leaving) gone = true;
    }
    this.#plays.mixInto(sum);
    toSamples(sum, this.#mixed);
    for (let m = 0; m < members.length; m++) this.#give(members[m]!);
    for (const listener of this.#listeners.values()) this.#listen(listener);
    if (gone) this.#dropLeaving();
    this.#updateFloor();
  }

  /** Ends it; resolves when recordings are put away. */
  async close(): Promise<void> {
    this.#eachQueue((queue) => queue.stopAll());
    this.#members = [];
    this.#floor = undefined;
    await Promise.all([...this.#listeners.values()].map(({ set }) => set.close()));
  }

  #give(member: RoomMember): void {
    if (member.leaving) return;
    const out = this.#out;
    const sum = this.#own;
    const { unheard } = member;
    const isMixed = !member.contributes && unheard.length === 0;
    if (isMixed) {
      out.set(this.#mixed);
    } else {
      sum.set(this.#sum);
      if (member.contributes) subtract(sum, member.frame);
      for (let i = 0; i < unheard.length; i++) if (unheard[i]!.contributes) subtract(sum, unheard[i]!.frame);
      toSamples(sum, out);
    }
    member.applyOut(out, member.plays.isAlone ? 0 : member.outWanted);
    if (member.plays.isBusy) {
      for (let i = 0; i < out.length; i++) sum[i] = out[i]!;
      if (member.plays.mixInto(sum)) toSamples(sum, out);
    }
    member.give(out);
  }

  #listen({ set, paused }: Listener): void {
    if (paused) return;
    set.heardTick(this.#mixed, this.rateHz);
    set.sentTick(this.#mixed, this.rateHz);
  }

  #reportTalking({ id: member, change, detector }: RoomMember): void {
    const { score } = detector;
    this.#context.report({ type: 'talking', member, on: change === 'started', score, ms: detector.frames * FRAME_MS });
  }

  #updateFloor(): void {
    const members = this.#members;
    let holder = this.#floor;
    for (let m = 0; m < members.length; m++) {
      const member = members[m]!;
      const takes =
        !holder ||
        (member !== holder &&
          member.detector.smoothed > FLOOR_TAKEN_ABOVE &&
          holder.detector.smoothed < FLOOR_LOST_BELOW);
      if (takes) holder = member;
    }
    if (holder === this.#floor) return;
    this.#floor = holder;
    this.#context.report({ type: 'floor', member: holder?.id });
  }

  #giveFloor(id: number | undefined): void {
    const member = id === undefined ? undefined : this.#find(id);
    if (member === this.#floor || (id !== undefined && !member)) return;
    this.#floor = member;
    this.#context.report({ type: 'floor', member: member?.id });
  }

  #add({ member: id, fromMember, toMember, settings }: Extract<RoomCommand, { type: 'add' }>): void {
    const member = new RoomMember(id, fromMember, toMember, this.#sum.length);
    if (settings) member.set(settings);
    this.#members.push(member);
    this.#resolveUnheard();
    this.#context.report({ type: 'memberAdded', member: id });
  }

  #remove(id: number): void {
    const member = this.#find(id);
    if (!member || member.leaving) return;
    member.leaving = true;
    member.plays.stopAll();
    this.#context.report({ type: 'memberRemoved', member: id });
  }

  #dropLeaving(): void {
    this.#members = this.#members.filter((member) => !member.leaving);
    if (this.#floor?.leaving) this.#floor = undefined;
    this.#resolveUnheard();
  }

  #resolveUnheard(): void {
    for (const member of this.#members) {
      if (member.unheardIds.length === 0) {
        member.unheard = [];
        continue;
      }
      const ids = new Set(member.unheardIds);
      member.unheard = this.#members.filter((other) => other !== member && ids.has(other.id));
    }
  }

  #play({ play, member, items, async, alone }: Extract<RoomCommand, { type: 'play' }>): void {
    const queue = member === undefined ? this.#plays : this.#find(member)?.plays;
    const player = new Player(0, { play, items, timeoutMs: 0 }, this.rateHz, this.#context.clips, (report) =>
      this.#context.report({ type: 'play', report }),
    );
    if (queue) queue.add(player, async, alone === true);
    else player.stop('break');
  }

  #attach({ attachment, spec }: Extract<RoomCommand, { type: 'attach' }>): void {
    const { clips, report } = this.#context;
    const set = new AttachmentSet(() => {
      this.#listeners.delete(attachment);
      report({ type: 'attachmentEnded', attachment });
    });
    this.#listeners.set(attachment, { set, paused: false });
    set.add(
      attachment,
      createAttachment(spec, {
        legRateHz: this.rateHz,
        clips,
        report: (event) => report({ type: 'attachmentEvent', attachment, event }),
      }),
    );
  }

  #eachQueue(act: (queue: PlayQueue) => void): void {
    act(this.#plays);
    for (const { plays } of this.#members) act(plays);
  }

  #find(id: number): RoomMember | undefined {
    return this.#members.find((member) => member.id === id);
  }
}

function add(sum: Int32Array, frame: Int16Array): void {
  for (let i = 0; i < frame.length; i++) sum[i]! += frame[i]!;
}

function subtract(sum: Int32Array, frame: Int16Array): void {
  for (let i = 0; i < frame.length; i++) sum[i]! -= frame[i]!;
}

function toSamples(sum: Int32Array, out: Int16Array): void {
  for (let i = 0; i < out.length; i++) out[i] = saturate(sum[i]!);
}
