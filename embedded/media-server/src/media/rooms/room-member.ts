import { FrameQueue } from '../frame-queue.js';
import { FrameReader } from '../frame-reader.js';
import { dieAway, ramp } from '../ramp.js';
import { PlayQueue } from './play-queue.js';
import type { MemberSettings } from './room-protocol.js';
import { type TalkChange, TalkDetector } from './talk-detector.js';

/** Bounds and speed of the automatic gain: at most ±12 dB, a quarter of a dB per frame of speech. */
const AGC_MAX = 4;
const AGC_STEP = 10 ** (0.25 / 20);
/** The automatic gain leaves alone what is this near to its aim. */
const AGC_MARGIN = 1.12;
/** A frame in which nothing is said, at the higher rate; its mean does not depend on its length. */
const SILENCE = new Int16Array(320);

/** One member of a room, on the media thread: what comes from it, what goes to it, and how. */
export class RoomMember {
  readonly id: number;
  /** What it says in this tick, after gain and gate; meaningless unless {@link contributes}. */
  readonly frame: Int16Array;
  readonly detector = new TalkDetector();
  readonly plays: PlayQueue;
  /** Whether {@link frame} is part of this tick's sum. */
  contributes = false;
  /** What the last frame changed in its talking. */
  change: TalkChange = 'none';
  /** Members whom it does not hear; resolved whenever members or settings change. */
  unheard: readonly RoomMember[] = [];
  unheardIds: readonly number[] = [];
  /** It is gone; this is the tick in which its audio dies away. */
  leaving = false;
  speaks = true;
  hears = true;
  readonly #from: FrameReader;
  readonly #to: FrameQueue;
  /** The last frame that it said, as it was mixed. */
  readonly #last: Int16Array;
  #lastSounded = false;
  #muteDetect = false;
  #gainIn = 1;
  #gainOut = 1;
  #agcLevel = 0;
  #agcGain = 1;
  #inNow = 0;
  #outNow = 0;

  constructor(id: number, from: SharedArrayBuffer, to: SharedArrayBuffer, frameLength: number) {
    this.id = id;
    this.#from = new FrameReader(new FrameQueue(from));
    this.#to = new FrameQueue(to);
    this.frame = new Int16Array(frameLength);
    this.#last = new Int16Array(frameLength);
    this.plays = new PlayQueue(frameLength);
  }

  /** Factor that what it hears has at the end of this tick. */
  get outWanted(): number {
    return this.hears && !this.leaving ? this.#gainOut : 0;
  }

  /** Changes what is named. */
  set(settings: MemberSettings): void {
    this.speaks = settings.speaks ?? this.speaks;
    this.hears = settings.hears ?? this.hears;
    this.#gainIn = settings.gainIn ?? this.#gainIn;
    this.#gainOut = settings.gainOut ?? this.#gainOut;
    this.detector.level = settings.energyLevel ?? this.detector.level;
    this.#muteDetect = settings.muteDetect ?? this.#muteDetect;
    this.unheardIds = settings.unheard ?? this.unheardIds;
    if (settings.agcLevel !== undefined) {
      this.#agcLevel = settings.agcLevel;
      this.#agcGain = 1;
    }
  }

  /** Takes 20 ms from its leg. `open`: whether the room lets anyone speak. Tick path. */
  take(open: boolean): void {
    const { frame, detector } = this;
    this.change = 'none';
    if (!this.#from.pull(frame)) {
      // The leg is late or gone: what it said last dies away, and comes in softly when it goes on.
      this.contributes = this.#lastSounded;
      if (this.#lastSounded) dieAway(frame, this.#last);
      this.#lastSounded = false;
      this.#inNow = 0;
      if (detector.talking || this.leaving) this.#detectSilence();
      return;
    }
    const speaks = this.speaks && open && !this.leaving;
    if (speaks || this.#muteDetect) this.change = detector.take(frame);
    else if (detector.talking) this.#stopTalking();
    const wanted = speaks && detector.open ? this.#gainIn * this.#autoGain() : 0;
    this.contributes = wanted !== 0 || this.#inNow !== 0;
    if (!this.contributes) {
      this.#lastSounded = false;
      return;
    }
    ramp(frame, this.#inNow, wanted);
    this.#inNow = wanted;
    this.#last.set(frame);
    this.#lastSounded = wanted !== 0;
  }

  /** Gives it what it is to hear. Tick path. */
  give(out: Int16Array): void {
    this.#to.push(out);
  }

  /** The factors for what it hears of the room, before and after this tick. */
  applyOut(out: Int16Array, wanted: number): void {
    ramp(out, this.#outNow, wanted);
    this.#outNow = wanted;
  }

  #stopTalking(): void {
    this.detector.reset();
    this.change = 'stopped';
  }

  #detectSilence(): void {
    if (!this.leaving) this.change = this.detector.take(SILENCE);
    else if (this.detector.talking) this.#stopTalking();
  }

  #autoGain(): number {
    if (this.#agcLevel === 0) return 1;
    const { score, level, smoothed } = this.detector;
    if (score > level && smoothed > 0) {
      const now = smoothed * this.#agcGain;
      if (now * AGC_MARGIN < this.#agcLevel) this.#agcGain = Math.min(AGC_MAX, this.#agcGain * AGC_STEP);
      else if (now > this.#agcLevel * AGC_MARGIN) this.#agcGain = Math.max(1 / AGC_MAX, this.#agcGain / AGC_STEP);
    }
    return this.#agcGain;
  }
}
