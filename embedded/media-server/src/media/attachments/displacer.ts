import { frameSamples, type LegRate } from '@ringwire/rtp';
import { type Attachment, type AttachmentContext, mixInto } from '../attachment.js';
import type { PlayItem } from '../protocol.js';
import { type AudioSource, openSource, problemText } from '../sources.js';

/** Audio that is heard instead of, or over, what the peer would hear. */
export interface DisplaceSpec {
  item: PlayItem;
  /** Is added to what the peer hears; else it replaces that. */
  mux: boolean;
  loop: boolean;
  /** 0 is no limit. */
  limitMs: number;
}

/** What a displacer reports: whether it could be opened. */
export type DisplaceEvent = { type: 'displaceStarted' } | { type: 'displaceFailed'; problem: string };

/** Plays one item over or instead of a leg's sound, until its end or its limit. */
export class Displacer implements Attachment {
  readonly rateHz: LegRate;
  ended = false;
  readonly #spec: DisplaceSpec;
  readonly #context: AttachmentContext<DisplaceEvent>;
  readonly #frame: Int16Array;
  #samplesLeft: number;
  #source: AudioSource | undefined;
  #announced = false;

  constructor(spec: DisplaceSpec, context: AttachmentContext<DisplaceEvent>) {
    this.#spec = spec;
    this.#context = context;
    this.rateHz = context.legRateHz;
    this.#frame = new Int16Array(frameSamples(this.rateHz));
    this.#samplesLeft = spec.limitMs > 0 ? (spec.limitMs * this.rateHz) / 1000 : Number.POSITIVE_INFINITY;
    void this.#open();
  }

  /** Tick path. What is heard instead is mixed into silence, since the leg may have another rate by now. */
  alterTick(frame: Int16Array): void {
    if (this.#source && !this.#spec.mux) frame.fill(0);
  }

  /** Tick path. */
  mixTick(frame: Int16Array): boolean {
    const source = this.#source;
    if (!source) return false;
    let got = source.read(this.#frame, 0, Math.min(frame.length, this.#samplesLeft));
    if (got < frame.length && this.#spec.loop && this.#samplesLeft > frame.length) {
      if (source.seek) {
        source.seek(0, false);
        got += source.read(this.#frame, got, frame.length - got);
      } else {
        this.#source = undefined;
        void this.#open();
      }
    } else if (got < frame.length) {
      this.ended = true;
    }
    this.#samplesLeft -= frame.length;
    this.#frame.fill(0, got);
    mixInto(frame, this.#frame);
    return true;
  }

  close(): void {
    this.ended = true;
    this.#source = undefined;
  }

  async #open(): Promise<void> {
    try {
      const source = await openSource(this.#spec.item, this.#context.clips, this.rateHz, () => undefined);
      if (!this.ended) this.#source = source;
      if (!this.#announced) this.#context.report({ type: 'displaceStarted' });
      this.#announced = true;
    } catch (error) {
      this.ended = true;
      this.#context.report({ type: 'displaceFailed', problem: problemText(error) });
    }
  }
}
