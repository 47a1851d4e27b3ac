import { frameSamples, type LegRate } from '@ringwire/rtp';
import type { ClipCache } from '../audio-clip.js';
import type { PlayItem } from '../protocol.js';
import { ramp } from '../ramp.js';
import { type AudioSource, openSource, problemText } from '../sources.js';

/** Sound for a track. */
export interface DubPlay {
  /** Its number: its end is reported under it. */
  play: number;
  item: PlayItem;
  /** Again and again, until something else is played on the track. */
  loop: boolean;
  /** Factor of its loudness. */
  gain: number;
}

interface Entry extends DubPlay {
  /** Once it is open. */
  source: AudioSource | undefined;
  /** To end when the present frame has died away. */
  stopping: boolean;
}

/** What tracks report: that a play is over or was given up, and what went wrong. */
export type DubEvent = { type: 'dubEnded'; play: number } | { type: 'dubProblem'; problem: string };

/**
 * One track: what is played on it is heard one after the other, but something that repeats gives way to what comes after it. Every
 * start and end is a ramp of 20 ms, where a loop begins again there is none.
 */
export class DubTrack {
  readonly #rateHz: LegRate;
  readonly #clips: ClipCache;
  readonly #report: (event: DubEvent) => void;
  /** The first is heard. */
  readonly #queue: Entry[] = [];
  /** What is heard next; it waits for one tick, so that an end is known of 20 ms before it comes. */
  #held: Int16Array;
  #heldSamples = 0;
  #next: Int16Array;
  /** Gain at the end of the last frame. */
  #gainNow = 0;

  constructor(rateHz: LegRate, clips: ClipCache, report: (event: DubEvent) => void) {
    this.#rateHz = rateHz;
    this.#held = new Int16Array(frameSamples(rateHz));
    this.#next = new Int16Array(frameSamples(rateHz));
    this.#clips = clips;
    this.#report = report;
  }

  /** Whether anything plays or waits. */
  get isBusy(): boolean {
    return this.#queue.length > 0;
  }

  /** Plays something after what is there. */
  add(play: DubPlay): void {
    this.#stop((entry) => entry.loop);
    const entry: Entry = { ...play, source: undefined, stopping: false };
    this.#queue.push(entry);
    void this.#open(entry);
  }

  /** Ends everything. */
  silence(): void {
    this.#stop(() => true);
  }

  /** Adds 20 ms to `sum` and returns whether there was any sound. Tick path: no allocation but at a play's end. */
  mixInto(sum: Int32Array): boolean {
    const entry = this.#queue[0];
    if (!entry?.source) return false;
    const held = this.#held;
    if (this.#heldSamples === 0) {
      this.#heldSamples = fill(entry, held);
      if (this.#heldSamples < held.length) fadeOut(undefined, held, this.#heldSamples);
      if (this.#heldSamples === 0) {
        this.#fail(entry, 'there is no sound in it');
        return false;
      }
    }
    const next = this.#next;
    const samples = this.#heldSamples === held.length && !entry.stopping ? fill(entry, next) : 0;
    if (this.#heldSamples === held.length && samples < next.length && !entry.stopping) fadeOut(held, next, samples);
    const wanted = entry.stopping ? 0 : entry.gain;
    ramp(held, this.#gainNow, wanted);
    this.#gainNow = wanted;
    for (let i = 0; i < held.length; i++) sum[i]! += held[i]!;
    this.#held = next;
    this.#next = held;
    this.#heldSamples = samples;
    if (samples === 0) this.#leave(entry);
    return true;
  }

  /** The first has nothing more to say. */
  #leave(entry: Entry): void {
    if (!entry.loop || entry.stopping) {
      this.#end(entry);
      return;
    }
    // What cannot go back to its start is opened anew.
    entry.source = undefined;
    this.#gainNow = 0;
    void this.#open(entry);
  }

  #stop(isMeant: (entry: Entry) => boolean): void {
    for (const entry of this.#queue.filter(isMeant)) {
      if (entry === this.#queue[0] && this.#heldSamples > 0) entry.stopping = true;
      else this.#end(entry);
    }
  }

  #fail(entry: Entry, problem: string): void {
    this.#report({ type: 'dubProblem', problem: `${entry.item.name}: ${problem}` });
    this.#end(entry);
  }

  #end(entry: Entry): void {
    const at = this.#queue.indexOf(entry);
    if (at < 0) return;
    this.#queue.splice(at, 1);
    if (at === 0) {
      this.#heldSamples = 0;
      this.#gainNow = 0;
    }
    this.#report({ type: 'dubEnded', play: entry.play });
  }

  async #open(entry: Entry): Promise<void> {
    try {
      const tell = (name: string, problem: string): void =>
        this.#report({ type: 'dubProblem', problem: `${name}: ${problem}` });
      entry.source = await openSource(entry.item, this.#clips, this.#rateHz, tell);
    } catch (error) {
      this.#fail(entry, problemText(error));
    }
  }
}

/** Fills a frame, with silence after the end, and returns how many samples there were. What repeats goes on at its start. */
function fill(entry: Entry, frame: Int16Array): number {
  const source = entry.source!;
  let filled = source.read(frame, 0, frame.length);
  while (filled < frame.length && entry.loop && source.seek) {
    source.seek(0, false);
    const got = source.read(frame, filled, frame.length - filled);
    if (got === 0) break;
    filled += got;
  }
  frame.fill(0, filled);
  return filled;
}

/** Lets sound fade over its last 20 ms, of which `samples` are in `last` and the others at the end of `before`; all of it if there is no more. */
function fadeOut(before: Int16Array | undefined, last: Int16Array, samples: number): void {
  const length = before ? last.length : samples;
  if (before) {
    for (let i = samples; i < length; i++) before[i] = Math.round((before[i]! * (length + samples - i)) / length);
  }
  for (let i = 0; i < samples; i++) last[i] = Math.round((last[i]! * (samples - i)) / length);
}
