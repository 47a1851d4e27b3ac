import { frameSamples, type LegRate } from '@ringwire/rtp';
import type { Attachment } from '../attachment.js';
import { PcmRing } from '../pcm-ring.js';

/** Which directions a fork gets: what the peer says; that and what it hears, summed; both, as left and right. */
export type ForkMix = 'mono' | 'mixed' | 'stereo';

/** The media thread's part of an audio fork. */
export interface ForkTapSpec {
  rateHz: LegRate;
  mix: ForkMix;
  /** A {@link PcmRing} that it fills, interleaved when stereo. */
  outgoing: SharedArrayBuffer;
  /** A {@link PcmRing} whose samples are mixed into what the peer hears. */
  incoming?: SharedArrayBuffer;
}

/** Held before speaking begins, so that the network's unevenness is not heard; less after it has run dry once, as mod_audio_fork. */
const FIRST_PREBUFFER_TICKS = 4;
const NEXT_PREBUFFER_TICKS = 2;

/** Takes the audio of a leg to an audio fork's socket and what the socket streams back to the leg. */
export class ForkTap implements Attachment {
  readonly rateHz: LegRate;
  readonly ended = false;
  readonly mixTick?: (frame: Int16Array) => boolean;
  readonly #mix: ForkMix;
  readonly #outgoing: PcmRing;
  readonly #combined: Int16Array;
  readonly #heard: Int16Array;
  readonly #spoken: Int16Array;
  #speaks = false;
  #prebufferTicks = FIRST_PREBUFFER_TICKS;
  #waitedTicks = 0;

  constructor(spec: ForkTapSpec) {
    this.rateHz = spec.rateHz;
    this.#mix = spec.mix;
    this.#outgoing = new PcmRing(spec.outgoing);
    const samples = frameSamples(spec.rateHz);
    this.#heard = new Int16Array(samples);
    this.#spoken = new Int16Array(samples);
    this.#combined = new Int16Array(spec.mix === 'stereo' ? samples * 2 : samples);
    if (spec.incoming) {
      const incoming = new PcmRing(spec.incoming);
      this.mixTick = (frame) => this.#speak(frame, incoming);
    }
  }

  heardTick(frame: Int16Array): void {
    if (this.#mix === 'mono') this.#outgoing.write(frame);
    else this.#heard.set(frame);
  }

  sentTick(frame: Int16Array): void {
    if (this.#mix === 'mono') return;
    const combined = this.#combined;
    const heard = this.#heard;
    if (this.#mix === 'stereo') {
      for (let i = 0; i < frame.length; i++) {
        combined[2 * i] = heard[i]!;
        combined[2 * i + 1] = frame[i]!;
      }
    } else {
      for (let i = 0; i < frame.length; i++) {
        const sum = heard[i]! + frame[i]!;
        combined[i] = sum > 32767 ? 32767 : sum < -32768 ? -32768 : sum;
      }
    }
    this.#outgoing.write(combined);
  }

  close(): void {}

  #speak(frame: Int16Array, incoming: PcmRing): boolean {
    const spoken = this.#spoken;
    const waiting = incoming.settle();
    if (!this.#speaks) {
      if (waiting === 0) return false;
      // What is shorter than that does not wait for ever for more.
      if (waiting < this.#prebufferTicks * frame.length && ++this.#waitedTicks < this.#prebufferTicks) return false;
      this.#speaks = true;
    }
    const taken = incoming.read(spoken);
    if (taken < frame.length) {
      this.#speaks = false;
      this.#prebufferTicks = NEXT_PREBUFFER_TICKS;
      this.#waitedTicks = 0;
    }
    for (let i = 0; i < taken; i++) {
      const sum = frame[i]! + spoken[i]!;
      frame[i] = sum > 32767 ? 32767 : sum < -32768 ? -32768 : sum;
    }
    return taken > 0;
  }
}
