import { frameSamples, type LegRate } from '@ringwire/rtp';
import type { Attachment, AttachmentContext } from '../attachment.js';
import { ramp, saturate } from '../ramp.js';
import { type DubEvent, type DubPlay, DubTrack } from './dub-track.js';

/** Sound beside what the peer hears. */
export interface DubSpec {
  /** How many tracks there are, numbered from 0. */
  tracks: number;
}

/** What a dub may be told: what to play on a track, to silence one, how loud everything else is (a factor). */
export type DubMessage =
  | ({ type: 'play'; track: number } & DubPlay)
  | { type: 'silence'; track: number }
  | { type: 'gain'; gain: number };

/** Mixes tracks into what the peer hears, whatever else that is. */
export class Dub implements Attachment {
  /** The better one, since a call may change to it. */
  readonly rateHz: LegRate = 16000;
  ended = false;
  readonly #tracks: DubTrack[];
  readonly #sum: Int32Array;
  #gain = 1;
  /** At the end of the last frame. */
  #gainNow = 1;

  constructor({ tracks }: DubSpec, { clips, report }: AttachmentContext<DubEvent>) {
    this.#tracks = Array.from({ length: tracks }, () => new DubTrack(this.rateHz, clips, report));
    this.#sum = new Int32Array(frameSamples(this.rateHz));
  }

  tell(message: DubMessage): void {
    if (message.type === 'gain') this.#gain = message.gain;
    else if (message.type === 'silence') this.#tracks[message.track]?.silence();
    else this.#tracks[message.track]?.add(message);
  }

  /** Tick path. */
  alterTick(frame: Int16Array): void {
    ramp(frame, this.#gainNow, this.#gain);
    this.#gainNow = this.#gain;
  }

  /** Tick path. */
  mixTick(frame: Int16Array): boolean {
    const sum = this.#sum;
    let sounds = false;
    for (let i = 0; i < this.#tracks.length; i++) {
      const track = this.#tracks[i]!;
      if (!track.isBusy) continue;
      if (!sounds) sum.fill(0);
      if (track.mixInto(sum)) sounds = true;
    }
    if (!sounds) return false;
    for (let i = 0; i < frame.length; i++) frame[i] = Math.round(saturate(frame[i]! + sum[i]!));
    return true;
  }

  close(): void {
    this.ended = true;
  }
}
