import { FrameConverter, frameSamples, type LegRate } from '@ringwire/rtp';
import { type Attachment, mixInto } from './attachment.js';

/** One frame, at its own rate and, when someone asks, at the other. */
class TwoRateFrame {
  #frame: Int16Array = new Int16Array(0);
  #rateHz: LegRate = 8000;
  #converter: FrameConverter | undefined;
  #converted: Int16Array | undefined;

  set(frame: Int16Array, rateHz: LegRate): void {
    this.#frame = frame;
    if (rateHz !== this.#rateHz) this.#converter = undefined;
    this.#rateHz = rateHz;
    this.#converted = undefined;
  }

  at(rateHz: LegRate): Int16Array {
    if (rateHz === this.#rateHz) return this.#frame;
    if (!this.#converted) {
      this.#converter ??= new FrameConverter(this.#rateHz, rateHz);
      this.#converted = this.#converter.convert(this.#frame);
    }
    return this.#converted;
  }
}

/**
 * The attachments of one leg (or room): gives each its ticks at its own rate and closes those that have ended. The conversion to
 * the other rate is made once for all of them.
 */
export class AttachmentSet {
  readonly #onEnded: (id: number) => void;
  readonly #byId = new Map<number, Attachment>();
  /** Closed, but not yet put away. */
  readonly #closing = new Set<Promise<void>>();
  readonly #heard = new TwoRateFrame();
  readonly #sent = new TwoRateFrame();
  #all: Attachment[] = [];
  #listens = false;
  #mixes = false;
  #alters = false;
  /** Sum of those who speak at the other rate than the leg's. */
  #otherMix: Int16Array | undefined;
  #otherConverter: FrameConverter | undefined;
  #otherSounded = false;

  /** `onEnded` is called once for each, when it is put away. */
  constructor(onEnded: (id: number) => void) {
    this.#onEnded = onEnded;
  }

  /** Whether someone wants to hear. */
  get listens(): boolean {
    return this.#listens;
  }

  /** Adds one; it gets ticks from the next on. */
  add(id: number, attachment: Attachment): void {
    this.#byId.set(id, attachment);
    this.#refresh();
  }

  /** Passes a message; ignored when there is no such attachment. */
  tell(id: number, message: unknown): void {
    // The registry types the message by the attachment's kind on the sending side.
    this.#byId.get(id)?.tell?.(message as never);
  }

  /** Ends one. */
  remove(id: number): void {
    const attachment = this.#byId.get(id);
    if (!attachment) return;
    this.#byId.delete(id);
    this.#refresh();
    const closed = Promise.resolve(attachment.close()).then(
      () => this.#onEnded(id),
      // An attachment reports its own troubles as events; whoever waits for its end is told in any case.
      () => this.#onEnded(id),
    );
    this.#closing.add(closed);
    void closed.then(() => this.#closing.delete(closed));
  }

  /** Ends all; resolves when all are put away. */
  async close(): Promise<void> {
    for (const id of [...this.#byId.keys()]) this.remove(id);
    await Promise.all(this.#closing);
  }

  /** Gives what was heard. */
  heardTick(frame: Int16Array, rateHz: LegRate): void {
    const all = this.#all;
    if (all.length === 0) return;
    this.#heard.set(frame, rateHz);
    for (let i = 0; i < all.length; i++) {
      const one = all[i]!;
      if (one.heardTick && !one.ended) one.heardTick(this.#heard.at(one.rateHz));
    }
  }

  /** Lets them change `frame` and adds what they say to it; true when they said something. */
  mixTick(frame: Int16Array, rateHz: LegRate): boolean {
    const all = this.#all;
    if (this.#alters) for (let i = 0; i < all.length; i++) if (!all[i]!.ended) all[i]!.alterTick?.(frame);
    if (!this.#mixes) return false;
    let sounds = false;
    let other: Int16Array | undefined;
    let otherSounds = false;
    for (let i = 0; i < all.length; i++) {
      const one = all[i]!;
      if (!one.mixTick || one.ended) continue;
      if (one.rateHz === rateHz) {
        if (one.mixTick(frame)) sounds = true;
        continue;
      }
      other ??= this.#otherFrame(one.rateHz, rateHz);
      if (one.mixTick(other)) otherSounds = true;
    }
    // One frame of silence after the last sound brings out what the filter still holds.
    if (other && (otherSounds || this.#otherSounded)) {
      mixInto(frame, this.#otherConverter!.convert(other));
      sounds = true;
    }
    this.#otherSounded = otherSounds;
    return sounds;
  }

  /** Gives what is sent, and lets go of those that have ended. */
  sentTick(frame: Int16Array, rateHz: LegRate): void {
    const all = this.#all;
    if (all.length === 0) return;
    this.#sent.set(frame, rateHz);
    let over = false;
    for (let i = 0; i < all.length; i++) {
      const one = all[i]!;
      if (one.sentTick && !one.ended) one.sentTick(this.#sent.at(one.rateHz));
      if (one.ended) over = true;
    }
    if (over) this.#removeEnded();
  }

  #removeEnded(): void {
    for (const [id, attachment] of this.#byId) if (attachment.ended) this.remove(id);
  }

  #refresh(): void {
    this.#all = [...this.#byId.values()];
    this.#listens = this.#all.some((one) => one.heardTick !== undefined);
    this.#mixes = this.#all.some((one) => one.mixTick !== undefined);
    this.#alters = this.#all.some((one) => one.alterTick !== undefined);
  }

  #otherFrame(otherHz: LegRate, rateHz: LegRate): Int16Array {
    if (this.#otherConverter?.fromHz !== otherHz) {
      this.#otherConverter = new FrameConverter(otherHz, rateHz);
      this.#otherMix = new Int16Array(frameSamples(otherHz));
    }
    this.#otherMix!.fill(0);
    return this.#otherMix!;
  }
}
