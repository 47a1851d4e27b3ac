import type { Player } from '../player.js';
import { ramp } from '../ramp.js';

interface Entry {
  player: Player;
  paused: boolean;
  gain: number;
  /** Gain at the end of the last frame. */
  gainNow: number;
  alone: boolean;
  /** To end when the present frame has died away. */
  stopping: boolean;
}

/** What is played to a room or to one member: lists after each other, and others beside them. */
export class PlayQueue {
  readonly #frame: Int16Array;
  readonly #queue: Entry[] = [];
  readonly #beside: Entry[] = [];

  constructor(frameLength: number) {
    this.#frame = new Int16Array(frameLength);
  }

  /** Whether anything plays or waits. */
  get isBusy(): boolean {
    return this.#queue.length > 0 || this.#beside.length > 0;
  }

  /** Whether what plays now is to be heard alone. */
  get isAlone(): boolean {
    return this.#queue[0]?.alone === true;
  }

  /** Adds a list. */
  add(player: Player, async: boolean, alone: boolean): void {
    const entry: Entry = { player, paused: false, gain: 1, gainNow: 1, alone, stopping: false };
    (async ? this.#beside : this.#queue).push(entry);
  }

  /** Ends a list; false when it is not here. */
  stop(play: number): boolean {
    for (const list of [this.#queue, this.#beside]) {
      const at = list.findIndex(({ player }) => player.play === play);
      if (at < 0) continue;
      const entry = list[at]!;
      const isHeard = (list === this.#beside || at === 0) && entry.gainNow > 0;
      if (isHeard) {
        entry.stopping = true;
        return true;
      }
      list.splice(at, 1);
      entry.player.stop('break');
      return true;
    }
    return false;
  }

  /** Halts a list or lets it go on; false when it is not here. */
  pause(play: number, on: boolean): boolean {
    const entry = this.#find(play);
    if (entry) entry.paused = on;
    return entry !== undefined;
  }

  /** Changes how loud a list is; false when it is not here. */
  setGain(play: number, gain: number): boolean {
    const entry = this.#find(play);
    if (entry) entry.gain = gain;
    return entry !== undefined;
  }

  /** Ends all. */
  stopAll(): void {
    for (const { player } of [...this.#queue, ...this.#beside]) player.stop('break');
    this.#queue.length = 0;
    this.#beside.length = 0;
  }

  /** Adds 20 ms to `sum` and returns whether there was any sound. Tick path: no allocation but at an item's edge. */
  mixInto(sum: Int32Array): boolean {
    let sounds = false;
    while (this.#queue.length > 0) {
      const entry = this.#queue[0]!;
      if (this.#mix(entry, sum)) sounds = true;
      if (!entry.player.ended) break;
      this.#queue.shift();
      if (sounds) break;
    }
    for (let i = this.#beside.length - 1; i >= 0; i--) {
      const entry = this.#beside[i]!;
      if (this.#mix(entry, sum)) sounds = true;
      if (entry.player.ended) this.#beside.splice(i, 1);
    }
    return sounds;
  }

  #mix(entry: Entry, sum: Int32Array): boolean {
    const wanted = entry.paused || entry.stopping ? 0 : entry.gain;
    if (entry.paused && !entry.stopping && entry.gainNow === 0) return false;
    const frame = this.#frame;
    const filled = entry.player.read(frame, frame.length);
    if (filled > 0) {
      frame.fill(0, filled);
      ramp(frame, entry.gainNow, wanted);
      entry.gainNow = wanted;
    }
    if (entry.stopping) entry.player.stop('break');
    if (filled === 0) return false;
    for (let i = 0; i < filled; i++) sum[i]! += frame[i]!;
    return true;
  }

  #find(play: number): Entry | undefined {
    const isIt = ({ player }: Entry): boolean => player.play === play;
    return this.#queue.find(isIt) ?? this.#beside.find(isIt);
  }
}
